"""Which units no warehouse was given yet: each place where a unit can be, and the sums that are made of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from fulfillment import coverage
from fulfillment.coverage import Coverage, Demand
from fulfillment.models import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    OrderLine,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
    order_rows,
)
from shops.ids import FulfillmentOrderId, FulfillmentOrderLineId
from tests.builders import make_shipment, make_wms_order
from tests.fulfillment.order_rows import ordered, place
from wms.models import Warehouse

some = st.integers(0, 4)
spread = st.fixed_dictionaries(
    {
        "to_send": some,  # nobody was given them, and they may go
        "to_wait": some,  # nobody was given them, and Shopify holds them back
        "going": some,  # a warehouse has them
        "held": some,  # a warehouse has them, and Shopify holds them back by now
        "sent": some,  # a warehouse sent them, and Shopify was told
        "by_others": some,  # others sent them
        "elsewhere": some,  # others are to send them
    }
)
"""Where the units of one line are."""


def measured(units: dict[str, int], *, told: int | None = None) -> Coverage:
    """What is known of them: sums by line 1, from Shopify and from our own parts."""
    now, deferred = units["to_send"] + units["going"], units["to_wait"] + units["held"]
    return coverage.compare(
        {1: OrderLine(id=1, quantity=sum(units.values()))},
        demand={1: Demand(now, deferred, now + deferred + units["elsewhere"])},
        covered={1: units["going"] + units["held"] + units["sent"]},
        fulfilled_by_us={1: units["sent"] if told is None else told},
    )


@given(spread)
def test_what_warehouses_have_is_in_flight_until_shopify_counts_it(units: dict[str, int]) -> None:
    assert measured(units).in_flight.get(1, 0) == units["going"] + units["held"]


@given(spread)
def test_what_no_warehouse_was_given_is_unsent_whenever_it_may_go(units: dict[str, int]) -> None:
    assert measured(units).unsent.get(1, 0) == units["to_send"] + units["to_wait"]


@given(spread)
def test_units_in_flight_stand_for_those_that_may_go_first(units: dict[str, int]) -> None:
    found = measured(units)
    assert found.uncovered.get(1, 0) == max(0, units["to_send"] - units["held"])
    assert found.held.get(1, 0) == max(0, units["held"] - units["to_send"])


@given(spread, some)
def test_a_doubt_about_our_fulfilments_never_makes_a_second_shipment(
    units: dict[str, int], told: int
) -> None:
    found, true = measured(units, told=min(told, units["sent"])), measured(units)
    assert found.uncovered.get(1, 0) <= true.uncovered.get(1, 0)
    assert found.unsent.get(1, 0) <= true.unsent.get(1, 0)


@given(spread, st.integers(0, 9))
def test_what_others_sent_takes_nothing_off_what_is_in_flight(units: dict[str, int], more: int) -> None:
    others = {**units, "by_others": units["by_others"] + more}
    assert measured(others).in_flight == measured(units).in_flight


def test_a_line_of_which_shopify_asks_nothing_is_in_no_sum() -> None:
    found = coverage.compare({1: OrderLine(id=1, quantity=2)}, demand={}, covered={}, fulfilled_by_us={})
    assert (found.fulfillable, found.uncovered, found.unsent, found.in_flight, found.deferred) == (
        {},
        {},
        {},
        {},
        {},
    )


# The sums, from the rows


@pytest.fixture
def berlin(db: None) -> Warehouse:
    return place()


def part(order: Order, warehouse: Warehouse, *items: tuple[str, int, int], **changes: Any) -> WmsOrder:
    """A further part with (item, its units, units of it in one sold unit) for the order's only line."""
    number = order.wms_orders.count() + 1
    more = {key: changes.pop(key) for key in ("shipped", "sent_again") if key in changes}
    row = make_wms_order(order, warehouse, part=number, external_id=f"{order.pk}:{number}", **changes)
    for item, quantity, per_unit in items:
        WmsOrderLine.objects.create(
            wms_order=row,
            order_line=order.lines.get(),
            item_code=item,
            quantity=quantity,
            per_unit=per_unit,
            **more,
        )
    return row


