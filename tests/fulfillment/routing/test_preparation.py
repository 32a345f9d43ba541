"""From a ready order to a WMS order: what may be routed, which units at which items, and what holds it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from fulfillment import order_states
from fulfillment.models import Order, OrderLine, WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.routing import preparation
from fulfillment.routing.choice import Suitability
from inventory import reservations
from inventory.models import Commitment, Reservation, StockLevel
from inventory.reservations import Shortage
from ops.errors import Blocked, Transient
from ops.models import Alert, Job
from ops.refs import Subject
from shops.ids import VariantId
from skumap.models import SkuMapping
from tests.builders import make_level, make_mapping, make_order, make_shop, make_warehouse, make_wms_order
from tests.fulfillment.order_rows import add_line, ordered, place
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return place()


def now(order: Order) -> Order:
    return Order.objects.select_related("shop").get(pk=order.pk)


def plan(order: Order) -> preparation.RoutingPlan:
    found = preparation.plan(now(order))
    assert found is not None
    return found


def blocked(order: Order) -> Blocked:
    with pytest.raises(Blocked) as raised:
        preparation.prepare(order.id)
    return raised.value


def routed(order: Order) -> WmsOrder:
    row = preparation.prepare(order.id)
    assert row is not None
    return row


def outcomes(order: Order) -> list[tuple[str, str]]:
    return [(verdict["outcome"], verdict["detail"]) for verdict in now(order).routing or ()]


def lines_of(row: WmsOrder) -> list[tuple[str, int, int]]:
    return list(row.lines.order_by("id").values_list("item_code", "quantity", "per_unit"))


def promised() -> dict[str, int]:
    return dict(Reservation.objects.values_list("level__item_code", "quantity"))


@pytest.mark.parametrize(
    "stands",
    [
        {"cancelled_at": timezone.now()},
        {"state": "waiting", "reason": "unpaid"},
        *({"state": state} for state in ("cancelled", "nothing_to_ship")),
        *({"state": "held", "reason": reason} for reason in sorted({*PERSON_DECIDES, Reason.NO_ADDRESS})),
    ],
)
def test_an_order_that_shopify_or_a_person_holds_is_not_routed(berlin: Warehouse, stands: Any) -> None:
    order = ordered(berlin.shop, **stands)
    before = Order.objects.values().get()
    assert preparation.prepare(order.id) is None
    assert Order.objects.values().get() == before
    assert [WmsOrder.objects.count(), Reservation.objects.count(), Job.objects.count()] == [0, 0, 0]


@pytest.mark.parametrize(
    "stands",
    [
        {"state": "ready"},
        {"state": "held", "reason": "unmapped_sku"},
        {"state": "held", "reason": "no_warehouse"},
        {"state": "at_warehouse"},
        {"state": "partially_shipped"},
        {"state": "shipped"},
        {"state": "partially_shipped", "reason": "wms_cancelled"},
    ],
)
def test_what_no_warehouse_has_yet_is_routed_wherever_the_rest_stands(berlin: Warehouse, stands: Any) -> None:
    assert routed(ordered(berlin.shop, **stands)).warehouse == berlin


def test_an_order_that_was_held_for_a_warehouse_is_ready_once_it_has_one(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, state="held", reason="no_warehouse", reason_detail="Berlin: stock")
    routed(order)
    assert (now(order).state, now(order).reason, now(order).reason_detail) == ("ready", "", "")


def test_an_order_whose_other_part_is_shipped_stays_where_it_is(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, state="partially_shipped")
    routed(order)
    assert now(order).state == OrderState.PARTIALLY_SHIPPED


def test_an_order_without_uncovered_units_is_not_routed_and_has_no_lag(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, lag_started_at=timezone.now())
    routed(order)
    Order.objects.update(lag_started_at=timezone.now())
    assert preparation.prepare(order.id) is None
    assert now(order).lag_started_at is None
    assert WmsOrder.objects.count() == 1


def test_a_warehouse_of_another_shop_is_no_candidate(berlin: Warehouse) -> None:
    order = ordered(make_shop("lyon.myshopify.com"))
    assert plan(order).decision.assessments == ()
    blocked(order)
    assert now(order).reason == Reason.UNMAPPED_SKU


def test_an_order_that_a_warehouse_was_passed_over_for_says_which_and_why(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    Warehouse.objects.update(is_active=False)
    blocked(order)
    assert (now(order).reason, now(order).reason_detail) == ("no_warehouse", f"{berlin.place}: inactive")


def test_the_items_of_all_lines_add_up_and_each_line_keeps_its_own(berlin: Warehouse) -> None:
    make_mapping(berlin, 12, "MUG", quantity=3)
    make_mapping(berlin, 12, "BOX", quantity=2)
    make_level(berlin, "BOX", 10)
    order = ordered(berlin.shop, units=1)
    add_line(order, variant=12, units=2)
    row = routed(order)
    assert lines_of(row) == [("MUG", 1, 1), ("BOX", 4, 2), ("MUG", 6, 3)]
    assert promised() == {"MUG": 7, "BOX": 4}


def test_the_stock_must_do_for_the_sum_of_the_lines(berlin: Warehouse) -> None:
    make_mapping(berlin, 12, "MUG", quantity=3)
    order = ordered(berlin.shop, units=2)
    add_line(order, variant=12, units=3)
    assert "MUG: 10 of 11" in str(blocked(order))
    assert not Reservation.objects.exists()


def test_the_level_is_free_less_what_other_orders_reserved(berlin: Warehouse) -> None:
    routed(ordered(berlin.shop, units=9))
    assert "MUG: 1 of 2" in str(blocked(ordered(berlin.shop, units=2)))


def test_a_part_of_an_order_has_the_number_after_the_last_one(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    make_wms_order(order, berlin, part=3, external_id="wms:order:x:1:3", wms_status="cancelled")
    row = routed(order)
    assert row.part == 4
    assert row.external_id == f"wms:order:{berlin.shop.domain}:{order.shopify_order_id}:4"


def test_nothing_is_sent_beside_a_part_on_which_a_person_decides(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    make_wms_order(order, berlin, wms_status="rejected", outcome="refused", outcome_detail="no such street")
    assert preparation.prepare(order.id) is None
    assert (now(order).state, now(order).reason) == (OrderState.HELD, Reason.WMS_REJECTED)
    assert "no such street" in now(order).reason_detail
    assert (WmsOrder.objects.count(), Reservation.objects.count()) == (1, 0)


def test_the_lag_of_a_routed_order_goes_on_in_its_part(berlin: Warehouse) -> None:
    since = timezone.now() - timedelta(hours=2)
    order = ordered(berlin.shop, lag_started_at=since)
    assert routed(order).lag_started_at == since
    assert now(order).lag_started_at is None


def test_the_lag_of_a_part_starts_now_if_the_order_has_none(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, waited_at_shopify=timedelta(hours=1))
    shown = order_states.read_own_clock(order)
    lag_started_at = routed(order).lag_started_at
    assert lag_started_at is not None
    assert abs(lag_started_at - shown) < timedelta(minutes=1)


def test_the_verdicts_are_stored_with_the_order_and_the_submission_follows(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    row = routed(order)
    assert outcomes(order) == [("chosen", "")]
    assert Job.objects.get(kind="fulfillment.submit").payload == {"wms_order": row.pk}


def test_the_verdicts_of_an_order_that_is_held_are_stored_too(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=11)
    blocked(order)
    assert outcomes(order) == [("stock", "MUG: 10 of 11")]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("no_warehouse", "no_warehouse"),
        ("custom_line", "unmapped_sku"),
        ("product_deleted", "product_deleted"),
    ],
)
def test_what_held_the_order_is_no_alert_any_more_once_it_goes(
    berlin: Warehouse, kind: str, reason: str
) -> None:
    order = ordered(berlin.shop, state="held", reason=reason)
    for subject in (order.subject, Subject("order:1:1")):
        Alert.objects.create(kind=kind, subject=subject, title="It waits", meaning="x", action="x")
    routed(order)
    assert list(Alert.objects.filter(state="open").values_list("subject", flat=True)) == ["order:1:1"]


# Which warehouses can be chosen


@pytest.mark.parametrize(
    ("model", "outcome"), [(Warehouse, "inactive"), (Connection, "inactive"), (None, "chosen")]
)
def test_a_warehouse_takes_orders_if_it_and_its_connection_are_switched_on(
    berlin: Warehouse, model: Any, outcome: str
) -> None:
    if model:
        model.objects.update(is_active=False)
    assert plan(ordered(berlin.shop)).decision.assessments[0].outcome == outcome


def test_a_line_that_is_mapped_at_the_other_warehouse_only_goes_there(berlin: Warehouse) -> None:
    lyon = make_warehouse(berlin.shop, berlin.connection, "Lyon", priority=2)
    make_mapping(lyon, 11, "CUP")
    make_level(lyon, "CUP")
    SkuMapping.objects.filter(warehouse=berlin).delete()
    found = plan(ordered(berlin.shop))
    assert [(v.outcome, v.detail) for v in found.decision.assessments] == [
        (Suitability.NOT_MAPPED, "SKU-MUG"),
        (Suitability.CHOSEN, ""),
    ]
    assert found.unmapped == []


def test_a_line_without_a_sku_is_named_by_its_title(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, variant=99)
    OrderLine.objects.update(sku="")
    assert plan(order).decision.assessments[0].detail == "A mug"


def test_a_line_that_nothing_is_mapped_for_holds_the_whole_order(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    add_line(order, variant=99, units=1, sku="SKU-NEW")
    assert "SKU-NEW" in str(blocked(order))
    assert (now(order).reason, now(order).reason_detail) == (Reason.UNMAPPED_SKU, "SKU-NEW")
    assert not Reservation.objects.exists()


def earlier_orders(berlin: Warehouse) -> None:
    """Of the warehouse's orders today three count."""
    elsewhere = make_warehouse(berlin.shop, berlin.connection, "Lyon", priority=2)
    counted = [("accepted", berlin, 0), ("shipped", berlin, 0), ("pending", berlin, 0)]
    left_out = [("cancelled", berlin, 0), ("rejected", berlin, 0), ("accepted", elsewhere, 0)]
    for status, warehouse, days in [*counted, *left_out, ("accepted", berlin, 1)]:
        order = make_order(berlin.shop)
        row = make_wms_order(order, warehouse, wms_status=status)
        WmsOrder.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=days))


