"""From a shipment callback to a Shipment: every unit accounted for, nothing dropped, nothing counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from fulfillment import cancellation, enqueue, order_states, progress, tracking
from fulfillment.models import Order, Shipment, ShipmentLine, ShipmentUnit, WmsOrder, WmsOrderLine
from fulfillment.states import ShipmentState
from inventory import reservations
from ops import claims
from ops.alerts import close_alert, raise_alert
from ops.claims import ClaimState, Window
from ops.errors import Throttled
from ops.models import Severity
from wms.callbacks import ShipmentEvent

logger = structlog.get_logger(__name__)

_SOON = timedelta(seconds=5)


@dataclass(frozen=True)
class Allocation:
    """How a shipment's items fall on the lines of a WMS order; `problem` says why they do not fit ("" = they fit)."""

    shipped: Mapping[int, int]
    units: Mapping[int, int]
    problem: str = ""


def allocate(lines: Iterable[WmsOrderLine], items: Mapping[str, int]) -> Allocation:
    """Spread shipped items (WMS units by item code) over the lines, in their order. Pure.

    `units` are the Shopify units, by order line, that this shipment completes: a kit's unit only with its last item.
    """
    rows = list(lines)
    left = dict(items)
    shipped: dict[int, int] = {}
    for row in rows:
        take = min(left.get(row.item_code, 0), row.quantity - row.shipped)
        if take:
            shipped[row.id] = take
            left[row.item_code] -= take
    over = {item: units for item, units in left.items() if units}
    if over:
        return Allocation({}, {}, _problem(rows, over))
    units = {
        line: now - before
        for line in dict.fromkeys(row.order_line_id for row in rows)
        if (now := _complete(rows, line, shipped)) > (before := _complete(rows, line, {}))
    }
    return Allocation(shipped, units)


def _complete(rows: list[WmsOrderLine], line: int, shipped: Mapping[int, int]) -> int:
    """Shopify units of a line that are complete once `shipped` is added: the least over its components."""
    return min(
        (row.shipped + shipped.get(row.id, 0)) // row.per_unit for row in rows if row.order_line_id == line
    )


def _problem(rows: list[WmsOrderLine], over: Mapping[str, int]) -> str:
    asked = {row.item_code for row in rows}
    unknown = sorted(item for item in over if item not in asked)
    too_many = sorted(f"{item} ({units} too many)" for item, units in over.items() if item in asked)
    parts = []
    if unknown:
        parts.append(f"items that the order does not have: {', '.join(unknown)}")
    if too_many:
        parts.append(f"more units than were asked for: {', '.join(too_many)}")
    return "; ".join(parts)


def receive(connection_id: int, event: ShipmentEvent, *, occurred_at: datetime) -> None:
    """Record a shipment, once, and have it told to Shopify; a newer report of a known one may correct its tracking.

    Raises Blocked when its order is not known yet, Throttled when another worker is at the same shipment.
    """
    identity = f"{connection_id}:{event.wms_shipment_id}"
    with claims.claim(Window.SHIPMENT, identity) as claim:
        if claim.state is ClaimState.BUSY:
            raise Throttled("another worker is recording this shipment", wait=_SOON)
        row = progress.wms_order_of(connection_id, event.wms_order_id)
        if row is None:
            raise progress.not_known_yet(connection_id, event.wms_order_id, occurred_at=occurred_at)
        record(row, event, occurred_at=occurred_at)


@transaction.atomic
def record(row: WmsOrder, event: ShipmentEvent, *, occurred_at: datetime) -> Shipment | None:
    """Store the shipment and count its units; None when it is stored already (its tracking may be new)."""
    order = order_states.lock(row.order_id)
    items: dict[str, int] = {}
    for item in event.shipped_items:
        items[item.wms_item_code] = items.get(item.wms_item_code, 0) + item.quantity_shipped
    shipment, created = Shipment.objects.get_or_create(
        connection_id=row.warehouse.connection_id,
        wms_shipment_id=event.wms_shipment_id,
        defaults={
            "wms_order": row,
            "wms_order_ref": event.wms_order_id,
            "tracking_number": event.tracking_number[:255],
            "carrier_code": event.carrier_code[:100],
            "shipped_at": event.shipped_at,
            "reported_at": occurred_at,
        },
    )
    if not created:
        tracking.correct(order, shipment, event, occurred_at=occurred_at)
        return None
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, item_code=item, quantity=units)
        for item, units in items.items()
        if units
    )
    count(order, shipment)
    return shipment


