"""A WMS order goes from one state to another by the table alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from fulfillment.models import WmsOrder
from fulfillment.models.states import NotInTheTable, OrderState
from fulfillment.wms_order_states import (
    AT_THE_WMS,
    FIRST_LOOK_UP,
    OVER,
    STEPS,
    UNCONFIRMED,
    CancellationPhase,
    Event,
    advance,
    lock_with_order,
    phase,
)
from fulfillment.wms_orders.status_updates import apply_callback
from tests.architecture.states.transitions import TRANSITIONS
from tests.builders import make_connection, make_order, make_shop, make_warehouse, make_wms_order
from wms.callbacks.events import OrderStatusEvent
from wms.ids import ConnectionPk, RemoteOrderId
from wms.vocabulary.statuses import WmsStatus

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LAST_WEEK = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def rows(db: None) -> dict[int, WmsStatus]:
    """One WMS order in each state: its state, by its id."""
    order = make_order(make_shop())
    warehouse = make_warehouse(order.shop, make_connection())
    made = [
        make_wms_order(order, warehouse, part=part, external_id=f"part {part}", wms_status=status)
        for part, status in enumerate(WmsStatus, start=1)
    ]
    WmsOrder.objects.update(status_at=LONG_AGO, look_up_at=LONG_AGO)
    return {row.pk: WmsStatus(row.wms_status) for row in made}


def found() -> dict[int, tuple[str, str, bool, bool]]:
    """Of each WMS order its state, its detail, and whether it was dated and its look-up put off."""
    values = WmsOrder.objects.values_list("id", "wms_status", "outcome_detail", "status_at", "look_up_at")
    return {
        pk: (status, detail, at != LONG_AGO, look_up != LONG_AGO)
        for pk, status, detail, at, look_up in values
    }


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_an_event_moves_what_the_table_names_and_nothing_else(
    rows: dict[int, WmsStatus], event: Event
) -> None:
    for to in WmsStatus:
        moves = {before for before, after in TRANSITIONS.items() if event in after.get(to, ())}
        with transaction.atomic():
            if moves:
                assert advance(WmsOrder.objects.all(), event, to=to, outcome_detail="moved") == len(moves)
            else:
                with pytest.raises(NotInTheTable):
                    advance(WmsOrder.objects.all(), event, to=to, outcome_detail="moved")
            there = (to.value, "moved", True, to in AT_THE_WMS)
            assert found() == {
                pk: there if status in moves else (status.value, "", False, False)
                for pk, status in rows.items()
            }
            transaction.set_rollback(True)


def test_what_is_not_in_the_table_is_refused_before_any_statement(
    rows: dict[int, WmsStatus], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with (
        django_assert_num_queries(0),
        pytest.raises(NotInTheTable, match=r"SHIPMENT does not make .* pending"),
    ):
        advance(WmsOrder.objects.all(), Event.SHIPMENT, to=WmsStatus.PENDING)


def test_a_move_is_one_statement(
    rows: dict[int, WmsStatus], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        advance(WmsOrder.objects.all(), Event.SHIPMENT, to=WmsStatus.SHIPPED)


def test_only_the_rows_that_are_named_move(rows: dict[int, WmsStatus]) -> None:
    pk = next(pk for pk, status in rows.items() if status == WmsStatus.ACCEPTED)
    assert advance(WmsOrder.objects.filter(id=pk), Event.ENDED_BY_WMS, to=WmsStatus.CANCELLED) == 1
    assert WmsOrder.objects.filter(wms_status=WmsStatus.CANCELLED).count() == 2
    assert advance(WmsOrder.objects.filter(id=pk), Event.ENDED_BY_WMS, to=WmsStatus.CANCELLED) == 0


@pytest.mark.parametrize(("at", "since"), [(LAST_WEEK, LAST_WEEK), (F("status_at"), LONG_AGO)])
def test_it_stands_there_since_the_event(
    rows: dict[int, WmsStatus], at: datetime | F, since: datetime
) -> None:
    advance(WmsOrder.objects.all(), Event.PROGRESSED, to=WmsStatus.PICKING, at=at)
    moved = WmsOrder.objects.filter(outcome_detail="", wms_status=WmsStatus.PICKING, look_up_at__gt=LONG_AGO)
    assert [row.status_at for row in moved] == [since, since]


def test_the_wms_is_not_asked_soon_about_what_it_has_just_told(rows: dict[int, WmsStatus]) -> None:
    advance(WmsOrder.objects.all(), Event.NOT_SENT, to=WmsStatus.PENDING)
    advance(WmsOrder.objects.all(), Event.NOT_CANCELLED, to=WmsStatus.PICKING)
    put_off = WmsOrder.objects.exclude(look_up_at=LONG_AGO).get()
    assert put_off.wms_status == WmsStatus.PICKING
    assert abs(put_off.look_up_at - timezone.now() - FIRST_LOOK_UP) < timedelta(minutes=1)


def _reachable(start: WmsStatus) -> set[WmsStatus]:
    seen, ahead = {start}, [start]
    while ahead:
        new = TRANSITIONS[ahead.pop()].keys() - seen
        seen |= new
        ahead += new
    return seen


def test_every_state_is_reached_but_the_one_that_no_code_makes() -> None:
    assert _reachable(WmsStatus.PENDING) == set(WmsStatus) - {WmsStatus.UNKNOWN}
    assert WmsStatus.SHIPPED in _reachable(WmsStatus.UNKNOWN)


def test_an_order_that_is_over_has_only_these_ways_out() -> None:
    too_late, parcel, rest = (Event.TOO_LATE,), (Event.SHIPMENT,), (Event.SHIPMENT, Event.FINISHED)
    called_ended_too_soon = {
        WmsStatus.PACKED: too_late,
        WmsStatus.MANIFESTED: too_late,
        WmsStatus.PARTIALLY_SHIPPED: parcel,
        WmsStatus.SHIPPED: rest,
    }
    sent_again = {WmsStatus.SUBMITTING: (Event.SENT,), WmsStatus.CANCELLED: (Event.ENDED_UNSENT,)}
    assert TRANSITIONS[WmsStatus.SHIPPED] == {}
    assert TRANSITIONS[WmsStatus.CANCELLED] == called_ended_too_soon
    assert TRANSITIONS[WmsStatus.REJECTED] == {**called_ended_too_soon, **sent_again}


def test_nothing_is_sent_of_what_the_wms_has() -> None:
    senders = {before for before, after in TRANSITIONS.items() if WmsStatus.SUBMITTING in after}
    assert senders & {*map(WmsStatus, AT_THE_WMS), WmsStatus.SHIPPED, WmsStatus.CANCELLED} == set()


def test_work_in_a_warehouse_goes_forward_only() -> None:
    for number, step in enumerate(STEPS):
        moved_to = {after for after, events in TRANSITIONS[step].items() if Event.PROGRESSED in events}
        assert moved_to == set(STEPS[number + 1 :])


def test_each_state_is_before_the_wms_at_it_or_over() -> None:
    assert sorted([*UNCONFIRMED, *AT_THE_WMS, *OVER]) == sorted(WmsStatus)


def test_every_state_has_its_cancellation_phase() -> None:
    phases = {status: phase(status) for status in WmsStatus}
    assert {s for s, p in phases.items() if p is CancellationPhase.CANCELLABLE} == {
        "pending",
        "submitting",
        "accepted",
    }
    assert {s for s, p in phases.items() if p is CancellationPhase.IN_PROGRESS} == {
        "picking",
        "cancel_requested",
        "unknown",
    }
    assert {s for s, p in phases.items() if p is CancellationPhase.CANCELLED} == {"cancelled", "rejected"}
    assert phases[WmsStatus.PACKED] is CancellationPhase.UNCANCELLABLE


@pytest.mark.django_db(transaction=True)
def test_a_wms_order_and_its_order_are_read_as_the_last_holder_of_their_lock_left_them() -> None:
    order = make_order(make_shop())
    row = make_wms_order(order, make_warehouse(order.shop, make_connection()))
    with psycopg.connect(**connection.get_connection_params()) as other, transaction.atomic():
        other.execute("SELECT FROM fulfillment_order WHERE id = %s FOR UPDATE", [order.pk])
        other.execute("UPDATE wms_order_map SET wms_status = 'cancelled' WHERE id = %s", [row.pk])
        other.execute("UPDATE fulfillment_order SET cancelled_at = now() WHERE id = %s", [order.pk])
        threading.Timer(0.3, other.commit).start()
        seen = lock_with_order(row.id)
    assert (seen.wms_status, seen.order.cancelled_at is not None) == ("cancelled", True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("left", "now"),
    [
        ("UPDATE wms_order_map SET wms_status = 'packed'", "packed"),
        ("UPDATE wms_order_map SET wms_status = 'accepted', wms_order_id = 'W-1'", "picking"),
        (
            "UPDATE wms_order_map SET cancel_requested_at = now(), wms_status = 'cancel_requested'",
            "cancel_requested",
        ),
        ("UPDATE fulfillment_order SET state = 'held', reason = 'wms_cancelled'", "picking"),
    ],
)
def test_a_reported_step_moves_a_wms_order_as_the_last_holder_of_the_lock_left_it(
    left: str, now: str
) -> None:
    warehouse = make_warehouse((shop := make_shop()), make_connection())
    order = make_order(shop, state=OrderState.AT_WAREHOUSE)
    row = make_wms_order(order, warehouse, wms_status=WmsStatus.ACCEPTED, remote_id="W-1")
    event = OrderStatusEvent(wms_order_id=RemoteOrderId("W-1"), status="picking")
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT FROM fulfillment_order WHERE id = %s FOR UPDATE", [order.pk])
        other.execute(left)
        threading.Timer(0.3, other.commit).start()
        apply_callback(ConnectionPk(warehouse.connection_id), event, occurred_at=LONG_AGO)
    row.refresh_from_db()
    assert row.wms_status == now
