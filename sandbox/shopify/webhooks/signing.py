"""What one webhook delivery carries besides its body: its ids and its signature."""

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime


def new_event() -> str:
    """Returns a new event id. One action has one event id, which all webhooks of the action carry."""
    return str(uuid.uuid4())


def signature(secret: str, body: bytes) -> str:
    """Returns X-Shopify-Hmac-SHA256: the HMAC-SHA256 over the raw body, in base64."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(
    *, topic: str, domain: str, webhook_id: str, event_id: str, version: str, secret: str, body: bytes
) -> dict[str, str]:
    """Returns the headers of one webhook delivery."""
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
