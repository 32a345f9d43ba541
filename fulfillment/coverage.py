"""Measures which units of an order no warehouse was given yet. A unit that was given once is never given again.

Units of one line are alike, and Shopify spreads them over fulfilment orders that come and go. So nothing is tied to a
fulfilment order. Units that warehouses were given, and that Shopify does not count as fulfilled yet, are *in flight*.
They stand for as many of the units that Shopify asks for, first for those that may go now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from fulfillment.models import (
    FulfillmentOrder,
    Order,
    OrderLine,
    Shipment,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
    order_rows,
)
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import ShipmentState
from fulfillment.readiness import FULFILLABLE_STATUSES, OPEN_STATUSES
from fulfillment.shopify.our_locations import SHIPPED_METHODS
from fulfillment.wms_order_states import ENDED

Units = Mapping[int, int]
"""Shopify units by order line (our row id)."""


@dataclass(frozen=True)
class Demand:
    """The units of a line that Shopify asks for: of us now, of us later (deferred), and of anyone at all."""

    now: int = 0
    deferred: int = 0
    of_anyone: int = 0


@dataclass(frozen=True)
class Coverage:
    """Shopify units by order line (our row id).

    `fulfillable`: they may go now. `deferred`: they may not go yet. `uncovered`: those of the fulfillable units that no
    warehouse was given. `unsent`: the same of fulfillable and deferred units together. `in_flight`: a warehouse was
    given them, and they are in no fulfilment yet.
    """

    lines: dict[int, OrderLine]
    fulfillable: dict[int, int]
    uncovered: dict[int, int]
    unsent: dict[int, int] = field(default_factory=dict)
    in_flight: dict[int, int] = field(default_factory=dict)
    deferred: dict[int, int] = field(default_factory=dict)

    @property
    def held(self) -> dict[int, int]:
        """Units in flight that Shopify holds back by now."""
        return {line: units for line in self.in_flight if (units := self.held_of(line, self.in_flight[line]))}

    def held_of(self, line: int, wanted: int) -> int:
        """How many of `wanted` units Shopify holds back. `wanted` includes all units of the line that are in flight."""
        return max(0, min(self.deferred.get(line, 0), wanted - self.fulfillable.get(line, 0)))


def fulfillment_orders_to_ship(order: Order) -> QuerySet[FulfillmentOrder]:
    """The order's fulfilment orders that our warehouses ship, as the last reading found."""
    return FulfillmentOrder.objects.filter(
        order=order, is_ours=True, at_foreign_service=False, delivery_method__in=SHIPPED_METHODS
    )


def is_to_ship(work: FulfillmentOrder) -> bool:
    """Whether our warehouses ship a fulfilment order, as the last reading found."""
    return work.is_ours and not work.at_foreign_service and work.delivery_method in SHIPPED_METHODS


def fulfillable_units(order: Order) -> dict[int, int]:
    """Units that fulfilment orders for us still ask for now, by order line (our row id)."""
    return {line: wanted.now for line, wanted in _demand(order_rows.read(order)).items() if wanted.now}


def _demand(rows: OrderRows) -> dict[int, Demand]:
    """What Shopify asks for, by order line."""
    demand: dict[int, Demand] = {}
    for each in rows.requests:
        work, units = each.fulfillment_order, each.remaining_quantity
        known = demand.get(each.order_line_id, Demand())
        if work.status in OPEN_STATUSES:
            now, ours = work.status in FULFILLABLE_STATUSES, is_to_ship(work)
            known = Demand(
                known.now + (units if ours and now else 0),
                known.deferred + (units if ours and not now else 0),
                known.of_anyone + units,
            )
        demand[each.order_line_id] = known
    return demand


