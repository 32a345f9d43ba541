"""Computes for `inventory`, order by order, which units of those that warehouses were given Shopify still has
committed.

This is computed anew whenever one side changes: after a reading of the order, a new part at a warehouse, a fulfilment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fulfillment.models import Order, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.wms_order_states import ENDED
from inventory import commitments
from inventory.stock.locking import Place

COMMITTED = ("OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD")
"""Shopify counts the remaining units of fulfilment orders in these states as committed at their location."""


Commitments = dict[str, dict[Place, int]]
"""External id -> place -> committed item units."""


@dataclass(frozen=True)
class Given:
    """Units of one item that one part asks of its warehouse for one order line."""

    reference: str
    order_line: int
    place: Place
    location: int
    per_unit: int
    units: int  # WMS item units; if the part ended, only those that it shipped
    fulfilled: int  # Shopify units of the line in fulfilments of this part
    remaining: int  # Shopify units of the line that Shopify has at the warehouse's location


def recompute(order: Order, rows: OrderRows | None = None) -> None:
    """Store in `inventory` which units of the order are committed, and where.

    Takes one statement if any warehouse has units, and one to read the `rows` of the order if they are not given. Call
    it in the transaction that changed the order, and after everything else that locks stock levels.
    """
    if units := of(rows or order_rows.read(order)):
        commitments.note(units)


def of(rows: OrderRows) -> Commitments:
    """Which units of an order are committed, by its rows. Pure."""
    return committed_units(_given(rows))


def forget(order: Order) -> None:
    """Remove the order's commitments: Shopify does not show the order any more, because it was deleted."""
    commitments.forget(*order.wms_orders.values_list("external_id", flat=True))


def committed_units(given: Iterable[Given]) -> Commitments:
    """Compute which units are committed. Pure.

    The units that Shopify has at a location are spread over the parts there, in their order. Each part gets at most its
    units that have no fulfilment yet.
    """
    given = list(given)
    outstanding: defaultdict[tuple[str, int], int] = defaultdict(int)
    for each in given:
        key = each.reference, each.order_line
        outstanding[key] = max(outstanding[key], -(-each.units // each.per_unit) - each.fulfilled)
    left = {(each.location, each.order_line): each.remaining for each in given}
    taken: dict[tuple[str, int], int] = {}
    found: Commitments = {each.reference: {} for each in given}
    for each in given:
        key = each.reference, each.order_line
        if key not in taken:
            taken[key] = max(0, min(outstanding[key], left[each.location, each.order_line]))
            left[each.location, each.order_line] -= taken[key]
        places = found[each.reference]
        places[each.place] = places.get(each.place, 0) + taken[key] * each.per_unit
    return found


def _given(rows: OrderRows) -> Iterable[Given]:
    """What the order's parts were given, beside what Shopify has of each line at the warehouse's location."""
    remaining: Counter[tuple[int | None, int]] = Counter()
    for asked in rows.requests:
        if asked.fulfillment_order.status in COMMITTED:
            remaining[asked.fulfillment_order.location_id, asked.order_line_id] += asked.remaining_quantity
    fulfilled: Counter[tuple[int | None, int]] = Counter()
    for unit in rows.sent:
        fulfilled[unit.shipment.wms_order_id, unit.order_line_id] += unit.fulfilled
    for row in rows.given:
        part = row.wms_order
        units = row.shipped if part.wms_status in ENDED else row.quantity
        location = part.warehouse.shopify_location_id
        yield Given(
            reference=part.external_id,
            order_line=row.order_line_id,
            place=(part.warehouse_id, row.item_code),
            location=location,
            per_unit=row.per_unit,
            units=max(units - row.sent_again * row.per_unit, 0),
            fulfilled=fulfilled[part.id, row.order_line_id],
            remaining=remaining[location, row.order_line_id],
        )
