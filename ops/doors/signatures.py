"""Signatures of Shopify and of the WMSs: the HMAC-SHA256 of the raw body, in base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def sign(secret: str, body: bytes) -> str:
    """The base64 HMAC-SHA256 of `body` (Shopify's X-Shopify-Hmac-SHA256, the REST contract's X-WMS-Signature)."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def matches(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether `signature` is that of `body` with one of the secrets. Each comparison takes constant time."""
    given = signature.encode("utf-8", "replace")
    results = [hmac.compare_digest(sign(secret, body).encode(), given) for secret in secrets]
    return any(results)
