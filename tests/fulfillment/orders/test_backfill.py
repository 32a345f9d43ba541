from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from fulfillment import jobs as fulfillment_jobs
from fulfillment import tasks
from fulfillment.jobs.orders import BackfillProgress
from fulfillment.models import Order
from fulfillment.models.states import OrderState, Reason
from fulfillment.orders import backfill, rereading
from ops.models import Alert, Job, Priority
from ops.queue import jobs
from ops.refs import Subject
from shops import tasks as shop_tasks
from shops.access import installation
from shops.api import client, documents
from shops.models import Shop
from shops.webhooks import subscriptions
from tests.drain import drain
from tests.fulfillment.scene import DOMAIN, LATER, LYON, MUG, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db


def run(scene: Scene) -> list[str]:
    """A tick of the schedule, and all that follows from it."""
    tasks.backfill_all()
    return drain(advance=LATER)


def at_shopify(scene: Scene, order: Json, what: str, body: Json | None = None) -> None:
    """Something happens to an order at Shopify, and no webhook tells us."""
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/{what}", body)


def watermarks(scene: Scene) -> tuple[datetime | None, datetime | None]:
    scene.shop.refresh_from_db()
    return scene.shop.orders_synced_until, scene.shop.fulfillment_orders_synced_until


@pytest.fixture
def a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shopify's clock says at each reading that the second of the last change is over."""
    monkeypatch.setattr("shops.api.client._served_at", lambda _: timezone.now() + timedelta(seconds=1))


