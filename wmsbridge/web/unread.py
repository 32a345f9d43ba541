"""What is refused before the application sees it is counted as the doors count it: see ops/refusals.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ops import refusals
from ops.refusals import Door, Why

WHY = {
    HTTPStatus.BAD_REQUEST: Why.BROKEN_OFF,
    HTTPStatus.REQUEST_TIMEOUT: Why.BROKEN_OFF,
    HTTPStatus.LENGTH_REQUIRED: Why.BROKEN_OFF,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Why.TOO_LARGE,
}
"""A 503 is not in it: there the sender did nothing wrong, and sends again."""

_CALLBACK = re.compile(r"/webhooks/wms/([\w-]+)/", re.ASCII)


def count(scope: Mapping[str, Any], status: int) -> None:
    """Count a request to a door that was refused by its size, its time or its head. Writes to Redis: in a thread."""
    why = WHY.get(HTTPStatus(status))
    if why is None:
        return
    if callback := _CALLBACK.fullmatch(scope["path"]):
        refusals.note(Door.WMS, callback[1], why)
    elif scope["path"].startswith("/webhooks/shopify"):
        domain = dict(scope["headers"]).get(b"x-shopify-shop-domain", b"")
        refusals.note(Door.SHOPIFY, domain.decode("latin-1").lower(), why)
