"""All shops of the server, and how a shop announces a change by webhooks."""

import json
import uuid
from typing import Any

from sandbox.delivery_queue import Delivery
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.webhooks.signing import headers
from sandbox.simulation import Simulation

CURRENT_VERSION = "2026-10"


class World(Simulation):
    """All shops of the server. Hold `lock` while you read or change one."""

    def __init__(self) -> None:
        super().__init__()
        self.shops: dict[str, Shop] = {}

    def announce(self, shop: Shop, topic: str, body: dict[str, Any], *, event: str) -> None:
        """Sends a webhook to the shop's configured address and to every subscription of the topic."""
        shop.search.note(shop.orders)
        wanted = topic.replace("/", "_").upper()
        targets = [(shop.webhook_url, CURRENT_VERSION)] if shop.webhook_url else []
        targets += [
            (each.uri, each.api_version) for each in shop.subscriptions.values() if each.topic == wanted
        ]
        if not targets:
            return
        raw = json.dumps(body, separators=(",", ":")).encode()
        for url, version in targets:
            webhook_id = str(uuid.uuid4())
            self.delivery_queue.post(
                Delivery(
                    id=webhook_id,
                    event_id=event,
                    topic=topic,
                    account=shop.domain,
                    url=url,
                    headers=headers(
                        topic=topic,
                        domain=shop.domain,
                        webhook_id=webhook_id,
                        event_id=event,
                        version=version,
                        secret=shop.webhook_secret,
                        body=raw,
                    ),
                    body=raw,
                )
            )
