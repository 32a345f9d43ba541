"""Which warehouse has the units too many: never more than there are, and the one that is easiest to stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.models import Order, OrderLine, WmsOrder, WmsOrderLine
from fulfillment.reductions import surplus
from fulfillment.reductions.units_at_work import LineDemand, Part, Work
from shops.ids import LocationId
from wms.models import Warehouse

BERLIN, LYON, STORE = LocationId(101), LocationId(102), LocationId(103)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def part(number: int = 1, units: int = 2, *, at: LocationId = BERLIN, **changes: Any) -> Part:
    """A WMS order with units of line 1, one item each."""
    line = {key: changes.pop(key) for key in ("shipped", "per_unit") if key in changes}
    row = WmsOrder(
        id=number,
        part=number,
        warehouse=Warehouse(shopify_location_id=at),
        **{"wms_status": "accepted", **changes},
    )
    return Part(row, (item(units, **line),))


def item(units: int, *, line: int = 1, per_unit: int = 1, shipped: int = 0) -> WmsOrderLine:
    return WmsOrderLine(order_line_id=line, quantity=units * per_unit, per_unit=per_unit, shipped=shipped)


def work(*parts: Part, ours: Any = None, quantity: int = 99, **more: Any) -> Work:
    """Shopify asks us for units of line 1 by location (None = it has no fulfilment orders of it)."""
    line = OrderLine(id=1, quantity=quantity)
    return Work(parts, {1: LineDemand(line, ours=dict(ours or {}), known=ours is not None, **more)})


def found(*parts: Part, **asked: Any) -> dict[int, int]:
    """Units of line 1 too many, by part."""
    return {number: units[1] for number, units in surplus.measure(work(*parts, **asked)).by_part.items()}


@pytest.mark.parametrize(
    ("parts", "asked", "expected"),
    [
        ([part()], {"ours": {BERLIN: 2}}, {}),
        ([part()], {"ours": {BERLIN: 1}}, {1: 1}),
        ([part()], {"ours": {}}, {1: 2}),
        ([part()], {"ours": {BERLIN: 5}}, {}),
        ([part()], {}, {}),  # no fulfilment order says nothing
        ([part()], {"quantity": 1}, {1: 1}),  # the line itself has fewer
        ([part()], {"ours": {BERLIN: 2}, "quantity": 0}, {1: 2}),
        ([part(shipped=1)], {"ours": {BERLIN: 1}}, {}),
        ([part(shipped=1)], {"ours": {}}, {1: 1}),
        ([part(units=4, per_unit=3, shipped=5)], {"ours": {BERLIN: 1}}, {1: 2}),
        ([part()], {"ours": {}, "others": {STORE: 2}}, {1: 2}),
    ],
)
def test_what_is_still_to_be_sent_and_not_asked_for_is_too_many(
    parts: list[Part], asked: dict[str, Any], expected: dict[int, int]
) -> None:
    assert found(*parts, **asked) == expected


def test_the_location_that_asks_for_fewer_gives_up_its_units() -> None:
    parts = part(1, wms_status="packed"), part(2, at=LYON, wms_status="pending")
    assert found(*parts, ours={LYON: 2}) == {1: 2}
    assert found(*parts, ours={BERLIN: 2}) == {2: 2}
    assert found(*parts, ours={BERLIN: 1, LYON: 1}) == {1: 1, 2: 1}


@pytest.mark.parametrize(
    ("first", "second", "stopped"),
    [
        ({"wms_status": "picking"}, {"wms_status": "pending"}, 2),
        ({"wms_status": "rejected"}, {"wms_status": "accepted"}, 1),
        ({"wms_status": "packed"}, {"wms_status": "picking"}, 2),
        ({"wms_status": "manifested"}, {"wms_status": "packed"}, 2),
        ({}, {}, 2),
        ({"wms_status": "packed", "change_request": "cancel_asked"}, {"wms_status": "pending"}, 1),
        ({"wms_status": "packed", "change_request": "less_asked"}, {"wms_status": "pending"}, 1),
        ({"wms_status": "pending", "change_request": "cancel_declined"}, {"wms_status": "packed"}, 2),
        ({"wms_status": "pending", "change_request": "less_declined"}, {"wms_status": "packed"}, 2),
        ({"wms_status": "pending", "change_request": "less_taken"}, {"wms_status": "packed"}, 1),
    ],
)
def test_the_part_that_can_be_stopped_most_easily_has_the_units_too_many(
    first: Any, second: Any, stopped: int
) -> None:
    assert found(part(1, **first), part(2, **second), ours={BERLIN: 2}) == {stopped: 2}


parts = st.lists(
    st.builds(
        part,
        units=st.integers(1, 4),
        at=st.sampled_from([BERLIN, LYON]),
        shipped=st.integers(0, 3),
        wms_status=st.sampled_from(["pending", "accepted", "picking", "packed"]),
    ),
    max_size=4,
).map(lambda made: [part_as(number, each) for number, each in enumerate(made, start=1)])


def part_as(number: int, made: Part) -> Part:
    made.row.id = made.row.part = number  # type: ignore[assignment]
    return made


asked = st.dictionaries(st.sampled_from([BERLIN, LYON]), st.integers(0, 6))


@given(parts, asked)
def test_exactly_what_nobody_asks_for_is_too_many_and_no_part_gives_more_than_it_has(
    made: list[Part], ours: dict[LocationId, int]
) -> None:
    result = surplus.measure(work(*made, ours=ours))
    left: dict[int, int] = {each.row.id: each.left().get(1, 0) for each in made}
    assert result.units.get(1, 0) == max(0, sum(left.values()) - sum(ours.values()))
    assert all(0 < units[1] <= left[number] for number, units in result.by_part.items())


@given(parts, asked, st.integers(0, 9))
def test_a_limit_takes_units_off_and_adds_none(
    made: list[Part], ours: dict[LocationId, int], limit: int
) -> None:
    at_work = work(*made, ours=ours)
    before = surplus.measure(at_work)
    limited = surplus.limited_to(at_work, before, {1: limit})
    assert limited.units.get(1, 0) == min(limit, before.units.get(1, 0))


# When a WMS may be asked


def order(*, since: timedelta | None, read: timedelta = timedelta(0)) -> Order:
    """An order that was read at noon, or some time after; its surplus was seen some time before noon."""
    seen = None if since is None else {"since": (NOON - since).isoformat()}
    return Order(read_at=NOON + read, surplus=seen)


@pytest.mark.parametrize(
    ("since", "all_of_it"),
    [
        (None, False),
        (timedelta(0), False),
        (timedelta(seconds=2.5), False),
        (timedelta(seconds=2.6), True),
        (timedelta(hours=1), True),
    ],
)
def test_a_surplus_is_believed_once_a_second_reading_shows_it(
    since: timedelta | None, all_of_it: bool
) -> None:
    at_work = work(part(), ours={})
    confirmed = surplus.confirmed(order(since=since), at_work, surplus.measure(at_work))
    assert confirmed.units == ({1: 2} if all_of_it else {})


def test_units_that_are_gone_from_the_order_are_believed_at_once() -> None:
    at_work = work(part(), ours={}, quantity=1)
    confirmed = surplus.confirmed(order(since=None), at_work, surplus.measure(at_work))
    assert confirmed.units == {1: 1}


# A part and its units


@pytest.mark.parametrize(
    ("items", "given_units", "shipped", "left"),
    [
        ([item(2)], 2, 0, 2),
        ([item(2, shipped=2)], 2, 2, 0),
        ([item(2, per_unit=3, shipped=5)], 2, 1, 1),
        ([item(2, shipped=2), item(2, per_unit=2, shipped=3)], 2, 1, 1),
        ([item(2, shipped=3)], 2, 3, 0),
    ],
)
def test_a_kit_left_with_its_last_item(
    items: list[WmsOrderLine], given_units: int, shipped: int, left: int
) -> None:
    made = Part(part().row, tuple(items))
    assert (made.given(), made.shipped()) == ({1: given_units}, {1: shipped})
    assert made.left() == ({1: left} if left else {})


def test_a_part_of_which_all_that_is_left_is_too_many_is_wanted_no_more() -> None:
    made = part(units=3, shipped=1)
    assert surplus.Surplus({1: {1: 2}}).is_all_of(made)
    assert not surplus.Surplus({1: {1: 1}}).is_all_of(made)
    assert not surplus.Surplus({2: {1: 2}}).is_all_of(made)
    assert not surplus.Surplus({}).is_all_of(part(units=1, shipped=1))
