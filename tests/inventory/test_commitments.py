"""The units that Shopify has committed, kept order by order: replaced as a whole, forgotten by name."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import commitments
from inventory.models import Commitment
from tests.builders import make_connection, make_shop, make_warehouse
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

Noted = dict[str, dict[str, int]]
noted = st.dictionaries(
    st.sampled_from(["p1", "p2"]),
    st.dictionaries(st.sampled_from(["MUG", "TEE"]), st.integers(-1, 2)),
    max_size=2,
)


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


def note(berlin: Warehouse, units: Noted) -> None:
    commitments.note(
        {ref: {(berlin.pk, item): n for item, n in items.items()} for ref, items in units.items()}
    )


def known() -> Noted:
    found: Noted = {}
    for reference, item, units in Commitment.objects.values_list("reference", "item_code", "quantity"):
        found.setdefault(reference, {})[item] = units
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(noted, max_size=4))
def test_the_last_word_about_each_order_holds(berlin: Warehouse, steps: list[Noted]) -> None:
    Commitment.objects.all().delete()
    expected: Noted = {}
    for step in steps:
        note(berlin, step)
        for reference, items in step.items():
            expected[reference] = {item: units for item, units in items.items() if units > 0}
    assert known() == {reference: items for reference, items in expected.items() if items}


def test_the_same_once_more_rewrites_no_row(berlin: Warehouse) -> None:
    note(berlin, {"p1": {"MUG": 2}})
    before = Commitment.objects.values_list("pk", flat=True).get()
    note(berlin, {"p1": {"MUG": 2}})
    assert Commitment.objects.values_list("pk", flat=True).get() == before


def test_a_forgotten_order_commits_nothing_and_the_others_stay(berlin: Warehouse) -> None:
    note(berlin, {"p1": {"MUG": 2}, "p2": {"MUG": 1}, "p3": {"MUG": 1}})
    commitments.forget("p1", "p3")
    assert known() == {"p2": {"MUG": 1}}
    commitments.forget()
    assert known() == {"p2": {"MUG": 1}}