@pytest.mark.parametrize(("capacity", "outcome"), [(3, "capacity"), (4, "chosen"), (None, "chosen")])
def test_the_capacity_is_used_up_by_todays_orders_of_the_warehouse_that_were_not_ended(
    berlin: Warehouse, capacity: int | None, outcome: str
) -> None:
    earlier_orders(berlin)
    Warehouse.objects.filter(pk=berlin.pk).update(daily_capacity=capacity)
    assert plan(ordered(berlin.shop)).decision.assessments[0].outcome == outcome


# Stock that is short, and items that a WMS does not know


def test_an_item_that_the_wms_never_named_is_told_as_such(berlin: Warehouse) -> None:
    make_mapping(berlin, 12, "MISTYPED")
    order = ordered(berlin.shop, variant=12)
    assert f"{berlin.place} has no item MISTYPED" in str(blocked(order))


def test_an_item_that_ran_out_is_out_of_stock_and_not_unknown(berlin: Warehouse) -> None:
    StockLevel.objects.update(available=0)
    make_level(berlin, "TEE", 5)
    assert f"{berlin.place}: stock MUG: 0 of 2" in str(blocked(ordered(berlin.shop)))


def test_a_warehouse_of_which_nothing_was_read_yet_has_no_unknown_items(berlin: Warehouse) -> None:
    StockLevel.objects.all().delete()
    assert f"{berlin.place}: stock MUG: 0 of 2" in str(blocked(ordered(berlin.shop)))


