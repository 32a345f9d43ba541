"""Order submission lag: from the first notice to the WMS's confirmation, without what an order waited for others."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from fulfillment.models import Order, WmsOrder
from ops.models import Lane
from shops.models import Shop
from skumap.verification.review import mapping_saved
from tests.builders import make_level, make_mapping, make_order, make_wms_order
from tests.drain import drain
from tests.fulfillment.scene import MUG, TEE, UNMAPPED, Scene
from tests.shops.webhooks.delivery import deliver
from tests.wmsbridge.health.watch import Watch, pass_time
from tests.world import Json
from wmsbridge.health import submission

pytestmark = pytest.mark.django_db

CREATE = "POST /north/orders"
SOON = 20


@pytest.fixture
def watch(admin_client: Client) -> Watch:
    return Watch("order_submission_lag", admin_client)


def tell(order: Json, topic: str = "orders/create") -> None:
    """Shopify's webhook about an order comes in."""
    body, name = {"id": order["id"]}, f"{topic} {order['id']}".replace(" ", ":")
    assert deliver(Client(), body, topic=topic, webhook_id=name).json() == {"status": "stored"}


def told(scene: Scene, *lines: tuple[int, int], **more: Any) -> Json:
    """A customer orders, and Shopify's webhook comes in."""
    order = scene.place(*lines or ((MUG, 1),), **more)
    tell(order)
    return order


def lag_of(scene: Scene, order: Json, part: int = 1) -> float:
    lag = scene.row(order).wms_orders.get(part=part).lag
    assert lag is not None
    return lag.total_seconds()


def away(scene: Scene) -> None:
    """The WMS answers nothing from now on."""
    scene.wms.fault(CREATE, "503", count=100)


def test_an_order_that_goes_at_once_has_a_lag_of_seconds(scene: Scene, watch: Watch) -> None:
    order = told(scene)
    drain()
    assert 0 <= lag_of(scene, order) < 20
    assert watch.is_well()
    assert watch.measured().reading.parts["confirmed"] == 1


def test_an_order_counts_from_the_receipt_of_its_first_webhook_though_it_is_not_read(
    scene: Scene, watch: Watch
) -> None:
    order = told(scene)
    pass_time(minutes=3)
    tell(order, "orders/paid")
    pass_time(minutes=8)
    alert = watch.alerted()
    assert f"order {order['id']} of berlin.myshopify.com has been waiting for 11 min" in alert.title
    assert "is not read at Shopify yet" in alert.meaning
    assert "shop:berlin.myshopify.com" in alert.action
    drain()
    assert lag_of(scene, order) == pytest.approx(660, abs=SOON)
    assert watch.is_well()


def test_an_order_whose_wms_is_away_is_told_after_ten_minutes_with_the_wms(
    scene: Scene, watch: Watch
) -> None:
    for _ in range(5):
        told(scene)
    drain()
    away(scene)
    order = told(scene, (TEE, 1))
    drain()
    pass_time(minutes=9)
    assert watch.is_well()
    pass_time(minutes=2)
    alert = watch.alerted()
    assert f"order {order['name']} of berlin.myshopify.com has been waiting for 11 min" in alert.title
    assert "the WMS north has not confirmed it" in alert.meaning
    assert "wms:north" in alert.action
    assert alert.causes == [scene.row(order).subject]
    scene.wms.heal()
    scene.settle()
    drain(advance=timedelta(minutes=30))
    assert lag_of(scene, order) == pytest.approx(660, abs=SOON)
    assert watch.is_well()


def test_where_everything_stands_the_median_is_of_those_that_wait(scene: Scene, watch: Watch) -> None:
    away(scene)
    for _ in range(3):
        told(scene)
    drain()
    pass_time(minutes=3)
    alert = watch.alerted()
    assert "3 min in the median" in alert.title
    assert "Orders that wait on us now: 3." in alert.meaning
    scene.wms.heal()
    scene.settle()
    drain(advance=timedelta(minutes=30))
    assert watch.is_well()


def test_orders_that_are_all_slow_are_told_though_none_waits_now(scene: Scene, watch: Watch) -> None:
    orders = [make_order(scene.shop, state="at_warehouse") for _ in range(6)]
    for order, minutes in zip(orders, (1, 1, 3, 3, 3, 3), strict=True):
        make_wms_order(order, scene.berlin, lag=timedelta(minutes=minutes))
    assert "No order is waiting now" in watch.alerted().meaning
    WmsOrder.objects.filter(lag=timedelta(minutes=3)).update(lag=timedelta(seconds=3))
    assert watch.is_well()


def test_what_is_switched_off_is_named_as_the_cause(scene: Scene, watch: Watch) -> None:
    Lane.objects.create(name="wms:north", paused=True)
    told(scene)
    drain()
    pass_time(minutes=11)
    Shop.objects.update(is_active=False)
    assert "is switched off: switch it on" in watch.alerted().action


