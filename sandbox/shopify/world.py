"""All shops of the server, what they share, and the way a shop tells about a change."""

import base64
import hashlib
import hmac
import json
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.courier import Courier, Delivery
from sandbox.shopify.state import Shop
from sandbox.timers import Timers

CURRENT_VERSION = "2026-10"


def new_event() -> str:
    """One id per merchant action: every topic the action fires carries it."""
    return str(uuid.uuid4())


def signature(secret: str, body: bytes) -> str:
    """X-Shopify-Hmac-SHA256: base64 of the HMAC-SHA256 over the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(
    *, topic: str, domain: str, webhook_id: str, event_id: str, version: str, secret: str, body: bytes
) -> dict[str, str]:
    """The headers of one webhook delivery."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Shopify-Captain-Hook",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-SHA256": signature(secret, body),
        "X-Shopify-Shop-Domain": domain,
        "X-Shopify-API-Version": version,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Event-Id": event_id,
        "X-Shopify-Triggered-At": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }


class World:
    """Take `lock` for everything that reads or changes a shop."""

    def __init__(self, *, timers: Timers, courier: Courier) -> None:
        self.lock = threading.RLock()
        self.timers = timers
        self.courier = courier
        self.shops: dict[str, Shop] = {}

    def announce(self, shop: Shop, topic: str, body: dict[str, Any], *, event: str) -> None:
        """Sends a webhook to the shop's configured address and to every subscription of the topic."""
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
            self.courier.post(
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