def count(order: Order, shipment: Shipment) -> bool:
    """Count a shipment's units on its WMS order; held, with nothing counted, when they do not fit. Order locked.

    Also for a held shipment that a person wants looked at again. Returns whether it was counted.
    """
    row = WmsOrder.objects.select_related("warehouse__connection").get(shipments=shipment)
    rows = list(WmsOrderLine.objects.filter(wms_order=row).order_by("id"))
    items = dict(shipment.lines.values_list("item_code", "quantity"))
    allocation = allocate(rows, items)
    if allocation.problem or not items:
        _hold(order, shipment, allocation.problem or "it has no items")
        return False
    for line in rows:
        line.shipped += allocation.shipped.get(line.id, 0)
    WmsOrderLine.objects.bulk_update([line for line in rows if line.id in allocation.shipped], ["shipped"])
    ShipmentUnit.objects.bulk_create(
        ShipmentUnit(shipment=shipment, order_line_id=line, quantity=units)
        for line, units in allocation.units.items()
    )
    state = ShipmentState.RECEIVED if allocation.units else ShipmentState.PARTIAL_KIT
    Shipment.objects.filter(id=shipment.id).update(state=state, reason="")
    reservations.ship(row.external_id, items, shipped_at=shipment.shipped_at)
    complete = all(line.shipped == line.quantity for line in rows)
    progress.note_shipped(row, complete=complete, shipped_at=shipment.shipped_at)
    if row.cancel_requested_at:
        cancellation.too_late(row.id)
    close_alert("shipment_held", subject=subject_of(shipment))
    order_states.settle(order)
    enqueue.fulfil(order)
    logger.info("shipment_recorded", shipment=shipment.id, order=order.id, complete=complete)
    return True


def subject_of(shipment: Shipment) -> str:
    """What alerts about a shipment are filed under."""
    return f"shipment:{shipment.connection_id}:{shipment.wms_shipment_id}"


def _hold(order: Order, shipment: Shipment, problem: str) -> None:
    hold(shipment, problem)
    raise_alert(
        "shipment_held",
        subject=subject_of(shipment),
        severity=Severity.CRITICAL,
        title=f"A shipment of order {order.name} does not fit the order",
        meaning=f"It is not told to Shopify, and nothing of it is counted: {problem}.",
        action="Compare with the warehouse what was really sent. If the report was wrong, have it send a correct one "
        "(with a new shipment id); if it was right, fulfil the order in Shopify by hand. Then close this alert. Do not "
        "add units to the order in Shopify: they would be sent once more.",
    )


def hold(shipment: Shipment, problem: str) -> bool:
    """Keep a shipment from Shopify until a person has looked; False when Shopify has it already."""
    not_there = Shipment.objects.filter(id=shipment.id).exclude(state=ShipmentState.FULFILLED)
    held = not_there.update(state=ShipmentState.HELD, reason=problem[:2000])
    if held:
        logger.warning("shipment_held", shipment=shipment.id, reason=problem)
    return bool(held)


@transaction.atomic
def look_again(shipment_id: int) -> bool:
    """A person had the cause of a held shipment removed: count or fulfil it again. False when it is not held."""
    shipment = Shipment.objects.select_related("wms_order").get(id=shipment_id)
    if shipment.wms_order is None:
        return False
    order = order_states.lock(shipment.wms_order.order_id)
    shipment.refresh_from_db()
    if shipment.state != ShipmentState.HELD:
        return False
    if not shipment.units.exists():
        return count(order, shipment)
    Shipment.objects.filter(id=shipment.id).update(state=ShipmentState.RECEIVED, reason="")
    close_alert("shipment_held", subject=subject_of(shipment))
    enqueue.fulfil(order)
    return True
