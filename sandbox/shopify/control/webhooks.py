"""Webhooks that a test makes up, and the newest deliveries."""

import json
import uuid
from typing import Any

from sandbox.shopify.webhooks.signing import headers, new_event
from sandbox.shopify.world import CURRENT_VERSION, World

Json = dict[str, Any]


def send_webhook(world: World, body: Json) -> Json:
    """Sends one made-up webhook at once and only once, signed with the shop's secret or with a given one."""
    shop = world.shops.get(body["domain"])
    url = body.get("url") or (shop and shop.webhook_url)
    if not url:
        raise ValueError("no url: the shop has no webhook_url, so name one")
    content = body.get("body", {})
    raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    webhook_id = body.get("webhook_id") or str(uuid.uuid4())
    secret = body.get("secret") or (shop.webhook_secret if shop else "")
    signed = headers(
        topic=body["topic"],
        domain=body["domain"],
        webhook_id=webhook_id,
        event_id=body.get("event_id") or new_event(),
        version=CURRENT_VERSION,
        secret=secret,
        body=raw,
    )
    status, text = world.delivery_queue.exchange(url, {**signed, **body.get("headers", {})}, raw)
    return {"status": status, "webhook_id": webhook_id, "body": text}


def newest_webhooks(world: World, query: dict[str, str]) -> list[Json]:
    """Returns the newest deliveries."""
    limit = int(query.get("limit", 100))
    return world.delivery_queue.newest(account=query.get("domain"), topic=query.get("topic"), limit=limit)