def test_a_paused_lane_is_named_as_the_cause(scene: Scene, watch: Watch) -> None:
    Lane.objects.create(name="wms:north", paused=True)
    told(scene)
    drain()
    pass_time(minutes=11)
    assert "Its lane wms:north is paused" in watch.alerted().action
    Lane.objects.update(paused=False)
    drain()
    assert watch.is_well()


def test_an_order_that_is_ready_and_not_routed_counts(scene: Scene, watch: Watch) -> None:
    Lane.objects.create(name=scene.shop.inbox_lane, paused=True)
    order = scene.arrive((MUG, 1))
    pass_time(minutes=11)
    assert "is not routed to a warehouse yet" in watch.alerted().meaning
    Lane.objects.update(paused=False)
    drain()
    assert lag_of(scene, order) == pytest.approx(660, abs=SOON)
    assert watch.is_well()


@pytest.mark.parametrize(
    ("given", "then"),
    [({"paid": False}, "pay"), ({"hold": "HIGH_RISK_OF_FRAUD"}, "release")],
)
def test_time_that_an_order_waits_at_shopify_is_kept_apart(
    scene: Scene, watch: Watch, given: dict[str, object], then: str
) -> None:
    order = told(scene, **given)
    drain()
    pass_time(days=2)
    assert watch.is_well()
    assert watch.measured().reading.parts["waiting"] == 0
    scene.shopify.post(f"/shops/berlin.myshopify.com/orders/{order['id']}/{then}")
    tell(order, "orders/paid")
    pass_time(minutes=3)  # until we read it: that is our own time
    assert watch.measured().reading.parts["worst"] == pytest.approx(180, abs=SOON)
    drain()
    assert lag_of(scene, order) == pytest.approx(180, abs=SOON)
    assert scene.row(order).waited_at_shopify.total_seconds() == pytest.approx(2 * 86_400, abs=SOON)
    assert watch.is_well()
    assert watch.measured().reading.parts["at_shopify"] == pytest.approx(2 * 86_400, abs=SOON)


def test_time_that_an_order_waits_for_a_person_is_kept_apart(scene: Scene, watch: Watch) -> None:
    order = told(scene, (UNMAPPED, 1))
    drain()
    pass_time(hours=5)
    assert watch.is_well()
    make_level(scene.berlin, "NEW")
    mapping_saved([make_mapping(scene.berlin, UNMAPPED, "NEW")])
    drain()
    assert lag_of(scene, order) < 20
    assert scene.row(order).waited_for_person.total_seconds() == pytest.approx(5 * 3600, abs=SOON)
    assert "5 h for a person" in watch.measured().reading.detail


def test_what_only_a_person_can_tell_does_not_count(scene: Scene, watch: Watch) -> None:
    order = told(scene)
    drain()
    scene.row(order).wms_orders.update(wms_status="submitting", outcome="unknown", accepted_at=None)
    Order.objects.update(state="held", reason="outcome_unknown")
    pass_time(hours=3)
    assert watch.is_well()
    assert watch.measured().reading.parts["waiting"] == 0


def test_a_part_that_is_added_months_later_counts_from_then(scene: Scene, watch: Watch) -> None:
    order = told(scene)
    drain()
    scene.ship(order)
    pass_time(days=60)
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 1}]})
    drain()
    assert lag_of(scene, order, part=2) < 20
    assert watch.is_well()


def test_a_part_made_before_the_clock_was_kept_counts_from_when_it_was_made(
    scene: Scene, watch: Watch
) -> None:
    order = make_order(scene.shop, received_at="2026-01-01T00:00Z")
    make_wms_order(
        order,
        scene.berlin,
        wms_status="submitting",
        outcome="in_flight",
        accepted_at=None,
        lag_started_at=None,
    )
    pass_time(minutes=11)
    assert watch.measured().reading.parts["worst"] == pytest.approx(660, abs=SOON)


def test_orders_from_before_the_clock_was_kept_count_from_when_they_became_ready(scene: Scene) -> None:
    filling = import_module("fulfillment.migrations.0016_what_orders_waited_is_filled_in")
    long_ago, lately = timezone.now() - timedelta(days=9), timezone.now() - timedelta(minutes=1)
    times: dict[str, Any] = {"received_at": long_ago, "ready_at": lately, "state_since": lately}
    ready = make_order(scene.shop, **times)
    held = make_order(scene.shop, state="held", reason="unmapped_sku", **{**times, "ready_at": long_ago})
    with connection.cursor() as cursor:
        for statement in (filling.WAITED, filling.OWED, filling.EMITTED):
            cursor.execute(statement)
    worst = submission.order_submission_lag().parts["worst"]
    assert worst == pytest.approx(60, abs=SOON)
    ready.refresh_from_db()
    held.refresh_from_db()
    assert (ready.lag_started_at, held.lag_started_at) == (long_ago, None)
    assert held.waited_for_person == lately - long_ago
