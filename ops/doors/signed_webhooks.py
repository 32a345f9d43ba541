"""Parts of both doors: the view, the checks of signature and body, and how a refusal is counted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from ops.doors import refusals, signatures
from ops.doors.refusals import Why

NOT_SIGNED = "signature does not match, or no such sender"
_NOBODYS = secrets.token_urlsafe()


class Refusal(Exception):
    """A request that is not stored, with the status code of its answer.

    `why` is the reason under which it is counted; None means that it has an alert already. `detail` is for staff, if
    the answer does not say it.
    """

    def __init__(self, status: int, reason: str, why: Why | None, *, detail: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.why = why
        self.detail = detail


def count(door: refusals.Door, sender: str, refusal: Refusal) -> None:
    """Count a refusal, so that staff are alerted. This is one write in Redis; without Redis it does nothing."""
    if refusal.why is not None:
        refusals.note(door, sender, refusal.why, detail=refusal.detail)


def require_signature(body: bytes, signature: str, known: Collection[str]) -> None:
    """Raises Refusal (401) if `signature` is not that of the body with one of the known secrets."""
    if signatures.matches(body, signature, known):
        return
    why = Why.NO_SECRET if not known else Why.SIGNATURE if signature else Why.NO_SIGNATURE
    raise Refusal(401, NOT_SIGNED, why)


def refuse_unknown(body: bytes, signature: str) -> NoReturn:
    """Raises Refusal (401) as for a wrong signature, after the same work, so that nobody can find out which senders we
    know."""
    signatures.matches(body, signature, [_NOBODYS])
    raise Refusal(401, NOT_SIGNED, Why.UNKNOWN_SENDER)


class AlwaysJson(BaseContentNegotiation):
    """Answers in JSON, whatever Accept header comes."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return any parser. None is used, because the body is read raw."""
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the JSON renderer."""
        return renderers[0], renderers[0].media_type


class SignedWebhookView(APIView):
    """The view of a door. Only the signature of the raw body decides who may post.

    It is a view of Django REST framework, so that /api/schema/ describes the doors. That framework answers only what is
    no POST. What it does for people is switched off: log-in and permissions, its pages, and its choice of a format.
    """

    http_method_names = ["post"]  # OPTIONS would describe the view
    authentication_classes = []
    permission_classes = []
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJson

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Give a POST to `post` as it came."""
        if request.method == "POST":
            return self.post(request, *args, **kwargs)
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Store what was sent, or refuse it."""
        raise NotImplementedError


def answer(content: Mapping[str, str], *, status: int = 200) -> HttpResponse:
    """The answer to a sender, in JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, headers=headers)


def bounded_body(request: HttpRequest) -> bytes:
    """Read the raw body; b"" if there is none. A body that says that it is too large is not read.

    Raises Refusal: 413 if it is too large, 400 if it is cut off or its length is unreadable, 411 if its end cannot be
    found.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" in request.META:
        return _chunked_body(request)
    length = length or "0"
    if not length.isdecimal():
        raise Refusal(400, "Content-Length is not a number", Why.BROKEN_OFF)
    if len(length) > 18 or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise Refusal(413, "body too large", Why.TOO_LARGE)
    try:
        raw = bytes(request.read(int(length)))
    except OSError as error:
        raise Refusal(400, "body was cut off", Why.BROKEN_OFF) from error
    if len(raw) != int(length):
        raise Refusal(400, "body was cut off", Why.BROKEN_OFF)
    return raw


def _chunked_body(request: HttpRequest) -> bytes:
    """Read a body in chunks from a WSGI server that passes it on as it comes. (Our own web server has read it
    already.)"""
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
