from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.test import Client

from ops.doors import signatures


def deliver(
    client: Client,
    body: Any = None,
    *,
    raw: bytes | None = None,
    secret: str | None = "shop-secret",
    topic: str = "orders/paid",
    webhook_id: str = "wh-1",
    domain: str = "berlin.myshopify.com",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """POST a webhook as Shopify does; `secret=None` leaves the signature out, a header set to "" is left out."""
    sent = raw if raw is not None else json.dumps(body if body is not None else {"id": 5}).encode()
    values = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": domain,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Event-Id": "ev-1",
        "X-Shopify-Triggered-At": "2026-11-23T14:00:00.123Z",
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Hmac-Sha256": signatures.sign(secret, sent) if secret else "",
        **headers,
    }
    return client.post(
        "/webhooks/shopify/",
        data=sent,
        content_type="application/json",
        headers={name: value for name, value in values.items() if value},
    )
