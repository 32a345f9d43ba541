"""The console's page of one order: everything that we know of it, in a constant number of queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from fulfillment.console import routing_text
from fulfillment.console.sections import (
    RETURN_TONES,
    SHIPMENT_TONES,
    WMS_TONES,
    Badge,
    Cell,
    Link,
    Section,
    at_shopify,
    badge,
    link,
)
from fulfillment.models import FulfillmentOrder, Order, OrderLine, Return, Shipment, WmsOrder
from ops.console import timeline
from ops.models import Alert
from ops.refs import Subject
from ops.text.masking import mask_personal
from skumap.refs import variant_subject
from wms.models import Warehouse
from wms.refs import callback_subject


@dataclass(frozen=True)
class OrderRows:
    """An order and its related rows, each read once. `locations`: the names of our locations by Shopify's id."""

    order: Order
    lines: Sequence[OrderLine]
    fulfillment_orders: Sequence[FulfillmentOrder]
    parts: Sequence[WmsOrder]
    shipments: Sequence[Shipment]
    returns: Sequence[Return]
    locations: dict[int, str]

    @property
    def subjects(self) -> list[Subject]:
        """The subjects of jobs and alerts about the order, its parts, shipments and returns."""
        named = [
            callback_subject(p.warehouse.connection.slug, p.remote_id) for p in self.parts if p.remote_id
        ]
        return [
            self.order.subject,
            *named,
            *(part.subject for part in self.parts),
            *(shipment.subject for shipment in self.shipments),
            *(row.subject for row in self.returns),
        ]

    @property
    def sku_subjects(self) -> list[Subject]:
        """The subjects of alerts about the order's SKUs, which concern other orders too."""
        return [
            variant_subject(self.order.shop.domain, line.shopify_variant_id)
            for line in self.lines
            if line.shopify_variant_id
        ]


def read_rows(order: Order) -> OrderRows:
    """Read all rows of an order. `order.shop` must be loaded."""
    parts = order.wms_orders.select_related("warehouse__connection").prefetch_related("lines__order_line")
    shipments = Shipment.objects.filter(wms_order__order=order).select_related("wms_order")
    locations = Warehouse.objects.filter(shop_id=order.shop_id).values_list("shopify_location_id", "name")
    fulfillment_orders = order.fulfillment_orders.prefetch_related("lines__order_line")
    return OrderRows(
        order=order,
        lines=list(order.lines.order_by("id")),
        fulfillment_orders=list(fulfillment_orders.order_by("shopify_fulfillment_order_id")),
        parts=list(parts.order_by("part")),
        shipments=list(shipments.prefetch_related("lines", "units__order_line").order_by("id")),
        returns=list(Return.objects.filter(wms_order__order=order).prefetch_related("lines").order_by("id")),
        locations=dict(locations),
    )


@dataclass(frozen=True)
class OrderPage:
    """What the templates before.html and after.html in templates/admin/fulfillment show of an order."""

    shopify_url: str
    address: list[tuple[str, str]]
    address_hidden: bool
    erased_at: datetime | None
    sections: list[Section]
    alerts: list[Alert]
    entries: list[timeline.Entry]


def page(order: Order, *, with_personal_data: bool) -> OrderPage:
    """The page of an order; with names and addresses only if the viewer may see them."""
    found = read_rows(order)
    sections = [_lines(found), _parts(found), _shipments(found), _fulfillment_orders(found), _decision(order)]
    if found.returns:
        sections.insert(3, _returns(found))
    subjects = found.subjects
    alerts = Alert.objects.filter(subject__in=[*subjects, *found.sku_subjects], state=Alert.State.OPEN)
    return OrderPage(
        shopify_url=at_shopify(order),
        address=_address(order, shown=with_personal_data),
        address_hidden=not with_personal_data and order.erased_at is None,
        erased_at=order.erased_at,
        sections=sections,
        alerts=list(alerts.order_by("-last_at")),
        entries=timeline.timeline(subjects, rows=[order, *found.parts, *found.shipments, *found.returns]),
    )


def _address(order: Order, *, shown: bool) -> list[tuple[str, str]]:
    """The address as names and values in the usual order, masked unless `shown`."""
    parts: dict[str, Any] = json.loads(order.ship_to) if order.ship_to else {}
    seen = parts if shown else mask_personal(parts)
    usual = ["name", "company", "address1", "address2", "zip", "city", "province", "country", "phone"]
    names = [*usual, *(name for name in seen if name not in usual)]
    return [(name, str(seen[name])) for name in names if seen.get(name)]


