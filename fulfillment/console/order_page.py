"""What the console shows of one order: everything that is known of it, in a constant number of queries."""

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
class OrderFacts:
    """The rows of an order, read once, with what hangs on them."""

    order: Order
    lines: Sequence[OrderLine]
    work: Sequence[FulfillmentOrder]
    parts: Sequence[WmsOrder]
    parcels: Sequence[Shipment]
    returns: Sequence[Return]
    locations: dict[int, str]

    @property
    def subjects(self) -> list[Subject]:
        """What jobs and alerts about the order and its parts are filed under."""
        named = [
            callback_subject(p.warehouse.connection.slug, p.remote_id) for p in self.parts if p.remote_id
        ]
        return [
            self.order.subject,
            *named,
            *(part.subject for part in self.parts),
            *(parcel.subject for parcel in self.parcels),
            *(row.subject for row in self.returns),
        ]

    @property
    def sku_subjects(self) -> list[Subject]:
        """What alerts about the order's SKUs are filed under; they concern other orders too."""
        return [
            variant_subject(self.order.shop.domain, line.shopify_variant_id)
            for line in self.lines
            if line.shopify_variant_id
        ]


def facts(order: Order) -> OrderFacts:
    """Read all rows of an order; `order.shop` is loaded."""
    parts = order.wms_orders.select_related("warehouse__connection").prefetch_related("lines__order_line")
    parcels = Shipment.objects.filter(wms_order__order=order).select_related("wms_order")
    locations = Warehouse.objects.filter(shop_id=order.shop_id).values_list("shopify_location_id", "name")
    work = order.fulfillment_orders.prefetch_related("lines__order_line")
    return OrderFacts(
        order=order,
        lines=list(order.lines.order_by("id")),
        work=list(work.order_by("shopify_fulfillment_order_id")),
        parts=list(parts.order_by("part")),
        parcels=list(parcels.prefetch_related("lines", "units__order_line").order_by("id")),
        returns=list(Return.objects.filter(wms_order__order=order).prefetch_related("lines").order_by("id")),
        locations=dict(locations),
    )


@dataclass(frozen=True)
class OrderPage:
    """What templates/admin/fulfillment/order.html shows."""

    shopify_url: str
    address: list[tuple[str, str]]
    address_hidden: bool
    erased_at: datetime | None
    sections: list[Section]
    alerts: list[Alert]
    entries: list[timeline.Entry]


def page(order: Order, *, with_personal_data: bool) -> OrderPage:
    """Everything about an order; names and addresses only where the viewer may see them."""
    found = facts(order)
    sections = [_lines(found), _parts(found), _parcels(found), _work(found), _decision(order)]
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
        entries=timeline.timeline(subjects, rows=[order, *found.parts, *found.parcels, *found.returns]),
    )


def _address(order: Order, *, shown: bool) -> list[tuple[str, str]]:
    parts: dict[str, Any] = json.loads(order.ship_to) if order.ship_to else {}
    seen = parts if shown else mask_personal(parts)
    order_of = ["name", "company", "address1", "address2", "zip", "city", "province", "country", "phone"]
    names = [*order_of, *(name for name in seen if name not in order_of)]
    return [(name, str(seen[name])) for name in names if seen.get(name)]


def _units(pairs: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{quantity} × {what}" for quantity, what in pairs)


def _lines(found: OrderFacts) -> Section:
    shipped: dict[int, int] = {}
    for unit in (unit for parcel in found.parcels for unit in parcel.units.all()):
        shipped[unit.order_line_id] = shipped.get(unit.order_line_id, 0) + unit.quantity
    still_open: dict[int, int] = {}
    for row in (row for work in found.work for row in work.lines.all()):
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
    """The variant, leading to its SKU mappings."""
    if line.shopify_variant_id is None:
        return "none: a custom line"
    mappings = reverse("admin:skumap_skumapping_changelist")
    return Link(str(line.shopify_variant_id), f"{mappings}?q={line.shopify_variant_id}")


def _not_ours(line: OrderLine) -> str:
    if line.is_gift_card:
        return "gift card"
    if not line.requires_shipping:
        return "needs no shipping"
    return "removed" if not line.quantity else ""


def _parts(found: OrderFacts) -> Section:
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


def _parcels(found: OrderFacts) -> Section:
    rows: list[list[Cell]] = [
        [
            link(parcel),
            f"part {parcel.wms_order.part}" if parcel.wms_order else "",
            badge(parcel.state, SHIPMENT_TONES),
            f"{', '.join(parcel.numbers)} {parcel.carrier_code}".strip(),
            _units((line.quantity, line.item_code) for line in parcel.lines.all()),
            _units((unit.quantity, unit.order_line.label) for unit in parcel.units.all()),
            parcel.shipped_at,
            fulfillment_of(parcel, found.order),
        ]
        for parcel in found.parcels
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


def fulfillment_of(parcel: Shipment, order: Order) -> Cell:
    """The fulfilment a shipment became; Shopify shows fulfilments on the order's page."""
    if parcel.shopify_fulfillment_id is None or parcel.reason:
        return parcel.reason
    return Link(str(parcel.shopify_fulfillment_id), at_shopify(order), away=True)


def _returns(found: OrderFacts) -> Section:
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


def _work(found: OrderFacts) -> Section:
    rows: list[list[Cell]] = [
        [
            str(work.shopify_fulfillment_order_id),
            work.status.lower().replace("_", " "),
            _place(work, found.locations),
            work.delivery_method.lower().replace("_", " "),
            ", ".join(
                f"{line.remaining_quantity}/{line.total_quantity} × {line.order_line.label}"
                for line in work.lines.all()
            ),
            work.hold_reason or work.fulfill_at,
        ]
        for work in found.work
    ]
    headers = ["Fulfilment order", "State", "Location", "Delivery", "Units left", "Held by / from"]
    return Section("Fulfilment orders at Shopify", headers, rows, empty="Shopify has made none yet.")


def _place(work: FulfillmentOrder, locations: dict[int, str]) -> str:
    if work.location_id is None:
        return "none"
    known = locations.get(work.location_id)
    kind = "a service that is not ours" if work.at_foreign_service else "no warehouse of ours"
    return f"{known} ({work.location_id})" if known else f"{work.location_id}: {kind}"


def _decision(order: Order) -> Section:
    rows: list[list[Cell]] = [
        [finding.warehouse, Badge("chosen", "success") if finding.chosen else finding.words]
        for finding in routing_text.explain(order.routing)
    ]
    return Section("Last routing decision", ["Warehouse", "Finding"], rows, empty="Not routed yet.")
