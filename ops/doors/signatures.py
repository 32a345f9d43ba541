"""HMAC-SHA256 over a raw body, in base64: how both ends sign what they send us."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def sign(secret: str, body: bytes) -> str:
    """The base64 HMAC-SHA256 of `body` (Shopify's X-Shopify-Hmac-SHA256, the REST contract's X-WMS-Signature)."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def matches(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether `signature` is that of `body` under any of the secrets; constant time for each."""
    given = signature.encode("utf-8", "replace")
    results = [hmac.compare_digest(sign(secret, body).encode(), given) for secret in secrets]
    return any(results)
