"""Counts the units of a shipment on its WMS order. Each unit is accounted for: none is dropped, and none twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import structlog
from django.db import connection

from fulfillment import jobs, order_states
from fulfillment.models import Order, Shipment, ShipmentUnit, WmsOrder, WmsOrderLine
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import ShipmentState
from fulfillment.shipments import held_shipments
from fulfillment.wms_order_states import ENDED
from fulfillment.wms_orders import cancellation, status_updates
from inventory import reservations
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

# The lines of a new shipment are stored, and what was counted is added to those that are there. The ids of the counts
# give the order of counting.
_COUNT = """
WITH lines AS (
    INSERT INTO fulfillment_shipmentline AS known (shipment_id, item_code, quantity, counted)
    SELECT %(shipment)s, line.*
      FROM unnest(%(items)s::text[], %(quantities)s::int[], %(counted)s::int[]) AS line
        ON CONFLICT (shipment_id, item_code) DO UPDATE SET counted = known.counted + EXCLUDED.counted),
taken AS (
    SELECT * FROM unnest(%(lines)s::bigint[], %(shipped)s::int[]) WITH ORDINALITY AS taken (line, units, number)),
shipped AS (
    UPDATE fulfillment_wmsorderline AS line SET shipped = line.shipped + taken.units
      FROM taken WHERE line.id = taken.line),
counts AS (
    INSERT INTO fulfillment_shipmentcount (shipment_id, wms_order_line_id, quantity)
    SELECT %(shipment)s, line, units FROM taken ORDER BY number)
INSERT INTO fulfillment_shipmentunit AS known (shipment_id, order_line_id, quantity)
SELECT %(shipment)s, complete.* FROM unnest(%(order_lines)s::bigint[], %(units)s::int[]) AS complete
    ON CONFLICT (shipment_id, order_line_id) DO UPDATE SET quantity = known.quantity + EXCLUDED.quantity
