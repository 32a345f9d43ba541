"""Which parcels brought the items of a kit: worked out unit by unit here, and by sums in the code."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.models import WmsOrderLine
from fulfillment.shipments.kits import earlier_shipments

Counts = list[tuple[int, int, int]]
"""Shipment, item (the id of its line), units."""


def kit(*per_unit: int) -> list[WmsOrderLine]:
    """The lines of one kit: its items have the ids 1, 2, …"""
    return [
        WmsOrderLine(id=number, order_line_id=1, per_unit=units)
        for number, units in enumerate(per_unit, start=1)
    ]


def by_hand(lines: list[WmsOrderLine], counts: Counts) -> dict[int, list[int]]:
    """Every single item is laid on a pile with the name of its parcel; a kit takes the next ones of each pile."""
    piles: dict[int, list[int]] = {line.id: [] for line in lines}
    found: defaultdict[int, set[int]] = defaultdict(set)
    complete = 0
    for shipment, item, units in counts:
        piles[item] += [shipment] * units
        now = min(len(piles[line.id]) // line.per_unit for line in lines)
        for line in lines:
            found[shipment] |= set(piles[line.id][complete * line.per_unit : now * line.per_unit])
        complete = now
    return {each: sorted(others - {each}) for each, others in found.items() if others - {each}}


counts = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 5)), max_size=7)


@given(counts, st.integers(1, 3), st.integers(1, 3))
def test_a_shipment_that_completes_kits_names_those_that_brought_their_other_items(
    counted: Counts, mugs: int, lids: int
) -> None:
    lines = kit(mugs, lids)
    assert earlier_shipments(lines, counted) == by_hand(lines, counted)


@pytest.mark.parametrize(
    ("counted", "found"),
    [
        ([(1, 1, 1), (1, 2, 1)], {}),
        ([(1, 1, 1), (2, 2, 1)], {2: [1]}),
        ([(2, 1, 1), (1, 2, 1)], {1: [2]}),
        ([(1, 1, 2), (2, 2, 1), (3, 2, 1)], {2: [1], 3: [1]}),
        ([(1, 1, 1), (2, 1, 1), (3, 2, 2)], {3: [1, 2]}),
        ([(1, 1, 1), (2, 1, 1), (3, 2, 1), (4, 2, 1)], {3: [1], 4: [2]}),
        ([(1, 1, 5)], {}),
    ],
)
def test_the_items_of_a_kit_are_used_in_the_order_in_which_they_left(
    counted: Counts, found: dict[int, list[int]]
) -> None:
    assert earlier_shipments(kit(1, 1), counted) == found


def test_the_items_of_one_line_say_nothing_of_another() -> None:
    lines = [*kit(1, 1), WmsOrderLine(id=3, order_line_id=2, per_unit=1)]
    assert earlier_shipments(lines, [(1, 1, 1), (2, 3, 1), (3, 2, 1)]) == {3: [1]}
