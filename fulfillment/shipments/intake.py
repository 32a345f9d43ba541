"""From a shipment callback to a Shipment. Each unit is accounted for: none is dropped, and none is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Least, Now

from fulfillment import jobs, order_states
from fulfillment.models import (
    Order,
    Shipment,
    ShipmentCount,
    ShipmentLine,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
)
from fulfillment.models.states import ShipmentState
from fulfillment.refs import ShipmentPk
from fulfillment.shipments import held_shipments, repeated_reports, tracking
from fulfillment.wms_order_states import ENDED
from fulfillment.wms_orders import cancellation, status_updates
from inventory import reservations
from ops import idempotency
from ops.errors import Throttled, Transient
from ops.idempotency import GuardState, RetentionWindow
from wms.callbacks.events import ShipmentEvent
from wms.ids import ConnectionPk, RemoteShipmentId

logger = structlog.get_logger(__name__)

_SOON = timedelta(seconds=5)


@dataclass(frozen=True)
class Allocation:
    """How a shipment's items fall on the lines of a WMS order. `shipped`: item units by line (our row id). `units`:
    Shopify units by order line. `misfits`: units by item code that do not fit."""

    shipped: Mapping[int, int]
    units: Mapping[int, int]
    misfits: Mapping[str, int]


def allocate(lines: Iterable[WmsOrderLine], items: Mapping[str, int]) -> Allocation:
    """Spread shipped items (WMS units by item code) over the lines, in their order. Pure.

    `units` of the result are the Shopify units that this shipment completes. A unit of a kit is complete with its last
    item.
    """
    rows = list(lines)
    left = dict(items)
    shipped: dict[int, int] = {}
    for row in rows:
        take = min(left.get(row.item_code, 0), row.quantity - row.shipped)
        if take > 0:
            shipped[row.id] = take
            left[row.item_code] -= take
    units = {
        line: now - before
        for line in dict.fromkeys(row.order_line_id for row in rows)
        if (now := _complete_units(rows, line, shipped)) > (before := _complete_units(rows, line, {}))
    }
    return Allocation(shipped, units, {item: units for item, units in left.items() if units})


def _complete_units(rows: list[WmsOrderLine], line: int, shipped: Mapping[int, int]) -> int:
    """Shopify units of a line that are complete once `shipped` is added: the minimum over its components."""
    return min(
        (row.shipped + shipped.get(row.id, 0)) // row.per_unit for row in rows if row.order_line_id == line
    )


def receive(connection_pk: ConnectionPk, event: ShipmentEvent, *, occurred_at: datetime) -> None:
    """Record a shipment once, and request its fulfilment. A further report of a known shipment is compared with the
    first.

    Raises Blocked if its order is not known yet, Throttled if another worker records the same shipment.
    """
    identity = f"{connection_pk}:{event.wms_shipment_id}"
    with idempotency.guard(RetentionWindow.SHIPMENT, identity) as guard:
        if guard.state is GuardState.BUSY:
            raise Throttled("another worker is recording this shipment", wait=_SOON)
        row = status_updates.require_wms_order(connection_pk, event.wms_order_id, occurred_at=occurred_at)
        record_shipment(row, event, occurred_at=occurred_at)


@transaction.atomic
def record_shipment(row: WmsOrder, event: ShipmentEvent, *, occurred_at: datetime) -> Shipment | None:
    """Store the shipment and count its units; None if it was stored before, so that the report was only compared."""
    order = order_states.lock_of(row)
    known, identity = repeated_reports.find_known(row, event)
    if known is not None:
        if repeated_reports.compare_report(order, known, event, occurred_at=occurred_at):
            count_units(order, known)
        return None
    shipment = _store(row, event, identity=identity, occurred_at=occurred_at)
    tracking.report_unusable(order, shipment, event.tracking)
    if identity != event.wms_shipment_id:
        repeated_reports.hold_twin(order, shipment, event)
    else:
        count_units(order, shipment)
    return shipment


def _store(
    row: WmsOrder, event: ShipmentEvent, *, identity: RemoteShipmentId, occurred_at: datetime
) -> Shipment:
    """Store a shipment with its lines. Raises Transient if its id was taken in the same moment."""
    try:
        with transaction.atomic():
            shipment = Shipment.objects.create(
                connection_id=row.warehouse.connection_id,
                wms_shipment_id=identity,
                wms_order=row,
                remote_order_id=event.wms_order_id,
                warehouse_code=event.warehouse_id,
                shipped_at=event.shipped_at,
                emitted_at=_emitted(row, occurred_at),
                reported_at=occurred_at,
                **tracking.fields_of(event.tracking),
            )
    except IntegrityError as error:
        raise Transient("the same shipment id was just reported for another order") from error
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, item_code=item, quantity=units)
        for item, units in repeated_reports.items(event).items()
    )
    return shipment


def _emitted(row: WmsOrder, occurred_at: datetime) -> Combinable:
    """The WMS's time of the report, but not before the WMS order was made, and not in the future."""
    reported = Value(occurred_at, output_field=DateTimeField())
    return Least(Greatest(reported, Value(row.created_at, output_field=DateTimeField())), Now())