def covered_units(given: Iterable[WmsOrderLine]) -> dict[int, int]:
    """Units that warehouses were given: all units of a live part, and the shipped ones of a part that ended."""
    by_part: dict[tuple[int, int], int] = {}
    for row in given:
        items = row.shipped if row.wms_order.wms_status in ENDED else row.quantity
        units = max(-(-items // row.per_unit) - row.sent_again, 0)
        key = (row.wms_order_id, row.order_line_id)
        by_part[key] = max(by_part.get(key, 0), units)
    covered: dict[int, int] = {}
    for (_, line), units in by_part.items():
        covered[line] = covered.get(line, 0) + units
    return covered


def shows(read_at: datetime, shipment: Shipment) -> bool:
    """Whether what is stored by the reading of this time certainly counts the units of a shipment that are fulfilled.

    It does if it was asked for after they were known to be, or if they were taken off it. While our call was under way,
    Shopify may have answered before it made the fulfilment, or after.
    """
    known_at = shipment.counted_at
    return known_at is None or known_at <= read_at or shipment.subtracted_from == read_at


def _fulfilled_units(sent: Iterable[ShipmentUnit], *, read_at: datetime) -> dict[int, int]:
    """Units of our fulfilments that what is stored by the last reading certainly counts as fulfilled, by order line.

    Units of a closed shipment count too: a person decided that Shopify has them by another fulfilment.
    """
    fulfilled: dict[int, int] = {}
    for unit in sent:
        shipment = unit.shipment
        if shows(read_at, shipment):
            closed = shipment.state == ShipmentState.CLOSED
            units = unit.quantity - unit.sent_again if closed else unit.fulfilled
            fulfilled[unit.order_line_id] = fulfilled.get(unit.order_line_id, 0) + units
    return fulfilled


def measure(order: Order) -> Coverage:
    """Compare what the order asks for with what warehouses were given. Takes one statement."""
    return of(order, order_rows.read(order))


def of(order: Order, rows: OrderRows) -> Coverage:
    """The coverage of an order by its rows. Pure."""
    covered = covered_units(rows.given)
    return compare(
        {line.id: line for line in rows.lines if line.requires_shipping and not line.is_gift_card},
        demand=_demand(rows),
        covered=covered,
        fulfilled_by_us=_fulfilled_units(rows.sent, read_at=order.read_at) if covered else {},
    )


def compare(
    lines: dict[int, OrderLine], *, demand: Mapping[int, Demand], covered: Units, fulfilled_by_us: Units
) -> Coverage:
    """Compute the coverage from demand, covered units, and the units in our own fulfilments. Pure.

    Units that Shopify asks nobody for count as fulfilled. At most as many of them as our own fulfilments have are ours.
    Others sent the rest, so these units take nothing off what is in flight. In case of doubt, therefore, no second
    shipment is sent.
    """
    uncovered, unsent, in_flight = {}, {}, {}
    for line_id, line in lines.items():
        asked, given = demand.get(line_id, Demand()), covered.get(line_id, 0)
        fulfilled = max(0, line.quantity - asked.of_anyone)
        on_the_way = given - min(given, fulfilled, fulfilled_by_us.get(line_id, 0))
        room = line.quantity - given
        in_flight[line_id] = on_the_way
        uncovered[line_id] = min(asked.now - on_the_way, room)
        unsent[line_id] = min(asked.now + asked.deferred - on_the_way, room)
    return Coverage(
        lines=lines,
        fulfillable={line_id: wanted.now for line_id, wanted in demand.items() if wanted.now},
        uncovered=_positive(uncovered),
        unsent=_positive(unsent),
        in_flight=_positive(in_flight),
        deferred={line_id: wanted.deferred for line_id, wanted in demand.items() if wanted.deferred},
    )


def _positive(units: Units) -> dict[int, int]:
    return {line_id: count for line_id, count in units.items() if count > 0}


def held_units(row: WmsOrder) -> dict[int, int]:
    """Units of a WMS order that Shopify holds back by now, by order line. The WMS order may also be a refused one."""
    measured = measure(row.order)
    counted = row.wms_status not in ENDED
    held = {}
    for line_id, units in _units_of(row).items():
        wanted = measured.in_flight.get(line_id, 0) + (0 if counted else units)
        held[line_id] = min(units, measured.held_of(line_id, wanted))
    return _positive(held)


def _units_of(row: WmsOrder) -> dict[int, int]:
    """Shopify units of a WMS order by order line. The item with the most units counts, so a started kit is a whole
    unit."""
    units: dict[int, int] = {}
    for line in row.lines.all():
        units[line.order_line_id] = max(units.get(line.order_line_id, 0), -(-line.quantity // line.per_unit))
    return units
