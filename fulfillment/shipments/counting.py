"""Counts the units of a shipment on its WMS order. Each unit is accounted for: none is dropped, and none twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection

from fulfillment import jobs, order_states
from fulfillment.models import Order, Shipment, WmsOrderLine
from fulfillment.models.states import ShipmentState
from fulfillment.shipments import held_shipments
from fulfillment.wms_order_states import ENDED
from fulfillment.wms_orders import cancellation, status_updates
from inventory import reservations

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
    return _count(
        order,
        shipment,
        quantities={line.item_code: line.quantity for line in lines},
        uncounted={line.item_code: line.quantity - line.counted for line in lines},
    )


def count_new(order: Order, shipment: Shipment, items: Mapping[str, int]) -> None:
    """Store the units (by item code) of a shipment that was just stored, and count them. The order is locked."""
    _count(order, shipment, quantities=items, uncounted=items, is_new=True)


def _count(
    order: Order,
    shipment: Shipment,
    *,
    quantities: Mapping[str, int],
    uncounted: Mapping[str, int],
    is_new: bool = False,
) -> bool:
    """Count uncounted units (by item code) of a shipment that has these `quantities`; returns whether any goes on."""
    lines = WmsOrderLine.objects.filter(wms_order=shipment.wms_order_id).select_related("wms_order")
    rows = list(lines.order_by("id"))
    allocation = allocate(rows, uncounted)
    counted = {item: units - allocation.misfits.get(item, 0) for item, units in uncounted.items()}
    if allocation.shipped or is_new:
        _store_counts(shipment, allocation, quantities=quantities, counted=counted)
    if allocation.shipped:
        _follow_up(order, shipment, rows, allocation, counted=counted)
    if is_new:
        goes_on = _set_state_of_new(order, shipment, allocation, is_empty=not quantities)
    else:
        goes_on = _set_shipment_state(order, shipment)
    order_states.derive_state(order)
    logger.info("shipment_counted", shipment=shipment.id, order=order.id, surplus=dict(allocation.misfits))
    return goes_on


def _follow_up(
    order: Order,
    shipment: Shipment,
    rows: Sequence[WmsOrderLine],
    allocation: Allocation,
    *,
    counted: Mapping[str, int],
) -> None:
    """Do for the WMS order what follows from the units that were counted on its lines."""
    row = rows[0].wms_order
    reservations.ship(row.external_id, counted, shipped_at=shipment.shipped_at)
    complete = all(line.shipped + allocation.shipped.get(line.id, 0) == line.quantity for line in rows)
    record = status_updates.record_shipped if complete else status_updates.record_partly_shipped
    record(row, shipped_at=shipment.shipped_at)
    if row.cancel_requested_at:
        cancellation.handle_too_late(row.id)
    if complete and row.wms_status in ENDED:
        cancellation.release_if_all_shipped(order)


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


def _set_state_of_new(order: Order, shipment: Shipment, allocation: Allocation, *, is_empty: bool) -> bool:
    """Set the state of a shipment that was just stored as received; returns whether any unit of it goes on."""
    misfits = is_empty or bool(allocation.misfits)
    if allocation.units:
        jobs.shipments.fulfill(order)
    else:
        state = ShipmentState.HELD if misfits else ShipmentState.PARTIAL_KIT
        Shipment.objects.filter(id=shipment.id).update(state=state)
    if misfits:
        held_shipments.hold_misfits(order, shipment)
    return bool(allocation.units) or not misfits


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
