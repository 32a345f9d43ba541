"""Counts requests to a door that never reach it, as the doors count theirs: see ops/doors/refusals.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from ops.doors import refusals
from ops.doors.refusals import Door, Why

WHY = {
    HTTPStatus.BAD_REQUEST: Why.BROKEN_OFF,
    HTTPStatus.REQUEST_TIMEOUT: Why.BROKEN_OFF,
    HTTPStatus.LENGTH_REQUIRED: Why.BROKEN_OFF,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Why.TOO_LARGE,
}
"""The reason by status. A 503 is not counted, because the sender did nothing wrong and sends again."""

_CALLBACK = re.compile(r"/webhooks/wms/([\w-]+)/?", re.ASCII)


def count(scope: Mapping[str, Any], status: int) -> None:
    """Count a request to a door that was refused for its size, its time or its head. This writes to Redis, so it is
    called in a thread."""
    why = WHY.get(HTTPStatus(status))
    if why is not None:
        domain = dict(scope["headers"]).get(b"x-shopify-shop-domain", b"")
        _note(scope["path"], domain.decode("latin-1"), why)


def misdirected(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that counts what is posted to a door but redirected, or sent to an unknown host."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        refused = response.status_code >= HTTPStatus.MULTIPLE_CHOICES
        if request.method == "POST" and refused and request.resolver_match is None:
            _note(request.path_info, request.headers.get("X-Shopify-Shop-Domain", ""), Why.WRONG_ADDRESS)
        return response

    return middleware


def _note(path: str, domain: str, why: Why) -> None:
    if callback := _CALLBACK.fullmatch(path):
        refusals.note(Door.WMS, callback[1], why)
    elif path.startswith("/webhooks/shopify"):
        refusals.note(Door.SHOPIFY, domain.lower(), why)