def test_only_the_item_that_is_unknown_is_named_and_only_where_it_is(berlin: Warehouse) -> None:
    lyon = make_warehouse(berlin.shop, berlin.connection, "Lyon", priority=2)
    for warehouse in (berlin, lyon):
        make_mapping(warehouse, 12, "NEW")
        make_level(warehouse, "TEE", 5)
    make_mapping(lyon, 11, "MUG")
    make_level(lyon, "NEW", 9)
    make_level(lyon, "MUG", 1)
    order = ordered(berlin.shop)
    add_line(order, variant=12, units=1)
    found = plan(order).decision.assessments
    assert [(v.outcome, v.detail) for v in found] == [("no_item", "NEW"), ("stock", "MUG: 1 of 2")]


# What an order waits for


def test_a_held_order_waits_for_its_causes_the_nearest_first(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=11)
    add_line(order, variant=99, units=1)
    add_line(order, variant=None, units=1, sku="LOST")
    shop = berlin.shop.pk
    assert blocked(order).on == (
        f"sku:{shop}:99",
        f"sku:{shop}:=LOST",
        f"warehouse:{berlin.pk}",
        f"sku:{shop}:11",
        f"shop:{shop}",
        f"order:{order.pk}",
    )


def test_short_stock_waits_for_the_item_before_anything_else(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=11)
    assert blocked(order).on[:2] == (f"stock:{berlin.pk}:MUG", f"warehouse:{berlin.pk}")


