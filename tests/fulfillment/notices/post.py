"""The webhooks that Shopify sends of a scene's orders, which a test delivers when it wants to, or never."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.test import Client

from fulfillment.shopify import queries
from shops.ids import ShopifyOrderId
from shops.models import Shop
from tests.fulfillment.scene import DOMAIN, Scene
from tests.shops.webhooks.delivery import deliver
from tests.world import Json

Wanted = Callable[[str, Json], bool]


def _all(topic: str, body: Json) -> bool:
    return True


class Post:
    """Shopify's webhooks wait here. Those about stock are not looked at."""

    def __init__(self, scene: Scene, client: Client) -> None:
        self.scene, self.client = scene, client
        self.seen: set[str] = set()
        self.brought = 0
        scene.build_shopify(webhook_url="http://127.0.0.1:9/")
        scene.shopify.post("/settings", {"deliver": False})

    def waiting(self) -> list[tuple[str, Json]]:
        """What was sent since the last look, the oldest first, with its topic. It does not wait any more."""
        sent = self.scene.shopify.get(f"/webhooks?domain={DOMAIN}&limit=5000")
        found = [each for each in sent if each["webhook_id"] not in self.seen]
        self.seen |= {each["webhook_id"] for each in found}
        of_orders = [
            each for each in found if each["topic"].startswith(("orders/", "fulfillment", "refunds/"))
        ]
        return [(each["topic"], json.loads(each["body"])) for each in of_orders]

    def bring(self, *, wanted: Wanted = _all) -> list[str]:
        """Deliver what waits, and lose what is not wanted; returns the topics of what came."""
        return [self.bring_one(topic, body) for topic, body in self.waiting() if wanted(topic, body)]

    def place(self, *lines: tuple[int, int]) -> Json:
        """A customer orders, and all that Shopify sends of that comes: last, that there are fulfilment orders."""
        order, came = self.scene.place(*lines), list[str]()
        while "fulfillment_orders/order_routing_complete" not in came:
            came += self.bring()
        return order

    def bring_one(self, topic: str, body: Json) -> str:
        """Deliver one webhook."""
        self.brought += 1
        answer = deliver(self.client, body, topic=topic, webhook_id=f"w{self.brought}", domain=DOMAIN)
        assert answer.status_code == 200, answer.content
        return topic

    def lose(self) -> None:
        """What waits never comes."""
        self.waiting()


@contextmanager
def counted_readings() -> Iterator[list[ShopifyOrderId]]:
    """The orders that are read at Shopify meanwhile, one after the other."""
    read, orders = list[ShopifyOrderId](), queries.orders

    def counted(shop: Shop, numbers: Sequence[ShopifyOrderId], **more: Any) -> Any:
        read.extend(numbers)
        return orders(shop, numbers, **more)

    with mock.patch.object(queries, "orders", side_effect=counted):
        yield read