def count_units(order: Order, shipment: Shipment) -> bool:
    """Count the uncounted units of a shipment on its WMS order, and hold what does not fit. The order is locked.

    This also serves a held shipment that a person wants checked again. Returns whether any unit of it goes on.
    """
    row = WmsOrder.objects.select_related("warehouse__connection").get(shipments=shipment)
    rows = list(WmsOrderLine.objects.filter(wms_order=row).order_by("id"))
    items = {line.item_code: line.quantity - line.counted for line in shipment.lines.all()}
    allocation = allocate(rows, items)
    if allocation.shipped:
        _store_counts(shipment, rows, allocation)
        counted = {item: units - allocation.misfits.get(item, 0) for item, units in items.items()}
        reservations.ship(row.external_id, counted, shipped_at=shipment.shipped_at)
        complete = all(line.shipped == line.quantity for line in rows)
        record = status_updates.record_shipped if complete else status_updates.record_partly_shipped
        record(row, shipped_at=shipment.shipped_at)
        if row.cancel_requested_at:
            cancellation.handle_too_late(row.id)
        if complete and row.wms_status in ENDED:
            cancellation.release_if_all_shipped(order)
    goes_on = _set_shipment_state(order, shipment)
    order_states.derive_state(order)
    logger.info("shipment_counted", shipment=shipment.id, order=order.id, surplus=dict(allocation.misfits))
    return goes_on


def _store_counts(shipment: Shipment, rows: list[WmsOrderLine], allocation: Allocation) -> None:
    """Add the counted units to the lines of the WMS order and to the lines and units of the shipment."""
    taken: dict[str, int] = {}
    for line in rows:
        units = allocation.shipped.get(line.id, 0)
        line.shipped += units
        taken[line.item_code] = taken.get(line.item_code, 0) + units
    WmsOrderLine.objects.bulk_update([line for line in rows if line.id in allocation.shipped], ["shipped"])
    ShipmentCount.objects.bulk_create(
        ShipmentCount(shipment=shipment, wms_order_line_id=line, quantity=units)
        for line, units in allocation.shipped.items()
    )
    lines = list(shipment.lines.all())
    for each in lines:
        each.counted += taken.get(each.item_code, 0)
    ShipmentLine.objects.bulk_update(lines, ["counted"])
    there = {unit.order_line_id: unit for unit in shipment.units.all()}
    grown = []
    for line_id, units in allocation.units.items():
        if line_id in there:
            there[line_id].quantity += units
            grown.append(there.pop(line_id))
    ShipmentUnit.objects.bulk_update(grown, ["quantity"])
    known = {unit.order_line_id for unit in grown}
    ShipmentUnit.objects.bulk_create(
        ShipmentUnit(shipment=shipment, order_line_id=line, quantity=units)
        for line, units in allocation.units.items()
        if line not in known
    )


def _set_shipment_state(order: Order, shipment: Shipment) -> bool:
    """Set the state of a shipment after its units were counted; returns whether it goes on. The order is locked."""
    rows = Shipment.objects.filter(id=shipment.id).exclude(
        # A shipment that is being reported, or waits for a decision, keeps its state.
        state__in=[ShipmentState.FULFILLING, ShipmentState.CANCELLED]
    )
    misfits = bool(held_shipments.misfit_units(shipment)) or not shipment.lines.exists()
    unfulfilled = held_shipments.unfulfilled_units(shipment)
    if unfulfilled:
        rows.update(state=ShipmentState.RECEIVED, reason="", resumed_at=held_shipments.resumed_at())
        jobs.shipments.fulfill(order)
    elif misfits:
        rows.update(state=ShipmentState.HELD)
    else:
        has_units = shipment.units.exists()
        open_rows = rows.exclude(state=ShipmentState.CLOSED)
        open_rows.update(state=ShipmentState.FULFILLED if has_units else ShipmentState.PARTIAL_KIT, reason="")
    if misfits:
        held_shipments.hold_misfits(order, shipment)
    elif not unfulfilled:
        held_shipments.close_held_alert(shipment)
    return bool(unfulfilled) or not misfits


@transaction.atomic
def recheck_held(shipment_pk: ShipmentPk) -> bool:
    """A person removed the cause of a held shipment: count and report it again. False if it stays held."""
    shipment = Shipment.objects.select_related("wms_order").get(id=shipment_pk)
    if shipment.wms_order is None:
        return False
    order = order_states.lock_of(shipment.wms_order)
    shipment.refresh_from_db()
    return shipment.state == ShipmentState.HELD and count_units(order, shipment)
