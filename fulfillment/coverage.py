"""Which units of an order are not yet with a warehouse. A unit that once was never counts again: no parcel twice.

Units of one line are alike, and Shopify spreads them over fulfilment orders that come and go. So nothing is tied to a
fulfilment order: what warehouses were given and Shopify has not counted as fulfilled yet is *in flight*, and stands for
as many of the units that Shopify asks for, those that may go now first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Case, F, IntegerField, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from fulfillment.models import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    OrderLine,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
)
from fulfillment.models.states import ShipmentState
from fulfillment.readiness import GOING_STATUSES, OPEN_STATUSES
from fulfillment.shopify.our_locations import SHIPPED_METHODS
from fulfillment.wms_order_states import ENDED

Units = Mapping[int, int]
"""Shopify units by order line (our row id)."""

_OURS = Q(
    fulfillment_order__is_ours=True,
    fulfillment_order__at_foreign_service=False,
    fulfillment_order__delivery_method__in=SHIPPED_METHODS,
)
_GOING = Q(fulfillment_order__status__in=GOING_STATUSES)
_UNFINISHED = Q(fulfillment_order__status__in=OPEN_STATUSES)


@dataclass(frozen=True)
class Asked:
    """What Shopify asks for of a line: of us now, of us later (on hold, scheduled), and of anybody at all."""

    now: int = 0
    later: int = 0
    of_anybody: int = 0


@dataclass(frozen=True)
class Coverage:
    """Shopify units by order line (our row id).

    `open` may go now by Shopify's word, `uncovered` is what of it no warehouse was given yet, `unsent` the same of what
    may go later too. `in_flight` was given and is no fulfilment yet; `held` is what of it Shopify now holds back.
    """

    lines: dict[int, OrderLine]
    open: dict[int, int]
    uncovered: dict[int, int]
    unsent: dict[int, int] = field(default_factory=dict)
    in_flight: dict[int, int] = field(default_factory=dict)
    later: dict[int, int] = field(default_factory=dict)

    @property
    def held(self) -> dict[int, int]:
        """Units that a warehouse has, or is about to get, and that Shopify does not let go any more."""
        return {line: units for line in self.in_flight if (units := self.held_of(line, self.in_flight[line]))}

    def held_of(self, line: int, wanted: int) -> int:
        """How many of `wanted` units, all that are in flight and perhaps more, Shopify holds back."""
        return max(0, min(self.later.get(line, 0), wanted - self.open.get(line, 0)))


def fulfillment_orders_to_ship(order: Order) -> QuerySet[FulfillmentOrder]:
    """The order's fulfilment orders that are our warehouses' (our_places, as the last reading judged it)."""
    return FulfillmentOrder.objects.filter(
        order=order, is_ours=True, at_foreign_service=False, delivery_method__in=SHIPPED_METHODS
    )


def open_units(order: Order) -> dict[int, int]:
    """Units that the order's fulfilment orders for us still ask for now, by order line (our row id)."""
    return {line: asked.now for line, asked in _asked(order).items() if asked.now}


def _asked(order: Order) -> dict[int, Asked]:
    rows = (
        FulfillmentOrderLine.objects.filter(fulfillment_order__order=order)
        .values("order_line")
        .annotate(
            now=Coalesce(Sum("remaining_quantity", filter=_OURS & _GOING), 0),
            later=Coalesce(Sum("remaining_quantity", filter=_OURS & _UNFINISHED & ~_GOING), 0),
            of_anybody=Coalesce(Sum("remaining_quantity", filter=_UNFINISHED), 0),
        )
    )
    return {row["order_line"]: Asked(row["now"], row["later"], row["of_anybody"]) for row in rows}


