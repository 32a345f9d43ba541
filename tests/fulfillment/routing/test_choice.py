"""Whatever warehouses there are: the decision is the first eligible one by priority, and says why of each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.routing.choice import Assessment, Candidate, Decision, Suitability, decide
from wms.ids import WarehousePk

ITEMS = ("MUG", "TEE")
needs = st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 4), min_size=1)
candidate = st.builds(
    Candidate,
    id=st.integers(1, 10_000),
    name=st.just("a warehouse"),
    priority=st.integers(0, 3),
    active=st.sampled_from([True, True, True, False]),
    paused=st.sampled_from([False, False, False, True]),
    countries=st.frozensets(st.sampled_from(["DE", "FR"])),
    capacity_left=st.none() | st.integers(-1, 2),
    needs=st.none() | needs,
    unmapped=st.just(()),
    free=st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 6)),
)
candidates = st.lists(candidate, max_size=6, unique_by=lambda c: c.id)


def eligible(warehouse: Candidate, country: str) -> bool:
    """As the manual says it, and not as the code does."""
    open_to_it = warehouse.active and not warehouse.paused
    serves = not warehouse.countries or country in warehouse.countries
    has_room = warehouse.capacity_left is None or warehouse.capacity_left > 0
    wanted = warehouse.needs
    in_stock = wanted is not None and all(warehouse.free.get(i, 0) >= n for i, n in wanted.items())
    return open_to_it and serves and has_room and in_stock


def outcomes(decision: Decision) -> list[Suitability]:
    return [verdict.outcome for verdict in decision.assessments]


@given(candidates)
def test_the_first_eligible_warehouse_by_priority_is_chosen(warehouses: list[Candidate]) -> None:
    able = [each for each in warehouses if eligible(each, "DE")]
    expected = min(able, key=lambda each: (each.priority, each.id), default=None)
    assert decide(warehouses, country="DE").chosen == expected


@given(candidates)
def test_every_warehouse_has_its_verdict_and_every_refusal_a_key_that_wakes(
    warehouses: list[Candidate],
) -> None:
    decision = decide(warehouses, country="DE")
    assert sorted(v.warehouse_id for v in decision.assessments) == sorted(each.id for each in warehouses)
    assert outcomes(decision).count(Suitability.CHOSEN) == (decision.chosen is not None)
    assert (Suitability.NOT_NEEDED in outcomes(decision)) <= (decision.chosen is not None)
    for verdict in decision.assessments:
        refused = verdict.outcome not in (Suitability.CHOSEN, Suitability.NOT_NEEDED)
        assert (f"warehouse:{verdict.warehouse_id}" in decision.wake_on) == refused
    assert len(decision.as_json()) == len(warehouses)


@given(candidates, st.randoms())
def test_it_is_the_same_in_whatever_order_they_come(warehouses: list[Candidate], random: object) -> None:
    shuffled = sorted(warehouses, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert decide(shuffled, country="DE") == decide(warehouses, country="DE")


@given(candidates)
def test_what_is_behind_the_chosen_one_changes_nothing(warehouses: list[Candidate]) -> None:
    decision = decide(warehouses, country="DE")
    if decision.chosen is not None:
        chosen = decision.chosen
        before = [each for each in warehouses if (each.priority, each.id) <= (chosen.priority, chosen.id)]
        assert decide(before, country="DE").chosen == chosen


@given(candidate.filter(lambda each: each.needs is not None))
def test_short_stock_names_each_missing_item_and_waits_for_it(warehouse: Candidate) -> None:
    ready = replace(warehouse, active=True, paused=False, countries=frozenset(), capacity_left=None)
    decision = decide([ready], country="DE")
    missing = [item for item, n in (ready.needs or {}).items() if ready.free.get(item, 0) < n]
    waits_for = [key for key in decision.wake_on if key.startswith("stock:")]
    assert sorted(waits_for) == sorted(f"stock:{ready.id}:{item}" for item in missing)
    assert all(item in decision.assessments[0].detail for item in missing)


@pytest.mark.parametrize(
    ("outcome", "detail", "says"),
    [
        (Suitability.NO_ITEM, "MUG, TEE", "Berlin has no item MUG, TEE"),
        (Suitability.STOCK, "MUG: 1 of 2", "Berlin: stock MUG: 1 of 2"),
        (Suitability.PAUSED, "", "Berlin: paused"),
    ],
)
def test_a_verdict_is_said_in_words_for_staff(outcome: Suitability, detail: str, says: str) -> None:
    assert str(Assessment(1, "Berlin", outcome, detail)) == says


@pytest.mark.parametrize(("country", "says"), [("FR", "FR"), ("", "an unknown country")])
def test_a_warehouse_that_does_not_serve_the_country_says_which(country: str, says: str) -> None:
    decision = decide([open_warehouse(countries=frozenset({"DE"}))], country=country)
    assert decision.assessments[0].detail == f"does not serve {says}"


def open_warehouse(**changes: Any) -> Candidate:
    """A warehouse that can send one mug."""
    values = {"priority": 1, "active": True, "paused": False, "countries": frozenset(), "capacity_left": None}
    more = {"needs": {"MUG": 1}, "unmapped": (), "free": {"MUG": 1}}
    return Candidate(**{"id": WarehousePk(1), "name": "Berlin", **values, **more, **changes})


@pytest.mark.parametrize(
    ("left", "outcome"), [(None, "chosen"), (1, "chosen"), (0, "capacity"), (-1, "capacity")]
)
def test_the_last_order_of_the_day_still_goes(left: int | None, outcome: str) -> None:
    assert outcomes(decide([open_warehouse(capacity_left=left)], country="DE")) == [outcome]


def test_of_the_items_that_are_short_the_unknown_ones_are_named_and_all_wake() -> None:
    short = open_warehouse(needs={"MUG": 1, "TEE": 2, "BOX": 1}, never_reported=frozenset({"TEE", "MUG"}))
    decision = decide([short], country="DE")
    assert (outcomes(decision), decision.assessments[0].detail) == ([Suitability.NO_ITEM], "TEE")
    assert decision.wake_on == ("stock:1:BOX", "stock:1:TEE", "warehouse:1")


def test_the_nearest_way_out_is_waited_for_first() -> None:
    refused = [
        open_warehouse(id=1, active=False),
        open_warehouse(id=2, countries=frozenset({"FR"})),
        open_warehouse(id=3, needs=None, unmapped=("SKU-MUG",)),
        open_warehouse(id=4, capacity_left=0),
        open_warehouse(id=5, paused=True),
        open_warehouse(id=6, free={}),
    ]
    keys = decide(refused, country="DE").wake_on
    assert keys == ("stock:6:MUG", *(f"warehouse:{number}" for number in (6, 5, 4, 3, 2, 1)))
