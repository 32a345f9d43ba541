from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from fulfillment import backfill
from fulfillment.models import Order
from fulfillment.states import OrderState
from ops.models import Job
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, Scene

pytestmark = pytest.mark.django_db


def run(scene: Scene) -> None:
    backfill.backfill_all()
    drain(advance=LATER)


def test_an_order_whose_notice_never_came_is_found_and_sent(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    run(scene)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_what_is_known_already_is_not_read_again(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    drain(advance=LATER)
    backfill.backfill_all()
    assert "fulfillment.read_orders" not in drain()


def test_the_watermark_moves_to_the_time_the_look_began(scene: Scene) -> None:
    before = timezone.now()
    run(scene)
    scene.shop.refresh_from_db()
    assert scene.shop.orders_synced_until is not None
    assert before <= scene.shop.orders_synced_until <= timezone.now()


def test_more_than_a_page_is_read_page_by_page(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "PAGE", 2)
    orders = [scene.place((MUG, 1)) for _ in range(5)]
    run(scene)
    assert {scene.row(order).state for order in orders} == {OrderState.AT_WAREHOUSE}


def test_a_backfill_goes_on_where_it_was_stopped_and_a_tick_begins_no_second_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "PAGE", 2)
    for _ in range(5):
        scene.place((MUG, 1))
    backfill.start(scene.shop.id)
    assert backfill.start(scene.shop.id) == 0
    scene.shopify.fault("orders", "503")
    for _ in range(3):
        drain(advance=LATER)
    asked = scene.shopify.get("/books")["shops"]["berlin.myshopify.com"]["requests"]["orders"]
    assert asked == 3
    assert Order.objects.count() == 5


def test_a_backfill_from_a_past_day_starts_there(scene: Scene) -> None:
    since = timezone.now() - timedelta(days=30)
    backfill.start_from(scene.shop, since)
    scene.shop.refresh_from_db()
    assert scene.shop.orders_synced_until == since
    assert Job.objects.get(kind="fulfillment.backfill").state == "ready"


def test_a_shop_that_is_switched_off_is_left_alone(scene: Scene) -> None:
    scene.shop.is_active = False
    scene.shop.save()
    assert backfill.backfill_all() == 0
    assert backfill.start(scene.shop.id) == 0


def test_waiting_orders_are_looked_at_again_when_a_policy_may_have_changed(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), paid=False)
    assert backfill.reread_waiting() == 0
    scene.shop.submit_policy = "always"
    scene.shop.save()
    Order.objects.update(read_at=Now() - backfill.REREAD_SLOWLY)
    assert backfill.reread_waiting() == 1
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
