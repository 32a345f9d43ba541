"""Where an order stands: what its parts and parcels make of it, who holds it, and how long it waited for whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from fulfillment import order_states
from fulfillment.alerts import routing
from fulfillment.models import FulfillmentOrder, Order, ShipmentUnit, WmsOrder, WmsOrderLine
from fulfillment.models.states import OrderState, Reason
from ops.models import Alert
from tests.builders import make_order, make_shipment, make_wms_order
from tests.fulfillment.order_rows import at_warehouse, ordered, place
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def berlin() -> Warehouse:
    return place()


def now(order: Order) -> Order:
    return Order.objects.select_related("shop").get(pk=order.pk)


def stands(order: Order) -> tuple[str, str, str]:
    found = now(order)
    return found.state, found.reason, found.reason_detail


def settled(order: Order) -> tuple[str, str, str]:
    order_states.derive_state(now(order))
    return stands(order)


def with_parts(berlin: Warehouse, *statuses: str, **changes: Any) -> Order:
    """An order at its warehouse whose parts have these statuses."""
    order = make_order(berlin.shop, **{"state": "at_warehouse", **changes})
    for part, status in enumerate(statuses, start=1):
        make_wms_order(order, berlin, part=part, external_id=f"{order.pk}:{part}", wms_status=status)
    return order


# What its parts make of an order


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (["pending"], "ready"),
        (["submitting", "pending"], "ready"),
        (["pending", "accepted"], "at_warehouse"),
        (["accepted"], "at_warehouse"),
        (["cancel_requested"], "at_warehouse"),
        (["shipped"], "shipped"),
        (["shipped", "cancelled"], "shipped"),
        (["shipped", "rejected"], "shipped"),
        (["shipped", "accepted"], "partially_shipped"),
        (["shipped", "pending"], "partially_shipped"),
        (["partially_shipped"], "partially_shipped"),
        (["partially_shipped", "pending"], "partially_shipped"),
    ],
)
def test_an_order_is_the_sum_of_its_live_parts(berlin: Warehouse, statuses: list[str], state: str) -> None:
    assert settled(with_parts(berlin, *statuses)) == (state, "", "")


@pytest.mark.parametrize("statuses", [[], ["cancelled"], ["rejected", "cancelled"]])
def test_an_order_without_a_live_part_stays_unless_it_is_cancelled(
    berlin: Warehouse, statuses: list[str]
) -> None:
    assert settled(with_parts(berlin, *statuses)) == ("at_warehouse", "", "")
    assert settled(with_parts(berlin, *statuses, cancelled_at=timezone.now())) == ("cancelled", "", "")


def test_a_cancelled_order_that_a_warehouse_still_has_is_not_cancelled_yet(berlin: Warehouse) -> None:
    order = with_parts(berlin, "accepted", cancelled_at=timezone.now())
    assert settled(order)[0] == "at_warehouse"


def test_a_part_of_which_the_rest_is_unwanted_counts_as_shipped(berlin: Warehouse) -> None:
    order = with_parts(berlin, "partially_shipped")
    WmsOrder.objects.update(remainder_unwanted=True)
    assert settled(order)[0] == "shipped"


@pytest.mark.parametrize("reason", sorted(order_states.PERSON_DECIDES))
def test_what_a_person_decides_is_not_ended_by_a_part(berlin: Warehouse, reason: str) -> None:
    order = with_parts(berlin, "shipped", state="held", reason=reason, reason_detail="x")
    assert settled(order) == ("held", reason, "x")


@pytest.mark.parametrize("reason", sorted(order_states.ABOUT_UNCOVERED_UNITS))
def test_news_of_one_part_does_not_end_what_holds_the_units_of_another(
    berlin: Warehouse, reason: str
) -> None:
    order = ordered(berlin.shop, state="held", reason=reason)
    make_wms_order(order, berlin)
    assert settled(order)[:2] == ("held", reason)
    FulfillmentOrder.objects.update(status="CLOSED")
    assert settled(order)[:2] == ("at_warehouse", "")


def test_units_of_a_cancelled_order_are_held_for_nobody(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, state="held", reason="unmapped_sku", cancelled_at=timezone.now())
    make_wms_order(order, berlin)
    assert settled(order)[0] == "at_warehouse"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"change_summary": "asked to cancel it"}, ("at_warehouse", "edited", "asked to cancel it")),
        (
            {"surplus": {"1": 1}},
            ("at_warehouse", "edited", "Shopify asks for fewer units than warehouses have"),
        ),
        ({"surplus": {"1": 1}, "change_summary": "asked"}, ("at_warehouse", "edited", "asked")),
        (
            {"change_summary": "asked", "cancelled_at": timezone.now()},
            ("at_warehouse", "cancel_asked", "asked"),
        ),
    ],
)
def test_an_order_says_what_its_warehouse_was_asked(
    berlin: Warehouse, order: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert settled(with_parts(berlin, "accepted", **order)) == expected
    assert settled(with_parts(berlin, "shipped", **order)) == ("shipped", "", "")


# Parcels of which Shopify does not know


def parcel(order: Order, *, units: int = 2, shipment: dict[str, Any], **changes: Any) -> None:
    row = make_shipment(order.wms_orders.get(), **{"wms_shipment_id": "S1", **shipment})
    ShipmentUnit.objects.create(shipment=row, order_line=order.lines.get(), quantity=units, **changes)


@pytest.mark.parametrize(
    ("shipment", "units", "expected"),
    [
        ({"state": "received"}, {}, ("partially_shipped", "", "")),
        ({"state": "fulfilling"}, {}, ("partially_shipped", "", "")),
        (
            {"state": "held", "reason": "an unknown item"},
            {},
            ("partially_shipped", "shipment_held", "S1: an unknown item"),
        ),
        ({"state": "cancelled", "reason": "x"}, {}, ("partially_shipped", "shipment_held", "S1: x")),
        ({"state": "closed"}, {}, ("shipped", "", "")),
        ({"state": "received"}, {"fulfilled": 2}, ("shipped", "", "")),
        ({"state": "received"}, {"fulfilled": 1}, ("partially_shipped", "", "")),
        ({"state": "received"}, {"fulfilled": 1, "sent_again": 1}, ("shipped", "", "")),
        ({"state": "received"}, {"fulfilled": 1, "unwanted": 1}, ("partially_shipped", "", "")),
        (
            {"state": "held", "shopify_fulfillment_id": 9},
            {"fulfilled": 1, "unwanted": 1},
            ("shipped", "", ""),
        ),
    ],
)
def test_an_order_is_shipped_once_shopify_knows_of_all_that_left(
    berlin: Warehouse, shipment: dict[str, Any], units: dict[str, int], expected: tuple[str, str, str]
) -> None:
    order = at_warehouse(berlin, part={"wms_status": "shipped"})
    parcel(order, shipment=shipment, **units)
    assert settled(order) == expected


def test_shipments_are_not_read_while_nothing_counts_as_shipped(berlin: Warehouse) -> None:
    order = at_warehouse(berlin)
    parcel(order, shipment={"state": "held", "reason": "x"})
    assert settled(order) == ("at_warehouse", "", "")


# A part that is still to come


def waiting_for_a_part(berlin: Warehouse, status: str, *, given: int = 2, **changes: Any) -> Order:
    """Two of four units are shipped, as the last reading shows; of the rest Shopify says `status`."""
    order = ordered(berlin.shop, units=4, state="at_warehouse", deferred_detail="2 × SKU-MUG", **changes)
    row = make_wms_order(order, berlin, wms_status="shipped")
    line = order.lines.get()
    WmsOrderLine.objects.create(wms_order=row, order_line=line, item_code="MUG", quantity=given, per_unit=1)
    shipment = make_shipment(row, state="fulfilled", shopify_fulfillment_id=9, fulfilled_at=order.read_at)
    ShipmentUnit.objects.create(shipment=shipment, order_line=line, quantity=given, fulfilled=given)
    work = order.fulfillment_orders.get()
    work.lines.update(remaining_quantity=4 - given)
    FulfillmentOrder.objects.update(status=status)
    return order


@pytest.mark.parametrize("reason", ["on_hold", "scheduled"])
def test_an_order_of_which_a_part_is_to_come_waits_for_it(berlin: Warehouse, reason: str) -> None:
    order = waiting_for_a_part(berlin, "ON_HOLD", deferred_reason=reason)
    assert settled(order) == ("waiting", reason, "2 × SKU-MUG")


def test_a_part_that_may_go_makes_the_order_ready_unless_whole_orders_are_sent(berlin: Warehouse) -> None:
    order = waiting_for_a_part(berlin, "OPEN", deferred_reason="on_hold")
    assert settled(order)[0] == "ready"
    order.shop.whole_orders_only = True
    order.shop.save()
    assert settled(order)[:2] == ("waiting", "on_hold")


def test_a_reason_of_the_whole_order_holds_what_could_go(berlin: Warehouse) -> None:
    order = waiting_for_a_part(berlin, "OPEN", deferred_reason="unpaid")
    assert settled(order)[:2] == ("waiting", "unpaid")


def test_an_order_of_which_everything_was_given_does_not_wait(berlin: Warehouse) -> None:
    order = waiting_for_a_part(berlin, "CLOSED", given=4, deferred_reason="on_hold")
    assert settled(order)[0] == "shipped"


# The change itself


def test_to_stand_there_already_is_no_change(berlin: Warehouse) -> None:
    order = make_order(berlin.shop, state="held", reason="no_warehouse", reason_detail="x")
    before = Order.objects.values().get()
    assert not order_states.set_state(order, OrderState.HELD, Reason.NO_WAREHOUSE, "x")
    assert Order.objects.values().get() == before


@pytest.mark.parametrize(
    ("reason", "detail", "anew"),
    [("no_warehouse", "y", False), ("unmapped_sku", "x", True)],
)
def test_since_when_it_stands_there_is_kept_while_the_reason_is_the_same(
    berlin: Warehouse, reason: str, detail: str, anew: bool
) -> None:
    order = make_order(berlin.shop, state="held", reason="no_warehouse", reason_detail="x")
    Order.objects.update(state_since=F("state_since") - HOUR)
    since = now(order).state_since
    assert order_states.set_state(order, OrderState.HELD, Reason(reason), detail)
    assert stands(order) == ("held", reason, detail)
    assert (now(order).state_since != since) == anew


def waited(order: Order) -> tuple[float, float]:
    """For Shopify and for a person, in hours."""
    found = now(order)
    return round(found.waited_at_shopify / HOUR, 1), round(found.waited_for_person / HOUR, 1)


@pytest.mark.parametrize(
    ("state", "reason", "then", "expected"),
    [
        ("waiting", "unpaid", ("ready", ""), (2, 0)),
        ("held", "no_warehouse", ("ready", ""), (0, 2)),
        ("ready", "", ("at_warehouse", ""), (0, 0)),
        ("waiting", "unpaid", ("waiting", "on_hold"), (2, 0)),
        ("waiting", "unpaid", ("waiting", "unpaid"), (0, 0)),
        ("held", "unmapped_sku", ("held", "no_warehouse"), (0, 2)),
    ],
)
def test_what_an_order_waited_for_is_added_up_when_it_goes_on(
    berlin: Warehouse, state: str, reason: str, then: tuple[str, str], expected: tuple[float, float]
) -> None:
    order = make_order(berlin.shop, state=state, reason=reason)
    Order.objects.update(state_since=F("state_since") - 2 * HOUR)
    order_states.set_state(order, OrderState(then[0]), Reason(then[1]), "more")
    assert waited(order) == expected


@pytest.mark.parametrize(("hours_ago", "expected"), [(0.5, 1.5), (-1, 2), (3, 0)])
def test_an_order_waited_for_shopify_until_the_webhook_came_and_the_rest_is_ours(
    berlin: Warehouse, hours_ago: float, expected: float
) -> None:
    order = make_order(berlin.shop, state="waiting", reason="unpaid")
    Order.objects.update(state_since=F("state_since") - 2 * HOUR)
    order_states.set_state(order, OrderState.READY, webhook_at=timezone.now() - hours_ago * HOUR)
    assert waited(order) == (expected, 0)


@pytest.mark.parametrize(
    ("state", "since", "shown"),
    [("ready", 5, -1.5), ("waiting", 5, -6.5), ("held", 5, -6.5)],
)
def test_an_orders_own_clock_stands_still_while_it_waits(
    berlin: Warehouse, state: str, since: float, shown: float
) -> None:
    reason = {"ready": "", "waiting": "unpaid", "held": "no_warehouse"}[state]
    order = make_order(
        berlin.shop, state=state, reason=reason, waited_at_shopify=HOUR, waited_for_person=HOUR / 2
    )
    Order.objects.update(state_since=F("state_since") - since * HOUR)
    assert round((order_states.read_own_clock(order) - timezone.now()) / HOUR, 1) == shown


@pytest.mark.parametrize(
    ("state", "owes", "closed"),
    [
        ("shipped", True, True),
        ("cancelled", False, True),
        ("nothing_to_ship", False, True),
        ("at_warehouse", True, False),
    ],
)
def test_what_ends_with_the_work_is_over_once_nobody_works_on_the_order(
    berlin: Warehouse, state: str, owes: bool, closed: bool
) -> None:
    order = make_order(berlin.shop, lag_started_at=timezone.now())
    for subject in (order.subject, make_order(berlin.shop).subject):
        Alert.objects.create(kind="order_moved", subject=subject, title="x", meaning="x", action="x")
    order_states.set_state(order, OrderState(state))
    assert (now(order).lag_started_at is not None) == owes
    assert Alert.objects.filter(state="open").count() == (1 if closed else 2)


# Since when it is owed


def test_the_lag_of_an_order_starts_with_its_first_webhook_until_a_warehouse_confirmed_it(
    berlin: Warehouse,
) -> None:
    order = make_order(berlin.shop, received_at=timezone.now() - 3 * HOUR, ready_at=None)
    order_states.mark_ready(order, has_uncovered=True)
    assert now(order).lag_started_at == order.received_at
    assert abs(now(order).ready_at - timezone.now()) < HOUR  # type: ignore[operator]


@pytest.mark.parametrize(("accepted", "at_notice"), [(timezone.now(), True), (None, False)])
def test_the_lag_of_a_later_part_starts_with_the_webhook_that_releases_it(
    berlin: Warehouse, accepted: Any, at_notice: bool
) -> None:
    webhook_at = timezone.now() - HOUR
    order = make_order(berlin.shop, received_at=timezone.now() - 3 * HOUR)
    make_wms_order(order, berlin, accepted_at=accepted)
    order_states.mark_ready(order, has_uncovered=True, webhook_at=webhook_at)
    assert now(order).lag_started_at == (webhook_at if at_notice else order.received_at)


def test_a_lag_that_runs_and_the_time_of_readiness_are_kept_until_a_new_release(berlin: Warehouse) -> None:
    since = timezone.now() - 2 * HOUR
    order = make_order(berlin.shop, lag_started_at=since, ready_at=since)
    order_states.mark_ready(order, has_uncovered=True)
    assert (now(order).lag_started_at, now(order).ready_at) == (since, since)
    order_states.mark_ready(order, newly_released=True)
    assert now(order).lag_started_at is None
    assert now(order).ready_at != since


def test_a_lag_is_stopped_for_its_order_alone(berlin: Warehouse) -> None:
    order, other = (make_order(berlin.shop, lag_started_at=timezone.now()) for _ in range(2))
    order_states.stop_lag(order)
    assert (now(order).lag_started_at, now(other).lag_started_at) == (None, other.lag_started_at)


def test_what_changes_nothing_writes_nothing(berlin: Warehouse, django_assert_num_queries: Any) -> None:
    since = timezone.now() - HOUR
    order = with_parts(berlin, "accepted", ready_at=since, lag_started_at=since, state_since=since)
    with django_assert_num_queries(0):
        assert not order_states.set_state(order, OrderState.AT_WAREHOUSE)
        order_states.mark_ready(order, has_uncovered=True)
    with django_assert_num_queries(1):  # the states of its parts
        order_states.derive_state(order)
    assert now(order).state_since == since


@pytest.mark.parametrize(
    ("state", "reason", "closed"),
    [
        (OrderState.HELD, Reason.NO_ADDRESS, False),
        (OrderState.READY, Reason.NONE, True),
        (OrderState.WAITING, Reason.UNPAID, True),
    ],
)
def test_the_alert_that_no_warehouse_can_send_it_ends_with_the_hold(
    berlin: Warehouse, state: OrderState, reason: Reason, closed: bool
) -> None:
    order = make_order(berlin.shop, state="held", reason="no_warehouse")
    routing.no_warehouse(order)
    order_states.set_state(order, state, reason)
    assert Alert.objects.get().state == ("closed" if closed else "open")


def test_only_refused_parts_of_the_order_itself_are_refused(berlin: Warehouse) -> None:
    order = with_parts(berlin, "rejected", "cancelled", "accepted")
    with_parts(berlin, "rejected")
    assert [row.part for row in order_states.refused_parts(order)] == [1]


def test_what_becomes_of_one_order_becomes_of_no_other(berlin: Warehouse) -> None:
    order, other = (make_order(berlin.shop) for _ in range(2))
    before = Order.objects.filter(pk=other.pk).values().get()
    assert order_states.set_state(order, OrderState.HELD, Reason.NO_WAREHOUSE, "x")
    order_states.mark_ready(order, newly_released=True, has_uncovered=True)
    assert Order.objects.filter(pk=other.pk).values().get() == before
    assert [order_states.lock(each.id).pk for each in (order, other)] == [order.pk, other.pk]


@pytest.mark.django_db(transaction=True)
def test_an_order_is_locked_until_the_transaction_ends(berlin: Warehouse) -> None:
    order = make_order(berlin.shop)

    def is_free() -> bool:
        with psycopg.connect(**connection.get_connection_params()) as other:
            query = "SELECT 1 FROM fulfillment_order WHERE id = %s FOR UPDATE SKIP LOCKED"
            return other.execute(query, [order.pk]).fetchone() is not None

    with transaction.atomic():
        order_states.lock(order.id)
        assert not is_free()
    assert is_free()