def test_it_is_looked_at_once_more_whether_the_cause_is_gone(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=11)
    recheck = blocked(order).recheck
    assert recheck is not None
    assert recheck()
    StockLevel.objects.update(available=11)
    assert not recheck()
    Order.objects.update(cancelled_at=timezone.now())
    assert not preparation.still_blocked(order.id)


def test_a_mapped_line_does_not_hide_one_that_is_mapped_nowhere(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    add_line(order, variant=99, units=1)
    found = plan(order)
    assert [line.shopify_variant_id for line in found.unmapped] == [VariantId(99)]
    assert not found.is_routable


# What a held order tells, and what it leaves alone


def open_alerts() -> set[str]:
    rows = Alert.objects.filter(state="open").values_list("kind", "subject")
    return {f"{kind} {subject}" for kind, subject in rows}


def test_an_order_that_no_warehouse_can_send_is_told(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, units=11)
    blocked(order)
    assert open_alerts() == {f"no_warehouse {order.subject}"}


def test_a_product_that_is_mapped_nowhere_is_told_and_a_deleted_one_apart(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, variant=99)
    add_line(order, variant=98, units=1)
    OrderLine.objects.filter(shopify_variant_id=98).update(variant_is_gone=True)
    blocked(order)
    assert now(order).reason == Reason.UNMAPPED_SKU
    assert open_alerts() == {
        f"unmapped_sku sku:{berlin.shop.domain}:99",
        f"product_deleted {order.subject}",
    }


def test_an_order_of_which_every_unknown_product_is_gone_waits_for_that(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    add_line(order, variant=None, units=1, sku="LOST")
    blocked(order)
    assert (now(order).reason, now(order).reason_detail) == (Reason.PRODUCT_DELETED, "LOST")
    assert open_alerts() == {f"product_deleted {order.subject}"}


def test_a_custom_line_is_told(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    add_line(order, variant=None, units=1, sku="")
    blocked(order)
    assert (now(order).reason, now(order).reason_detail) == (Reason.UNMAPPED_SKU, "A tee")
    assert open_alerts() == {f"custom_line {order.subject}"}


@pytest.mark.parametrize("units", [2, 11])
def test_what_is_decided_of_one_order_is_written_to_no_other(berlin: Warehouse, units: int) -> None:
    other = ordered(berlin.shop, lag_started_at=timezone.now())
    before = Order.objects.filter(pk=other.pk).values().get()
    order = ordered(berlin.shop, units=units)
    if units == 2:
        routed(order)
    else:
        blocked(order)
    assert now(order).routing
    assert Order.objects.filter(pk=other.pk).values().get() == before
    assert preparation.still_blocked(order.id) == (units == 11)


def test_what_shopify_has_committed_of_a_routed_order_is_noted(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    order.fulfillment_orders.update(location_id=berlin.shopify_location_id)
    row = routed(order)
    assert Commitment.objects.values_list("reference", "item_code", "quantity").get() == (
        row.external_id,
        "MUG",
        2,
    )


def test_stock_that_another_order_took_meanwhile_is_looked_for_again(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(berlin.shop)
    monkeypatch.setattr(
        reservations, "reserve_new", lambda *_, **__: [Shortage(berlin.pk, "MUG", wanted=2, free=1)]
    )
    with pytest.raises(Transient):
        preparation.prepare(order.id)
    assert not WmsOrder.objects.exists()
    assert now(order).state == OrderState.READY


def test_an_order_whose_only_part_is_refused_is_not_sent_beside_it(berlin: Warehouse) -> None:
    order = ordered(berlin.shop, state="at_warehouse")
    make_wms_order(order, berlin, part=1, wms_status="rejected", outcome="refused", outcome_detail="no")
    make_wms_order(order, berlin, part=2, external_id="wms:order:x:1:2", wms_status="cancelled")
    assert preparation.prepare(order.id) is None
    assert now(order).reason == Reason.WMS_REJECTED