def told(row: WmsOrder, units: int, *, known: timedelta | None = None, **changes: Any) -> None:
    """A shipment of the part, of which it became known at a time relative to the reading that Shopify has it."""
    order = row.order
    at = None if known is None else order.read_at + known
    state, subtracted = changes.pop("state", "received"), changes.pop("subtracted", False)
    shipment = make_shipment(
        row, state=state, counted_at=at, subtracted_from=order.read_at if subtracted else None
    )
    ShipmentUnit.objects.create(
        shipment=shipment, order_line=order.lines.get(), quantity=units, **{"fulfilled": units, **changes}
    )


def only(units: dict[int, int]) -> int:
    """The units of the order's only line."""
    return sum(units.values())


@pytest.mark.parametrize(
    ("items", "changes", "units"),
    [
        ([("MUG", 4, 1)], {}, 4),
        ([("MUG", 4, 2)], {}, 2),
        ([("MUG", 5, 2)], {}, 3),
        ([("MUG", 2, 1), ("BOX", 8, 2)], {}, 4),
        ([("BOX", 8, 2), ("MUG", 2, 1)], {}, 4),
        ([("MUG", 4, 1)], {"wms_status": "shipped", "shipped": 1}, 4),
        ([("MUG", 4, 1)], {"wms_status": "cancelled"}, 0),
        ([("MUG", 4, 1)], {"wms_status": "cancelled", "shipped": 3}, 3),
        ([("MUG", 4, 2)], {"wms_status": "rejected", "shipped": 1}, 1),
        ([("MUG", 4, 2)], {"sent_again": 1}, 1),
        ([("MUG", 4, 1)], {"wms_status": "cancelled", "sent_again": 2}, 0),
    ],
)
def test_a_part_covers_all_its_units_and_an_ended_one_those_that_left(
    berlin: Warehouse, items: Any, changes: dict[str, Any], units: int
) -> None:
    order = ordered(berlin.shop, units=9)
    part(order, berlin, *items, **changes)
    assert only(coverage.covered_units(order_rows.read(order).given)) == units


def test_the_parts_of_an_order_add_up_and_those_of_another_do_not_count(berlin: Warehouse) -> None:
    order, other = ordered(berlin.shop, units=9), ordered(berlin.shop, units=9)
    part(order, berlin, ("MUG", 2, 1))
    part(order, berlin, ("MUG", 6, 2))
    part(other, berlin, ("MUG", 1, 1))
    assert only(coverage.covered_units(order_rows.read(order).given)) == 5


@pytest.mark.parametrize(
    ("changes", "now", "deferred"),
    [
        ({}, 2, 0),
        ({"status": "IN_PROGRESS"}, 2, 0),
        ({"status": "ON_HOLD"}, 0, 2),
        ({"status": "SCHEDULED"}, 0, 2),
        ({"status": "CLOSED"}, 0, 0),
        ({"is_ours": False}, 0, 0),
        ({"is_ours": False, "status": "ON_HOLD"}, 0, 0),
        ({"at_foreign_service": True}, 0, 0),
        ({"delivery_method": "PICK_UP"}, 0, 0),
        ({"delivery_method": ""}, 2, 0),
    ],
)
def test_shopify_asks_us_for_open_work_that_a_carrier_brings_from_our_place(
    berlin: Warehouse, changes: dict[str, Any], now: int, deferred: int
) -> None:
    order = ordered(berlin.shop)
    FulfillmentOrder.objects.update(**changes)
    found = coverage.measure(order)
    assert (only(found.fulfillable), only(found.deferred)) == (now, deferred)
    assert only(coverage.fulfillable_units(order)) == now
    not_ours = {"is_ours", "at_foreign_service"} & changes.keys() or changes.get("delivery_method")
    assert coverage.fulfillment_orders_to_ship(order).exists() != bool(not_ours)


@pytest.mark.parametrize(
    "changes", [{"requires_shipping": False}, {"is_gift_card": True}], ids=["digital", "gift card"]
)
def test_a_line_that_is_no_goods_is_not_measured(berlin: Warehouse, changes: dict[str, bool]) -> None:
    order = ordered(berlin.shop)
    OrderLine.objects.update(**changes)
    found = coverage.measure(order)
    assert (found.lines, found.uncovered) == ({}, {})