def _units(pairs: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{quantity} × {what}" for quantity, what in pairs)


def _lines(found: OrderRows) -> Section:
    """The order's lines, with the Shopify units that are open at Shopify and those that shipments completed."""
    shipped: dict[int, int] = {}
    for unit in (unit for shipment in found.shipments for unit in shipment.units.all()):
        shipped[unit.order_line_id] = shipped.get(unit.order_line_id, 0) + unit.quantity
    still_open: dict[int, int] = {}
    for row in (row for each in found.fulfillment_orders for row in each.lines.all()):
        still_open[row.order_line_id] = still_open.get(row.order_line_id, 0) + row.remaining_quantity
    rows: list[list[Cell]] = [
        [
            line.title,
            line.sku,
            _mapping(line),
            line.quantity,
            still_open.get(line.id, 0),
            shipped.get(line.id, 0),
            _not_ours(line),
        ]
        for line in found.lines
    ]
    headers = ["Product", "SKU", "Variant", "Ordered", "Open at Shopify", "Shipped", ""]
    return Section("Lines", headers, rows, empty="Not read yet.")


def _mapping(line: OrderLine) -> Cell:
    """The variant, as a link to its SKU mappings."""
    if line.shopify_variant_id is None:
        return "none: a custom line"
    mappings = reverse("admin:skumap_skumapping_changelist")
    return Link(str(line.shopify_variant_id), f"{mappings}?q={line.shopify_variant_id}")


def _not_ours(line: OrderLine) -> str:
    """Why no warehouse sends the line; "" if one does."""
    if line.is_gift_card:
        return "gift card"
    if not line.requires_shipping:
        return "needs no shipping"
    return "removed" if not line.quantity else ""


def _parts(found: OrderRows) -> Section:
    rows: list[list[Cell]] = [
        [
            link(part, f"part {part.part}"),
            part.warehouse.place,
            badge(part.wms_status, WMS_TONES),
            part.remote_id,
            part.get_outcome_display(),
            ", ".join(f"{line.shipped}/{line.quantity} × {line.item_code}" for line in part.lines.all()),
            part.accepted_at,
        ]
        for part in found.parts
    ]
    headers = [
        "WMS order",
        "Warehouse",
        "State",
        "Id at the WMS",
        "Last attempt",
        "Items shipped",
        "Accepted",
    ]
    return Section("WMS orders", headers, rows, empty="Not with any warehouse yet.")


def _shipments(found: OrderRows) -> Section:
    rows: list[list[Cell]] = [
        [
            link(shipment),
            f"part {shipment.wms_order.part}" if shipment.wms_order else "",
            badge(shipment.state, SHIPMENT_TONES),
            f"{', '.join(shipment.numbers)} {shipment.carrier_code}".strip(),
            _units((line.quantity, line.item_code) for line in shipment.lines.all()),
            _units((unit.quantity, unit.order_line.label) for unit in shipment.units.all()),
            shipment.shipped_at,
            fulfillment_of(shipment, found.order),
        ]
        for shipment in found.shipments
    ]
    headers = [
        "Shipment",
        "Of",
        "State",
        "Tracking",
        "WMS items",
        "Completes",
        "Shipped",
        "Fulfilment at Shopify",
    ]
    return Section("Shipments", headers, rows, empty="Nothing was shipped yet.")


def fulfillment_of(shipment: Shipment, order: Order) -> Cell:
    """A link to the fulfilment of a shipment, on the order's page in Shopify; its reason if it is held or has none."""
    if shipment.shopify_fulfillment_id is None or shipment.reason:
        return shipment.reason
    return Link(str(shipment.shopify_fulfillment_id), at_shopify(order), away=True)


def _returns(found: OrderRows) -> Section:
    rows: list[list[Cell]] = [
        [
            link(row, row.remote_id or row.external_id),
            badge(row.state, RETURN_TONES),
            row.reason,
            _units((line.quantity, line.item_code) for line in row.lines.all()),
            row.requested_at,
            row.received_at,
        ]
        for row in found.returns
    ]
    return Section("Returns", ["Return", "State", "Reason", "Items", "Requested", "Received"], rows)


def _fulfillment_orders(found: OrderRows) -> Section:
    rows: list[list[Cell]] = [
        [
            str(each.shopify_fulfillment_order_id),
            each.status.lower().replace("_", " "),
            _location(each, found.locations),
            each.delivery_method.lower().replace("_", " "),
            ", ".join(
                f"{line.remaining_quantity}/{line.total_quantity} × {line.order_line.label}"
                for line in each.lines.all()
            ),
            each.hold_reason or each.fulfill_at,
        ]
        for each in found.fulfillment_orders
    ]
    headers = ["Fulfilment order", "State", "Location", "Delivery", "Units left", "Held by / from"]
    return Section("Fulfilment orders at Shopify", headers, rows, empty="Shopify has made none yet.")


def _location(fulfillment_order: FulfillmentOrder, names: dict[int, str]) -> str:
    """The location's name and id, or why it is not ours."""
    location = fulfillment_order.location_id
    if location is None:
        return "none"
    if location in names:
        return f"{names[location]} ({location})"
    kind = "a service that is not ours" if fulfillment_order.at_foreign_service else "no warehouse of ours"
    return f"{location}: {kind}"


def _decision(order: Order) -> Section:
    rows: list[list[Cell]] = [
        [finding.warehouse, Badge("chosen", "success") if finding.chosen else finding.words]
        for finding in routing_text.explain(order.routing)
    ]
    return Section("Last routing decision", ["Warehouse", "Finding"], rows, empty="Not routed yet.")
