"""What the doors of both ends share: machines post here, get a status code, and nothing but the body is looked at."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from ops.doors import refusals, signatures
from ops.doors.refusals import Why

NOT_SIGNED = "signature does not match, or no such sender"
_NOBODYS = secrets.token_urlsafe()


class Refusal(Exception):
    """Something sent to us that is not stored, with its status code. `why` counts it; None = it has an alert already.

    `detail`: what staff are told beside it, where the answer does not say it.
    """

    def __init__(self, status: int, reason: str, why: Why | None, *, detail: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.why = why
        self.detail = detail


def count(door: refusals.Door, sender: str, refusal: Refusal) -> None:
    """Count what a door refused, for staff to be told of. Costs one write in Redis, and nothing without it."""
    if refusal.why is not None:
        refusals.note(door, sender, refusal.why, detail=refusal.detail)


def require_signature(body: bytes, signature: str, known: Collection[str]) -> None:
    """Raises Refusal (401) when `signature` is that of the body under none of the known secrets."""
    if signatures.matches(body, signature, known):
        return
    why = Why.NO_SECRET if not known else Why.SIGNATURE if signature else Why.NO_SIGNATURE
    raise Refusal(401, NOT_SIGNED, why)


def refuse_unknown(body: bytes, signature: str) -> NoReturn:
    """Raises Refusal (401) as for a wrong signature, after as much work, so that nobody learns whom we serve."""
    signatures.matches(body, signature, [_NOBODYS])
    raise Refusal(401, NOT_SIGNED, Why.UNKNOWN_SENDER)


class AlwaysJson(BaseContentNegotiation):
    """A machine gets its status code whatever Accept header it sends."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """None is ever used: the body is read raw."""
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The JSON renderer."""
        return renderers[0], renderers[0].media_type


class SignedWebhookView(APIView):
    """The view of a door, where the signature over the raw body is all that counts.

    It is a view of Django REST framework, so that the doors are described at /api/schema/. What that framework does for
    people is switched off, here and nowhere else: its log-in and rights, its pages and its choice of a format.
    """

    http_method_names = ["post"]  # OPTIONS would describe the view
    authentication_classes = []
    permission_classes = []
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJson


def bounded_body(request: Request) -> bytes:
    """The raw body, b"" when there is none. One that says it is larger than we take is not read at all.

    Raises Refusal: 413 too large, 400 cut off or without a usable length, 411 when only the server could tell its end.
    """
    http_request = request._request
    length = http_request.META.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" in http_request.META:
        return _chunked_body(http_request)
    length = length or "0"
    if not length.isdecimal():
        raise Refusal(400, "Content-Length is not a number", Why.BROKEN_OFF)
    if len(length) > 18 or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise Refusal(413, "body too large", Why.TOO_LARGE)
    try:
        raw = bytes(http_request.read(int(length)))
    except OSError as error:
        raise Refusal(400, "body was cut off", Why.BROKEN_OFF) from error
    if len(raw) != int(length):
        raise Refusal(400, "body was cut off", Why.BROKEN_OFF)
    return raw


def _chunked_body(request: HttpRequest) -> bytes:
    """A body in chunks, where a WSGI server hands it on as it comes. (Our own web server has read it by now.)"""
    if not request.META.get("wsgi.input_terminated"):
        raise Refusal(411, "send a Content-Length", Why.BROKEN_OFF)
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        raw = bytes(request.META["wsgi.input"].read(most + 1))
    except OSError as error:
        raise Refusal(400, "body was cut off", Why.BROKEN_OFF) from error
    if len(raw) > most:
        raise Refusal(413, "body too large", Why.TOO_LARGE)
    return raw