def covered_units(order: Order) -> dict[int, int]:
    """Units that were given to a warehouse: all of a live part, and of an ended part what it had shipped."""
    by_part: dict[tuple[int, int], int] = {}
    rows = WmsOrderLine.objects.filter(wms_order__order=order).annotate(status=F("wms_order__wms_status"))
    for row in rows:
        given = row.shipped if row.status in ENDED else row.quantity
        units = max(-(-given // row.per_unit) - row.sent_again, 0)
        key = (row.wms_order_id, row.order_line_id)
        by_part[key] = max(by_part.get(key, 0), units)
    covered: dict[int, int] = {}
    for (_, line), units in by_part.items():
        covered[line] = covered.get(line, 0) + units
    return covered


def _told_units(order: Order) -> dict[int, int]:
    """Units that our fulfilments had taken off what Shopify asks for when the order was last read.

    Also those of which a person decided that nothing more is told: Shopify has them by another fulfilment.
    """
    tried_before = Q(shipment__attempt_at__isnull=True) | Q(shipment__attempt_at__lte=order.read_at)
    closed = Q(shipment__state=ShipmentState.CLOSED)
    settled = Case(
        When(closed, then=F("quantity") - F("sent_again")),
        default=F("fulfilled"),
        output_field=IntegerField(),
    )
    rows = ShipmentUnit.objects.filter(
        tried_before, closed | Q(fulfilled__gt=0), shipment__wms_order__order=order
    )
    return dict(rows.values_list("order_line").annotate(units=Sum(settled)))


def measure(order: Order) -> Coverage:
    """Compare what the order asks for with what warehouses were given (four queries, whatever its size)."""
    lines = {
        line.id: line
        for line in OrderLine.objects.filter(order=order).order_by("id")
        if line.requires_shipping and not line.is_gift_card
    }
    asked_for, covered = _asked(order), covered_units(order)
    told = _told_units(order) if covered else {}
    return compare(lines, asked=asked_for, covered=covered, told=told)


def compare(
    lines: dict[int, OrderLine], *, asked: Mapping[int, Asked], covered: Units, told: Units
) -> Coverage:
    """What of it is uncovered, in flight, held and too much. Pure.

    Shopify counts as fulfilled what it asks nobody for any more. Of that at most what we had told it is ours: the rest
    was sent by others, and takes nothing off what is in flight. So each doubt is decided against a second parcel.
    """
    uncovered, unsent, in_flight = {}, {}, {}
    for line_id, line in lines.items():
        wants, given = asked.get(line_id, Asked()), covered.get(line_id, 0)
        fulfilled = max(0, line.quantity - wants.of_anybody)
        on_its_way = given - min(given, fulfilled, told.get(line_id, 0))
        room = line.quantity - given
        in_flight[line_id] = on_its_way
        uncovered[line_id] = min(wants.now - on_its_way, room)
        unsent[line_id] = min(wants.now + wants.later - on_its_way, room)
    return Coverage(
        lines=lines,
        open={line_id: wants.now for line_id, wants in asked.items() if wants.now},
        uncovered=_positive(uncovered),
        unsent=_positive(unsent),
        in_flight=_positive(in_flight),
        later={line_id: wants.later for line_id, wants in asked.items() if wants.later},
    )


def _positive(units: Units) -> dict[int, int]:
    return {line_id: count for line_id, count in units.items() if count > 0}


def held_units(row: WmsOrder) -> dict[int, int]:
    """Units of a WMS order that Shopify holds back by now, by order line; also of one that the WMS refused."""
    measured = measure(row.order)
    counted = row.wms_status not in ENDED
    held = {}
    for line_id, units in _units_of(row).items():
        wanted = measured.in_flight.get(line_id, 0) + (0 if counted else units)
        held[line_id] = min(units, measured.held_of(line_id, wanted))
    return _positive(held)


def _units_of(row: WmsOrder) -> dict[int, int]:
    units: dict[int, int] = {}
    for line in row.lines.all():
        units[line.order_line_id] = max(units.get(line.order_line_id, 0), -(-line.quantity // line.per_unit))
    return units
