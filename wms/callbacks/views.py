"""The view that receives callbacks. It verifies, stores and answers, and does nothing else."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from ops.doors import deliveries, refusals, signed_webhooks
from ops.doors.deliveries import Delivery, Outcome
from ops.doors.refusals import Why
from ops.doors.senders import Sender, Senders
from ops.doors.signed_webhooks import Refusal, SignedWebhookView, bounded_body, require_signature
from ops.secrets import SecretUnreadable
from ops.text import moments, untrusted
from wms import alerts
from wms.callbacks.events import (
    Envelope,
    EnvelopeError,
    parse_envelope,
    subject_of,
    warehouse_of,
)
from wms.jobs import CALLBACKS, UNRECOGNISED, CallbackPayload
from wms.models import Connection
from wms.refs import callback_subject

logger = structlog.get_logger(__name__)

SIGNATURE_HEADER = "X-WMS-Signature"


class CallbackView(SignedWebhookView):
    """Receives the callbacks of one connection."""

    @extend_schema(
        request=Envelope,
        parameters=[OpenApiParameter(SIGNATURE_HEADER, str, OpenApiParameter.HEADER, required=True)],
        responses={
            200: OpenApiResponse(description="Stored, or stored before."),
            400: OpenApiResponse(description="Not JSON, or not an envelope of the contract."),
            401: OpenApiResponse(description="The signature fits no secret, or there is no such connection."),
            413: OpenApiResponse(description="The body is too large."),
            503: OpenApiResponse(description="It could not be stored; send it again."),
        },
    )
    def post(self, request: HttpRequest, *args: Any, slug: str, **kwargs: Any) -> HttpResponse:
        """Store one event: one statement, and one Redis write after the commit."""
        signature = request.META.get("HTTP_X_WMS_SIGNATURE", "")
        try:
            body = bounded_body(request)
            return _CONNECTIONS.serve(slug, lambda sender: _receive(body, sender, signature=signature))
        except Refusal as refusal:
            signed_webhooks.count(refusals.Door.WMS, slug, refusal)
            return _refuse(refusal.status, slug=slug, error=str(refusal))
        except (OperationalError, InterfaceError) as error:
            return _refuse(503, slug=slug, error=f"could not be stored: {type(error).__name__}")


def _receive(body: bytes, sender: Sender[Connection] | None, *, signature: str) -> HttpResponse:
    """Verify and store an event of this connection, even if it is switched off, because its callbacks are kept."""
    sender = sender or signed_webhooks.refuse_unknown(body, signature)
    require_signature(body, signature, sender.secrets)
    envelope = _read(body, sender.row)
    return _answer(_store(sender, envelope), connection=sender.row, envelope=envelope)


def _read(body: bytes, connection: Connection) -> Envelope:
    """Parse the envelope. Raises Refusal: 400 for a bad body, 503 if the connection's time zone is unknown."""
    try:
        return parse_envelope(body, zone=moments.zone_of(connection.time_zone))
    except EnvelopeError as error:
        why = Why.NOT_JSON if isinstance(error.__cause__, untrusted.Unreadable) else Why.CONTENT
        raise Refusal(400, str(error), why, detail=str(error)) from error
    except moments.Unclear as error:
        reason = "the time zone of this connection is unknown here"
        raise Refusal(503, reason, Why.TIME_ZONE, detail=connection.time_zone) from error


def _secrets(connection: Connection) -> list[str]:
    """Return the secrets a callback may be signed with. Alerts and raises Refusal if one cannot be read."""
    try:
        return connection.hmac_secrets
    except SecretUnreadable as error:
        alerts.secret_unreadable(connection)
        raise Refusal(503, "the secret of this connection cannot be read", None) from error


_CONNECTIONS = Senders(
    Connection,
    by="slug",
    fields=("id", "slug", "callback_secret", "callback_secret_previous", "time_zone"),
    secrets=_secrets,
)


def _store(sender: Sender[Connection], envelope: Envelope) -> tuple[Outcome, int | None]:
    """Store the event with one statement; more are needed only if its id is known. See `ops.doors.deliveries`."""
    connection = sender.row
    return deliveries.keep(
        CALLBACKS.get(envelope.type, UNRECOGNISED),
        Delivery(
            refusals.Door.WMS,
            connection.slug,
            envelope.event_id,
            heading=[envelope.type, envelope.occurred_at.isoformat()],
            body=envelope.data,
            lane=connection.inbox_lane,
        ),
        CallbackPayload(
            connection=connection.id,
            event_id=envelope.event_id,
            type=envelope.type,
            occurred_at=envelope.occurred_at,
            data=envelope.data,
            zone=connection.time_zone,
        ),
        subject=callback_subject(connection.slug, subject_of(envelope)),
        partition=warehouse_of(envelope),
        provided=sender.unchanged,
    )


def _answer(
    stored: tuple[Outcome, int | None], *, connection: Connection, envelope: Envelope
) -> HttpResponse:
    outcome, job_id = stored
    logger.info(
        "callback_received",
        connection=connection.slug,
        event_id=envelope.event_id,
        type=envelope.type,
        outcome=outcome,
        job=job_id,
    )
    return signed_webhooks.answer({"status": outcome})


def _refuse(status: int, *, slug: str, error: str) -> HttpResponse:
    logger.warning("callback_refused", connection=slug, status=status, error=error)
    return signed_webhooks.answer({"error": error}, status=status)
