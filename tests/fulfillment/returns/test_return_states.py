"""A return goes from one state to another by the table alone."""

from __future__ import annotations

import itertools

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from fulfillment.models import Return
from fulfillment.models.states import NotInTheTable, ReturnState
from fulfillment.returns.return_states import TRANSITIONS, advance
from tests.builders import (
    make_connection,
    make_order,
    make_return,
    make_shop,
    make_warehouse,
    make_wms_order,
)


@pytest.fixture
def rows(db: None) -> dict[int, ReturnState]:
    """One return in each state: its state, by its id."""
    order = make_order(make_shop())
    part = make_wms_order(order, make_warehouse(order.shop, make_connection()))
    made = [make_return(part, external_id=f"return {state}", state=state) for state in ReturnState]
    return {row.pk: ReturnState(row.state) for row in made}


def test_every_pair_moves_exactly_or_is_refused(rows: dict[int, ReturnState]) -> None:
    for before, to in itertools.product(ReturnState, ReturnState):
        with transaction.atomic():
            moves = to in TRANSITIONS[before]
            if moves:
                assert advance(Return.objects.all(), before=before, to=to) == 1
            else:
                with pytest.raises(NotInTheTable):
                    advance(Return.objects.all(), before=before, to=to)
            assert dict(Return.objects.values_list("id", "state")) == {
                pk: to.value if moves and state == before else state.value for pk, state in rows.items()
            }
            transaction.set_rollback(True)


def test_goods_come_back_whatever_was_announced_once(rows: dict[int, ReturnState]) -> None:
    assert advance(Return.objects.all(), to=ReturnState.RECEIVED, label_url="https://a.example") == 4
    assert Return.objects.filter(state=ReturnState.RECEIVED).count() == 5
    assert Return.objects.filter(label_url="").count() == 1


def test_what_is_not_in_the_table_is_refused_before_any_statement(
    rows: dict[int, ReturnState], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0), pytest.raises(NotInTheTable, match="from received to failed"):
        advance(Return.objects.all(), before=ReturnState.RECEIVED, to=ReturnState.FAILED)


def test_a_return_begins_requested_and_ends_received() -> None:
    assert TRANSITIONS.keys() == set(ReturnState)
    assert set(TRANSITIONS[ReturnState.REQUESTING]) == set(ReturnState) - {ReturnState.REQUESTING}
    assert [state for state, after in TRANSITIONS.items() if not after] == [ReturnState.RECEIVED]