"""


@dataclass(frozen=True)
class Allocation:
    """How a shipment's items fall on the lines of a WMS order. `shipped`: item units by line (our row id). `units`:
    Shopify units by order line. `misfits`: units by item code that do not fit."""

    shipped: Mapping[int, int]
    units: Mapping[int, int]
    misfits: Mapping[str, int]

    def counted_of(self, items: Mapping[str, int]) -> dict[str, int]:
        """Those of the items that fit."""
        return {item: units - self.misfits.get(item, 0) for item, units in items.items()}


@dataclass(frozen=True)
class Known:
    """What was read when a shipment was stored: the rows of its order without it, and whether an alert says that
    reports about the WMS order are missing."""

    rows: OrderRows
    _: KW_ONLY
    is_missed: bool


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


def count_units(order: Order, shipment: Shipment) -> bool:
    """Count the uncounted units of a shipment on its WMS order, and hold what does not fit. The order is locked.

    This also serves a held shipment that a person wants checked again. Returns whether any unit of it goes on.
    """
    lines = list(shipment.lines.all())
    asked = WmsOrderLine.objects.filter(wms_order=shipment.wms_order_id).select_related("wms_order")
    rows = list(asked.order_by("id"))
    uncounted = {line.item_code: line.quantity - line.counted for line in lines}
    allocation = allocate(rows, uncounted)
    if allocation.shipped:
        row, counted = rows[0].wms_order, allocation.counted_of(uncounted)
        row.order = order
        quantities = {line.item_code: line.quantity for line in lines}
        _store_counts(shipment, allocation, quantities=quantities, counted=counted)
        _follow_up(row, shipment, rows, allocation, counted=counted)
    goes_on = _set_shipment_state(order, shipment)
    order_states.derive_state(order)
    _log(order, shipment, allocation)
    return goes_on


def count_new(shipment: Shipment, items: Mapping[str, int], known: Known) -> None:
    """Store the units (by item code) of a shipment that was just stored, and count them. The order is locked, and tied
    to the shipment by its WMS order as it was before."""
    row = shipment.wms_order
    assert row is not None  # noqa: S101
    order, lines = row.order, [line for line in known.rows.given if line.wms_order_id == row.id]
    allocation = allocate(lines, items)
    counted = allocation.counted_of(items)
    _store_counts(shipment, allocation, quantities=items, counted=counted)
    moved = None
    if allocation.shipped:
        moved = _follow_up(row, shipment, lines, allocation, counted=counted, is_missed=known.is_missed)
    _set_state_of_new(order, shipment, allocation, is_empty=not items)
    if allocation.misfits or not allocation.units or row.cancel_requested_at or row.wms_status in ENDED:
        order_states.derive_state(order)
    else:
        _add_to_rows(known.rows, shipment, allocation, moved=moved)
        order_states.derive_state(order, known.rows)
    _log(order, shipment, allocation)


def _log(order: Order, shipment: Shipment, allocation: Allocation) -> None:
    logger.info("shipment_counted", shipment=shipment.id, order=order.id, surplus=dict(allocation.misfits))


def _add_to_rows(
    rows: OrderRows, shipment: Shipment, allocation: Allocation, *, moved: WmsStatus | None
) -> None:
    """Add a shipment of which all units fit, and the state to which it moved its WMS order, to the rows that were read
    before."""
    order_lines = {line.id: line for line in rows.lines}
    for line in rows.given:
        line.shipped += allocation.shipped.get(line.id, 0)
    rows.sent.extend(
        ShipmentUnit(shipment=shipment, order_line=order_lines[line], quantity=units)
        for line, units in allocation.units.items()
    )
    if moved and shipment.wms_order_id:
        rows.moved[shipment.wms_order_id] = moved


def _follow_up(
    row: WmsOrder,
    shipment: Shipment,
    lines: Sequence[WmsOrderLine],
    allocation: Allocation,
    *,
    counted: Mapping[str, int],
    is_missed: bool = True,
) -> WmsStatus | None:
    """Do for the WMS order what follows from the units that were counted on its lines, as all of them were before.

    Returns the state to which it was moved; None if it was not.
    """
    reservations.ship(row.external_id, counted, shipped_at=shipment.shipped_at)
    complete = all(line.shipped + allocation.shipped.get(line.id, 0) == line.quantity for line in lines)
    record = status_updates.record_shipped if complete else status_updates.record_partly_shipped
    moved = record(row, shipped_at=shipment.shipped_at, is_missed=is_missed)
    if row.cancel_requested_at:
        cancellation.handle_too_late(row.id)
    if complete and row.wms_status in ENDED:
        cancellation.release_if_all_shipped(row.order)
    return (WmsStatus.SHIPPED if complete else WmsStatus.PARTIALLY_SHIPPED) if moved else None


def _store_counts(
    shipment: Shipment, allocation: Allocation, *, quantities: Mapping[str, int], counted: Mapping[str, int]
) -> None:
    """Add the counted units to the lines of the WMS order and to the lines and units of the shipment."""
    values: dict[str, Any] = {
        "shipment": shipment.id,
        "items": list(quantities),
        "quantities": list(quantities.values()),
        "counted": [counted[item] for item in quantities],
        "lines": list(allocation.shipped),
        "shipped": list(allocation.shipped.values()),
        "order_lines": list(allocation.units),
        "units": list(allocation.units.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)


def _set_state_of_new(order: Order, shipment: Shipment, allocation: Allocation, *, is_empty: bool) -> None:
    """Set the state of a shipment that was just stored as received."""
    misfits = is_empty or bool(allocation.misfits)
    if allocation.units:
        jobs.shipments.fulfill(order)
    else:
        state = ShipmentState.HELD if misfits else ShipmentState.PARTIAL_KIT
        Shipment.objects.filter(id=shipment.id).update(state=state)
    if misfits:
        held_shipments.hold_misfits(order, shipment)


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
    elif not unfulfilled or (shipment.reason and shipment.state == ShipmentState.RECEIVED):
        # One that goes on was held for its misfits only, which are gone.
        held_shipments.close_held_alert(shipment)
    return bool(unfulfilled) or not misfits
