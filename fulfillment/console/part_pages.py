"""The console's pages of a WMS order, a shipment and a return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Model, Q

from fulfillment.console import search
from fulfillment.console.order_page import fulfillment_of
from fulfillment.console.sections import SHIPMENT_TONES, Cell, Link, Section, badge, link
from fulfillment.models import Order, Return, Shipment, WmsOrder
from fulfillment.shipments.tracking import numbers_in
from ops.console import timeline
from ops.models import Alert
from ops.refs import Subject
from wms.refs import callback_subject


@dataclass(frozen=True)
class PartPage:
    """What the templates before.html and after.html in templates/admin/fulfillment show."""

    links: list[Link]
    sections: list[Section]
    alerts: list[Alert]
    entries: list[timeline.Entry] = field(default_factory=list)


def find_parts(text: str) -> list[int]:
    """Our ids of the WMS orders with this id, or of the order with this name or Shopify id."""
    return search.wms_orders(text) + search.parts_of_orders(search.orders_named(text))


def find_shipments(text: str) -> list[int]:
    """Our ids of the shipments with this id, or of the WMS orders that `find_parts` finds."""
    of_parts = Shipment.objects.filter(wms_order_id__in=find_parts(text))
    return search.shipments(text) + list(of_parts.values_list("id", flat=True)[: search.MOST])


def find_returns(text: str) -> list[int]:
    """Our ids of the returns with this id, or of the WMS orders that `find_parts` finds."""
    named = Q(external_id=text.strip()) | Q(remote_id=text.strip())
    rows = Return.objects.filter(named | Q(wms_order_id__in=find_parts(text)))
    return list(rows.values_list("id", flat=True)[: search.MOST])


def _page(
    order: Order | None,
    row: Model,
    sections: list[Section],
    *,
    links: Sequence[Link],
    subjects: Sequence[Subject],
) -> PartPage:
    """The page of a row: its sections, the open alerts about `subjects`, its timeline, and a link to its order."""
    to_order = [link(order, f"Order {order.name}")] if order else []
    alerts = Alert.objects.filter(subject__in=subjects, state=Alert.State.OPEN).order_by("-last_at")
    return PartPage([*to_order, *links], sections, list(alerts), timeline.timeline(subjects, rows=[row]))


def wms_order(row: WmsOrder) -> PartPage:
    """The page of a WMS order: its lines and shipments; its timeline also has the callbacks about it."""
    lines: list[list[Cell]] = [
        [line.item_code, line.quantity, line.shipped, line.order_line.label, line.per_unit]
        for line in row.lines.select_related("order_line").order_by("id")
    ]
    shipments: list[list[Cell]] = [
        [
            link(shipment),
            badge(shipment.state, SHIPMENT_TONES),
            ", ".join(shipment.numbers),
            shipment.shipped_at,
            fulfillment_of(shipment, row.order),
        ]
        for shipment in row.shipments.order_by("id")
    ]
    sections = [
        Section(
            "Items asked of the warehouse", ["Item", "Units", "Shipped", "For", "Units in one sold"], lines
        ),
        Section(
            "Shipments", ["Shipment", "State", "Tracking", "Shipped", "Fulfilment at Shopify"], shipments
        ),
    ]
    named = [callback_subject(row.warehouse.connection.slug, row.remote_id)] if row.remote_id else []
    return _page(row.order, row, sections, links=[], subjects=[row.subject, row.order.subject, *named])


def shipment(row: Shipment) -> PartPage:
    """The page of a shipment: what it contains, what of the order it completes, and its fulfilments."""
    parts = [link(row.wms_order, f"WMS order, part {row.wms_order.part}")] if row.wms_order else []
    order = row.wms_order.order if row.wms_order else None
    subjects = [row.subject, callback_subject(row.connection.slug, row.remote_order_id)]
    return _page(order, row, [_items(row), _units(row), _calls(row)], links=parts, subjects=subjects)


def _items(row: Shipment) -> Section:
    items: list[list[Cell]] = [
        [line.item_code, line.quantity, line.counted, line.quantity - line.counted]
        for line in row.lines.order_by("id")
    ]
    headers = ["Item", "Units", "Of the order", "Held: not of it"]
    return Section("Items, as the WMS reported them", headers, items)


def _units(row: Shipment) -> Section:
    units: list[list[Cell]] = [
        [
            unit.order_line.title,
            unit.order_line.sku,
            unit.quantity,
            unit.fulfilled,
            unit.sent_again,
            unit.unfulfilled,
        ]
        for unit in row.units.select_related("order_line").order_by("id")
    ]
    headers = ["Product", "SKU", "Units", "Fulfilled", "Sent again", "Not fulfilled"]
    return Section("Units it completes", headers, units, empty="None: nothing is counted.")


def _calls(row: Shipment) -> Section:
    """The calls that made, or tried to make, a fulfilment of the shipment."""
    calls: list[list[Cell]] = [
        [
            str(call.shopify_fulfillment_id or ""),
            call.get_state_display(),
            sum(call.units.values()),
            ", ".join(sorted(numbers_in(call.tracking))),
            call.attempt_at,
        ]
        for call in row.fulfillments.order_by("id")
    ]
    headers = ["Fulfilment", "State", "Units", "Tracking", "Tried"]
    return Section("Fulfilments at Shopify", headers, calls, empty="None yet.")


def returned_goods(row: Return) -> PartPage:
    """The page of a return: the items that are expected, and those that arrived in which condition."""
    lines: list[list[Cell]] = [
        [line.item_code, line.quantity, line.sellable, line.damaged] for line in row.lines.order_by("id")
    ]
    sections = [Section("Items", ["Item", "Expected", "Sellable", "Damaged"], lines)]
    parts = [link(row.wms_order, f"WMS order, part {row.wms_order.part}")]
    return _page(row.wms_order.order, row, sections, links=parts, subjects=[row.subject])