def test_an_order_whose_notice_never_came_is_found_and_sent(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    run(scene)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


@pytest.mark.parametrize("what", ["hold", "cancel"])
def test_a_change_whose_notice_never_came_is_found(scene: Scene, what: str) -> None:
    order = scene.arrive((MUG, 1))
    at_shopify(scene, order, what)
    run(scene)
    assert Alert.objects.filter(kind="order_held_back").exists() == (what == "hold")
    assert (scene.row(order).state == OrderState.CANCELLED) == (what == "cancel")


def test_a_hold_that_was_released_is_found_although_its_order_did_not_change(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), hold="OTHER")
    assert scene.row(order).reason == Reason.ON_HOLD
    time.sleep(1)  # Shopify's times are seconds: what is read within the second of a change is read again
    run(scene)
    at_shopify(scene, order, "release_alone")
    assert backfill.page(scene.shop.id, "orders") == 0
    assert backfill.page(scene.shop.id, "fulfillment_orders") == 1
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_what_a_backfill_found_is_read_at_low_priority(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a webhook had the order read before, and within Shopify's budget too."""
    order = scene.arrive((MUG, 1))
    at_shopify(scene, order, "touch")
    backfill.page(scene.shop.id, "orders")
    assert Job.objects.get(kind="fulfillment.read_orders").priority == Priority.LOW
    with mock.patch("fulfillment.shopify.queries.execute", wraps=client.execute) as execute:
        drain()
    assert [call.kwargs["priority"] for call in execute.call_args_list] == [Priority.LOW]


def test_a_fulfillment_order_that_was_moved_is_found_by_its_own_time(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    run(scene)
    at_shopify(scene, order, "move", {"location_id": LYON})
    assert backfill.page(scene.shop.id, "fulfillment_orders") == 1
    drain()
    assert list(scene.row(order).fulfillment_orders.values_list("location_id", flat=True)) == [LYON]


@pytest.mark.usefixtures("a_second_later")
def test_what_is_known_already_is_not_read_again(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    drain(advance=LATER)
    tasks.backfill_all()
    assert "fulfillment.read_orders" not in drain()


def test_a_change_within_the_second_of_the_reading_is_not_taken_for_known(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shopify dates changes in whole seconds: a second one in the same second carries the same date."""
    order = scene.place((MUG, 1))
    now = datetime.fromisoformat(scene.shopify_order(order)["updated_at"])
    monkeypatch.setattr("shops.api.client._served_at", lambda _: now)
    scene.webhook(order)
    drain()
    assert scene.row(order).shopify_updated_at == now - timedelta(microseconds=1)
    monkeypatch.setattr("shops.api.client._served_at", lambda _: now + timedelta(seconds=1))
    assert "fulfillment.read_orders" in run(scene)
    assert "fulfillment.read_orders" not in run(scene)


def test_the_watermarks_move_to_the_time_the_look_began_by_shopify_s_clock(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = datetime(2026, 5, 1, 12, tzinfo=UTC)
    monkeypatch.setattr("shops.api.client._served_at", lambda _: theirs)
    run(scene)
    assert watermarks(scene) == (theirs, theirs)


def test_shopify_s_clock_is_read_off_its_answers(scene: Scene) -> None:
    before = timezone.now().replace(microsecond=0)
    run(scene)
    for mark in watermarks(scene):
        assert mark
        assert before <= mark <= timezone.now()


def test_a_clock_of_ours_that_is_ahead_loses_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run(scene)
    ahead = timezone.now() + timedelta(hours=2)
    monkeypatch.setattr("django.utils.timezone.now", lambda: ahead)
    run(scene)
    order = scene.place((MUG, 1))
    run(scene)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_without_shopify_s_clock_the_watermark_is_the_newest_change_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shops.api.client._served_at", lambda _: None)
    run(scene)
    assert watermarks(scene) == (None, None)
    order = scene.place((MUG, 1))
    run(scene)
    assert watermarks(scene)[0] == datetime.fromisoformat(scene.shopify_order(order)["updated_at"])


def small_pages(monkeypatch: pytest.MonkeyPatch, *, pages: int = 400) -> None:
    monkeypatch.setattr(backfill, "PAGE", 2)
    monkeypatch.setattr(backfill, "PAGES_OF_A_QUERY", pages)


@pytest.mark.parametrize("pages", [400, 1])
def test_more_than_a_page_is_read_page_by_page(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    small_pages(monkeypatch, pages=pages)
    orders = [scene.place((MUG, 1)) for _ in range(5)]
    run(scene)
    assert {scene.row(order).state for order in orders} == {OrderState.AT_WAREHOUSE}
    assert all(watermarks(scene))


def test_a_backfill_goes_on_where_it_was_stopped_and_a_tick_begins_no_second_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    for _ in range(5):
        scene.place((MUG, 1))
    backfill.page(scene.shop.id, "orders")
    scene.shopify.fault("orders", "503")
    place = Job.objects.get(key=f"backfill:{scene.shop.id}:orders").payload["place"]
    tasks.backfill_all()
    assert Job.objects.get(key=f"backfill:{scene.shop.id}:orders").payload["place"] == place
    for _ in range(3):
        drain(advance=LATER)
    assert asked(scene, "orders") == 3
    assert Order.objects.count() == 5


def asked(scene: Scene, what: str) -> int:
    found: int = scene.shopify.get("/books")["shops"][DOMAIN]["requests"][what]
    return found


def test_only_the_last_page_moves_the_watermark(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch)
    for _ in range(3):
        scene.place((MUG, 1))
    backfill.page(scene.shop.id, "orders")
    assert watermarks(scene)[0] is None


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Shopify refuses the list of fulfilment orders, as to an app without the scope, until it is undone."""
    asked = "fulfillment_orders_updated_since"
    document = documents.load(asked)
    broken = replace(document, text=document.text.replace("orderId", "noSuchField"))
    load = documents.load
    with monkeypatch.context() as patch:
        patch.setattr(
            "shops.api.documents.load", lambda operation: broken if operation == asked else load(operation)
        )
        yield patch


def test_what_shopify_refuses_is_alerted_once_and_tried_again_until_it_goes(
    scene: Scene, refused: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        run(scene)
    alert = Alert.objects.get()
    assert (alert.kind, alert.count) == ("backfill_failed", 1)
    assert not Job.objects.filter(state="dead").exists()
    assert [mark is not None for mark in watermarks(scene)] == [True, False]
    refused.undo()
    run(scene)
    assert open_alerts() == []
    assert all(watermarks(scene))


def test_a_page_that_died_does_not_keep_the_next_backfill_from_going_on(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    fulfillment_jobs.orders.backfill(scene.shop, "orders")
    Job.objects.filter(kind="fulfillment.backfill").update(state="dead", attempts=10, finished_at=Now())
    run(scene)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert not Job.objects.filter(state="dead").exists()


def test_a_backfill_from_a_past_day_starts_there_even_while_one_is_under_way(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    for _ in range(3):
        scene.place((MUG, 1))
    run(scene)
    backfill.page(scene.shop.id, "orders")
    since = timezone.now() - timedelta(days=30)
    backfill.start_from(scene.shop, since)
    assert watermarks(scene) == (since, since)
    assert {job.payload["place"] for job in Job.objects.filter(kind="fulfillment.backfill")} == {None}


def test_a_running_page_does_not_take_the_watermark_forward_that_a_person_set_back(scene: Scene) -> None:
    run(scene)
    mark, _ = watermarks(scene)
    assert mark
    since = timezone.now() - timedelta(days=30)
    backfill.start_from(scene.shop, since)
    backfill.page(scene.shop.id, "orders", BackfillProgress(since=mark, asked=mark))
    assert watermarks(scene)[0] == since


def test_a_shop_that_is_switched_off_is_left_alone(scene: Scene) -> None:
    scene.shop.is_active = False
    scene.shop.save()
    assert backfill.backfill_all() == 0
    assert backfill.page(scene.shop.id, "orders") == 0


def test_waiting_orders_are_looked_at_again_when_a_policy_may_have_changed(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), paid=False)
    assert rereading.waiting() == 0
    scene.shop.submit_policy = "always"
    scene.shop.save()
    Order.objects.update(read_at=Now() - rereading.REREAD)
    assert rereading.waiting() == 1
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_a_subscription_that_shopify_removed_is_made_again_and_what_it_missed_is_read_at_once(
    scene: Scene, settings: Any
) -> None:
    subscriptions.register(scene.shop, base_url=settings.PUBLIC_URL)
    (paid,) = [each for each in subscriptions.fetch(scene.shop) if each.topic == "ORDERS_PAID"]
    client.execute(scene.shop, "webhook_subscription_delete", {"id": paid.gid})
    order = scene.place((MUG, 1))
    shop_tasks.check_subscriptions_all()
    drain()
    assert "ORDERS_PAID" in {each.topic for each in subscriptions.fetch(scene.shop)}
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def uninstall(scene: Scene) -> None:
    """The merchant removes the app: Shopify's last webhook says so."""
    scene.shopify.post(f"/shops/{DOMAIN}/uninstall")
    jobs.NewJob(
        "shopify.app/uninstalled",
        key="shopify:gone",
        lane=scene.shop.inbox_lane,
        payload={"shop": scene.shop.id, "topic": "app/uninstalled", "body": {}},
        subject=Subject(f"shop:{scene.shop.id}"),
    ).enqueue()


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(state="open").values_list("kind", flat=True))


def test_a_shop_that_is_gone_and_comes_back_has_lost_nothing(scene: Scene) -> None:
    before = scene.arrive((MUG, 1))
    run(scene)
    uninstall(scene)
    scene.webhook(before)
    drain()
    assert not Shop.objects.get().is_active
    assert list(Alert.objects.values_list("kind", flat=True)) == ["shop_uninstalled"]
    scene.ship(before)
    while_gone = scene.place((MUG, 1))
    run(scene)
    assert not Job.objects.filter(state="dead").exists()
    assert Job.objects.filter(parked_on=[f"shop:{scene.shop.id}"]).count() == 2
    scene.shopify.post(f"/shops/{DOMAIN}/token", {"access_token": "shpat_new"})
    Shop.objects.update(access_token="shpat_new")
    with transaction.atomic():
        installation.credentials_changed(Shop.objects.get())
    drain()
    assert len(scene.fulfillments(before)) == 1
    assert scene.row(while_gone).state == OrderState.AT_WAREHOUSE
    assert open_alerts() == []