BEFORE, AFTER = timedelta(minutes=-1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("known", "changes", "in_flight"),
    [
        (BEFORE, {}, 0),
        (None, {}, 0),
        (timedelta(0), {}, 0),
        (AFTER, {}, 2),
        (AFTER, {"subtracted": True}, 0),
        (BEFORE, {"fulfilled": 0}, 2),
        (BEFORE, {"fulfilled": 1}, 1),
        (BEFORE, {"state": "closed", "fulfilled": 0}, 0),
        (BEFORE, {"state": "closed", "fulfilled": 0, "sent_again": 1}, 1),
        (AFTER, {"state": "closed", "fulfilled": 0}, 2),
    ],
)
def test_what_a_reading_can_know_of_our_fulfillments_is_off_what_is_in_flight(
    berlin: Warehouse, known: timedelta | None, changes: dict[str, Any], in_flight: int
) -> None:
    order = ordered(berlin.shop)
    row = part(order, berlin, ("MUG", 2, 1))
    told(row, 2, known=known, **changes)
    FulfillmentOrder.objects.update(status="CLOSED")
    assert only(coverage.measure(order).in_flight) == in_flight


def test_what_shopify_counts_as_fulfilled_without_a_fulfilment_of_ours_was_sent_by_others(
    berlin: Warehouse,
) -> None:
    order = ordered(berlin.shop)
    part(order, berlin, ("MUG", 2, 1))
    FulfillmentOrder.objects.update(status="CLOSED")
    assert only(coverage.measure(order).in_flight) == 2


# Units of one part that Shopify holds back


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_units_of_a_part_that_are_on_hold_by_now_are_held(berlin: Warehouse, status: str) -> None:
    order = ordered(berlin.shop)
    row = part(order, berlin, ("MUG", 4, 2), ("BOX", 2, 1), wms_status=status)
    assert coverage.held_units(row) == {}
    FulfillmentOrder.objects.update(status="ON_HOLD")
    assert only(coverage.held_units(row)) == 2


def test_no_part_holds_more_than_its_own_units(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=5)
    first, second = part(order, berlin, ("MUG", 1, 1)), part(order, berlin, ("MUG", 4, 1))
    FulfillmentOrder.objects.update(status="ON_HOLD")
    assert (only(coverage.held_units(first)), only(coverage.held_units(second))) == (1, 4)


def hold(order: Order, units: int) -> None:
    """Shopify asks for further units of the line, and holds them back."""
    work = FulfillmentOrder.objects.create(
        order=order, shopify_fulfillment_order_id=FulfillmentOrderId(9), status="ON_HOLD"
    )
    line = FulfillmentOrderLine(fulfillment_order=work, shopify_line_id=FulfillmentOrderLineId(9))
    line.order_line, line.total_quantity, line.remaining_quantity = order.lines.get(), units, units
    line.save()


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_of_a_part_that_is_wanted_now_in_part_the_rest_is_held(berlin: Warehouse, status: str) -> None:
    order = ordered(berlin.shop, units=3)
    row = part(order, berlin, ("MUG", 2, 1), wms_status=status)
    FulfillmentOrderLine.objects.update(remaining_quantity=1)
    hold(order, 2)
    assert only(coverage.held_units(row)) == 1


def test_a_part_holds_no_more_than_its_units_whatever_items_they_are(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=5)
    row = part(order, berlin, ("MUG", 3, 2))
    part(order, berlin, ("MUG", 3, 1))
    FulfillmentOrder.objects.update(status="ON_HOLD")
    assert only(coverage.held_units(row)) == 2


def test_the_fulfilment_orders_of_another_order_are_not_ours_to_ship(berlin: Warehouse) -> None:
    order, other = ordered(berlin.shop), ordered(berlin.shop)
    found = coverage.fulfillment_orders_to_ship(order)
    assert [each.order_id for each in found] == [order.pk]
    assert coverage.fulfillable_units(other).keys() == {other.lines.get().pk}
    FulfillmentOrder.objects.filter(order=order).update(status="ON_HOLD")
    assert coverage.fulfillable_units(order) == {}


def test_a_unit_that_may_go_is_the_one_that_the_warehouse_has(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=2, read_at=timezone.now())
    row = part(order, berlin, ("MUG", 1, 1))
    work = FulfillmentOrder.objects.get()
    work.lines.update(remaining_quantity=1)
    assert coverage.held_units(row) == {}
    assert Coverage({}, fulfillable={1: 1}, uncovered={}, in_flight={1: 2}, deferred={1: 5}).held == {1: 1}
    assert Coverage({}, fulfillable={1: 2}, uncovered={}, in_flight={1: 2}, deferred={1: 5}).held == {}
