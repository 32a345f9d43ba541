"""The door for callbacks: verify, store, answer. Nothing else happens here."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ops import jobs, signatures
from wms.callbacks import EVENT_TYPES, Envelope, EnvelopeError, parse_envelope, subject_of
from wms.models import Connection

logger = structlog.get_logger(__name__)

SIGNATURE_HEADER = "X-WMS-Signature"


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


class CallbackView(APIView):
    """Takes the callbacks of one connection."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJson

    @extend_schema(
        request=Envelope,
        parameters=[OpenApiParameter(SIGNATURE_HEADER, str, OpenApiParameter.HEADER, required=True)],
        responses={
            200: OpenApiResponse(description="Stored, or stored before."),
            400: OpenApiResponse(description="Not JSON, or not an envelope of the contract."),
            401: OpenApiResponse(description="The signature fits no secret of the connection."),
            404: OpenApiResponse(description="No such connection."),
            413: OpenApiResponse(description="The body is too large."),
            503: OpenApiResponse(description="It could not be stored; send it again."),
        },
    )
    def post(self, request: Request, slug: str) -> Response:
        """Store one event: one SELECT, one INSERT, and one Redis write after the commit."""
        body = _bounded_body(request)
        if body is None:
            return _refuse(413, slug=slug, error="body too large")
        try:
            return _receive(slug, body, signature=request.headers.get(SIGNATURE_HEADER, ""))
        except (OperationalError, InterfaceError) as error:
            return _refuse(503, slug=slug, error=f"could not be stored: {type(error).__name__}")


def _bounded_body(request: Request) -> bytes | None:
    """The raw body; None when it says that it is larger than we take (then it is not read)."""
    http_request = request._request
    length = http_request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        return b""
    if len(length) > 20 or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return None
    try:
        return bytes(http_request.read(int(length)))
    except OSError:
        return b""  # the sender hung up: what is left fits no signature


def _receive(slug: str, body: bytes, *, signature: str) -> Response:
    connection = (
        Connection.objects.filter(slug=slug)
        .only("id", "slug", "callback_secret", "callback_secret_previous")
        .first()
    )
    if connection is None:
        return _refuse(404, slug=slug, error="no such connection")
    if not signatures.matches(body, signature, connection.hmac_secrets):
        return _refuse(401, slug=slug, error="signature does not match")
    try:
        envelope = parse_envelope(body)
    except EnvelopeError as error:
        return _refuse(400, slug=slug, error=str(error))
    return _answer(_store(connection, envelope), connection=connection, envelope=envelope)


def _store(connection: Connection, envelope: Envelope) -> int | None:
    """One statement, in its own transaction."""
    return jobs.enqueue(
        f"wms.{envelope.type}" if envelope.type in EVENT_TYPES else "wms.unrecognised",
        key=f"wms:{connection.slug}:{envelope.event_id}",
        lane=connection.inbox_lane,
        payload={
            "connection": connection.pk,
            "event_id": envelope.event_id,
            "type": envelope.type,
            "occurred_at": envelope.occurred_at.isoformat(),
            "data": envelope.data,
        },
        subject=f"wms:{connection.slug}:{subject_of(envelope)}",
    )


def _answer(job_id: int | None, *, connection: Connection, envelope: Envelope) -> Response:
    outcome = "duplicate" if job_id is None else "stored"
    logger.info(
        "callback_received",
        connection=connection.slug,
        event_id=envelope.event_id,
        type=envelope.type,
        outcome=outcome,
        job=job_id,
    )
    return Response({"status": outcome})


def _refuse(status: int, *, slug: str, error: str) -> Response:
    logger.warning("callback_refused", connection=slug, status=status, error=error)
    return Response({"error": error}, status=status)
