from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from fulfillment.jobs.orders import FIND_DELAY
from fulfillment.jobs.webhooks import ORDER_TOPICS
from fulfillment.models import FulfillmentOrder, Order
from fulfillment.orders.topics import IMMEDIATE_TOPICS, named_fulfillment_orders
from fulfillment.shopify import queries
from ops.models import Job
from ops.queue import jobs
from ops.refs import Subject
from tests.drain import drain, drain_counting, run_next
from tests.fulfillment.scene import DOMAIN, MUG, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db


def webhook(scene: Scene, topic: str, *, subject: str = "", body: Any = None, key: str = "w1") -> None:
    payload = {"shop": scene.shop.id, "topic": topic, "body": body or {}}
    jobs.NewJob(
        f"shopify.{topic}", key=key, lane=scene.shop.inbox_lane, payload=payload, subject=Subject(subject)
    ).enqueue()


def test_a_prompt_topic_has_the_order_read_at_once(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    webhook(scene, "orders/paid", subject=f"order:{scene.shop.id}:{order['id']}")
    assert drain().count("fulfillment.read_orders") == 1


def test_a_swarm_of_other_topics_is_one_read_a_moment_later(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    for n in range(5):
        webhook(scene, "orders/updated", subject=f"order:{scene.shop.id}:{order['id']}", key=f"w{n}")
    assert "fulfillment.read_orders" not in drain()
    read = Job.objects.get(kind="fulfillment.read_orders")
    assert timedelta(0) < read.run_at - timezone.now() <= timedelta(seconds=2)


def test_a_known_fulfillment_order_names_its_order(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    body = {"fulfillment_order": {"id": f"gid://shopify/FulfillmentOrder/{work['id']}"}}
    webhook(scene, "fulfillment_orders/placed_on_hold", body=body)
    assert drain().count("fulfillment.read_orders") == 1


def names_its_work(scene: Scene, order: Json, topic: str = "order_routing_complete", key: str = "w1") -> None:
    """A webhook comes that names a fulfilment order of the order, and not the order."""
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    body = {"fulfillment_order": {"id": f"gid://shopify/FulfillmentOrder/{work['id']}"}}
    webhook(scene, f"fulfillment_orders/{topic}", body=body, key=key)


def asked_for_the_owner() -> AbstractContextManager[mock.Mock]:
    """Shopify's answers to the question which order a fulfilment order belongs to."""
    return mock.patch.object(
        queries, "owners_of_fulfillment_orders", side_effect=queries.owners_of_fulfillment_orders
    )


def test_an_unknown_one_is_asked_for_at_shopify_a_moment_later(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    names_its_work(scene, order)
    assert drain() == ["shopify.fulfillment_orders/order_routing_complete"]
    assert drain(advance=FIND_DELAY)[:2] == ["fulfillment.find_order", "fulfillment.read_orders"]
    assert scene.row(order).state == "at_warehouse"


def test_unknown_ones_of_several_orders_are_asked_for_by_one_request(scene: Scene) -> None:
    orders = [scene.place((MUG, 1)) for _ in range(3)]
    for order in orders:
        names_its_work(scene, order, key=f"w{order['id']}")
    drain()
    with asked_for_the_owner() as asked:
        drain(advance=FIND_DELAY)
    asked.assert_called_once()
    assert {scene.row(order).state for order in orders} == {"at_warehouse"}


def test_an_order_that_waits_for_its_fulfillment_orders_goes_on_with_the_first_notice_of_one(
    scene: Scene,
) -> None:
    scene.build_shopify(fo_delay=0.5)
    order = scene.arrive((MUG, 1))
    assert scene.row(order).reason == "no_fulfillment_orders"
    time.sleep(0.6)
    names_its_work(scene, order)
    with asked_for_the_owner() as asked:
        drain()
    asked.assert_not_called()
    assert scene.row(order).state == "at_warehouse"


@pytest.mark.django_db(transaction=True)
def test_a_fulfillment_order_made_while_its_order_is_read_has_it_read_again_at_once(scene: Scene) -> None:
    scene.build_shopify(fo_delay=2)
    order = scene.place((MUG, 1))
    answered = queries.orders

    def and_the_work_is_made(*args: Any, **more: Any) -> Any:
        found = answered(*args, **more)
        time.sleep(2.1)
        names_its_work(scene, order)
        with mock.patch.object(queries, "orders", answered):
            run_next(scene.shop.inbox_lane)
        return found

    scene.webhook(order)
    with mock.patch.object(queries, "orders", side_effect=and_the_work_is_made):
        run_next(scene.shop.lane)
    assert scene.row(order).reason == "no_fulfillment_orders"
    assert "fulfillment.find_order" not in drain()
    assert scene.row(order).state == "at_warehouse"


@pytest.mark.django_db(transaction=True)
def test_what_is_made_for_others_has_no_order_read_again_and_again_that_waits_for_long(scene: Scene) -> None:
    """In a busy shop fulfilment orders of other orders are made all the time."""
    scene.build_shopify(fo_delay=600)
    order = scene.arrive((MUG, 1))
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Order.objects.update(received_at=an_hour_ago, state_since=an_hour_ago)
    answered = queries.orders
    others = {"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/999"}}

    def and_others_are_made(*args: Any, **more: Any) -> Any:
        webhook(scene, "fulfillment_orders/order_routing_complete", body=others)
        run_next(scene.shop.inbox_lane)
        return answered(*args, **more)

    scene.webhook(order)
    with mock.patch.object(queries, "orders", side_effect=and_others_are_made):
        run_next(scene.shop.lane)
    read = Job.objects.get(kind="fulfillment.read_orders")
    assert read.run_at - timezone.now() > timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_one_whose_order_is_read_meanwhile_costs_no_call_and_no_second_reading(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    names_its_work(scene, order)
    drain()
    scene.webhook(order)
    drain()
    with asked_for_the_owner() as asked:
        ran = drain(advance=FIND_DELAY)
    assert "fulfillment.find_order" in ran
    assert "fulfillment.read_orders" not in ran
    asked.assert_not_called()


@pytest.mark.django_db(transaction=True)
def test_a_webhook_that_comes_while_the_reading_is_under_way_has_the_order_read_again(scene: Scene) -> None:
    """Shopify answered before it put the work on hold, and the answer is stored only after the webhook came."""
    order = scene.place((MUG, 1))
    answered = queries.orders

    def and_a_hold_follows(*args: Any, **more: Any) -> Any:
        found = answered(*args, **more)
        with mock.patch.object(queries, "orders", answered):
            scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/hold", {"reason": "OTHER"})
            names_its_work(scene, order, "placed_on_hold")
            run_next(scene.shop.inbox_lane)
        return found

    scene.webhook(order)
    with mock.patch.object(queries, "orders", side_effect=and_a_hold_follows):
        run_next(scene.shop.lane)
    with asked_for_the_owner() as asked:
        ran = drain(advance=FIND_DELAY)
    assert ran.index("fulfillment.find_order") < ran.index("fulfillment.read_orders")
    asked.assert_not_called()
    assert FulfillmentOrder.objects.get().status == "ON_HOLD"


@pytest.mark.django_db(transaction=True)
def test_an_older_webhook_that_is_worked_last_does_not_hide_what_a_newer_one_says(scene: Scene) -> None:
    """Its own news is in the reading that is under way, and that of the newer one is not."""
    order = scene.place((MUG, 1))
    answered = queries.orders
    names_its_work(scene, order, key="w1")
    waits = Job.objects.filter(key="w1")
    waits.update(run_at=timezone.now() + timedelta(seconds=9))  # its first run failed

    def and_a_hold_follows(*args: Any, **more: Any) -> Any:
        found = answered(*args, **more)
        with mock.patch.object(queries, "orders", answered):
            scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/hold", {"reason": "OTHER"})
            names_its_work(scene, order, "placed_on_hold", key="w2")
            run_next(scene.shop.inbox_lane)
            waits.update(run_at=timezone.now())
            run_next(scene.shop.inbox_lane)
        return found

    scene.webhook(order)
    with mock.patch.object(queries, "orders", side_effect=and_a_hold_follows):
        run_next(scene.shop.lane)
    drain(advance=FIND_DELAY)
    assert FulfillmentOrder.objects.get().status == "ON_HOLD"


@pytest.mark.django_db(transaction=True)
def test_a_webhook_about_known_work_that_a_reading_shows_already_causes_none(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    names_its_work(scene, order)
    scene.webhook(order)
    while run_next(scene.shop.lane):
        pass
    assert "fulfillment.read_orders" not in drain()
    names_its_work(scene, order, "placed_on_hold", key="w2")
    assert drain().count("fulfillment.read_orders") == 1


@pytest.mark.parametrize(("state", "readings"), [("done", 0), ("dead", 1)])
def test_a_reading_that_began_after_a_webhook_shows_what_it_told_unless_it_is_dead(
    scene: Scene, state: str, readings: int
) -> None:
    order = scene.arrive((MUG, 1))
    names_its_work(scene, order)
    later = timezone.now() + timedelta(hours=1)
    Job.objects.filter(kind="fulfillment.read_orders").update(state=state, started_at=later)
    assert drain().count("fulfillment.read_orders") == readings


@pytest.mark.django_db(transaction=True)
def test_notices_of_one_shop_cost_few_statements_once_their_orders_were_read(scene: Scene) -> None:
    """With the claim and the end of the run."""
    orders = [scene.place((MUG, 1)) for _ in range(3)]
    for order in orders:
        names_its_work(scene, order, key=f"w{order['id']}")
    ((_, told),) = drain_counting()
    assert told == 1 + 3 + 1 + 2  # the look, the notices, the orders that wait
    for order in orders:
        scene.webhook(order)
    drain()
    Job.objects.filter(kind="fulfillment.find_order").update(run_at=timezone.now())
    assert drain_counting() == [("fulfillment.find_order", 1 + 2)]


def test_fulfillment_orders_are_found_wherever_a_body_names_them() -> None:
    gid = "gid://shopify/FulfillmentOrder/{}".format
    body = {
        "a": [{"id": gid(1)}, {"x": {"id": gid(2)}}],
        "b": gid(3),
        "order": "gid://shopify/Order/9",
        "n": None,
    }
    assert sorted(named_fulfillment_orders(body)) == [1, 2, 3]
    assert len(named_fulfillment_orders([gid(n) for n in range(99)])) == 20
    assert named_fulfillment_orders("gid://shopify/FulfillmentOrder/1e9") == []


def test_prompt_topics_are_order_topics() -> None:
    assert set(ORDER_TOPICS) >= IMMEDIATE_TOPICS
