from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from fulfillment.jobs.webhooks import ORDER_TOPICS
from fulfillment.orders.topics import IMMEDIATE_TOPICS, named_fulfillment_orders
from ops.models import Job
from ops.queue import jobs
from ops.refs import Subject
from tests.drain import drain
from tests.fulfillment.scene import MUG, Scene

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


def test_an_unknown_one_is_asked_for_at_shopify(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    body = {"fulfillment_order": {"id": f"gid://shopify/FulfillmentOrder/{work['id']}"}}
    webhook(scene, "fulfillment_orders/order_routing_complete", body=body)
    assert drain()[:3] == [
        "shopify.fulfillment_orders/order_routing_complete",
        "fulfillment.find_order",
        "fulfillment.read_orders",
    ]
    assert scene.row(order).state == "at_warehouse"


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
