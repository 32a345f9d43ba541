"""The view that receives Shopify's webhooks. It verifies, stores and answers, and does nothing else."""

from __future__ import annotations

import re
from typing import Any

import structlog
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from ops.doors import deliveries, refusals, signed_webhooks
from ops.doors.deliveries import Delivery, Outcome
from ops.doors.refusals import Why
from ops.doors.senders import Sender, Senders
from ops.doors.signed_webhooks import Refusal, SignedWebhookView, bounded_body, require_signature
from ops.secrets import SecretUnreadable
from ops.text import untrusted
from shops import alerts
from shops.jobs import WebhookPayload
from shops.models import Shop
from shops.webhooks.topics import event_of, subject_of

logger = structlog.get_logger(__name__)

HEADERS = ("Topic", "Hmac-Sha256", "Shop-Domain", "Webhook-Id", "Event-Id", "Triggered-At", "API-Version")

_DOMAIN = re.compile(r"[a-z0-9.-]{1,255}")
_WORD = re.compile(r"[\x21-\x7e]{1,200}")
"""The form of topic and webhook id: printable and without spaces, because both become part of keys and kinds."""


class WebhookView(SignedWebhookView):
    """Receives the webhooks of all shops."""

    @extend_schema(
        request=OpenApiTypes.OBJECT,
        parameters=[OpenApiParameter(f"X-Shopify-{h}", str, OpenApiParameter.HEADER) for h in HEADERS],
        responses={
            200: OpenApiResponse(description="Stored, or stored before."),
            400: OpenApiResponse(description="A header is missing, or the body is not a JSON object."),
            401: OpenApiResponse(
                description="The signature fits no secret of the shop, or there is no such shop."
            ),
            413: OpenApiResponse(description="The body is too large."),
            503: OpenApiResponse(description="It could not be stored; send it again."),
        },
    )
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Store one webhook: one statement, and a wake-up in Redis after the commit."""
        domain = _header(request, "Shop-Domain").lower()
        try:
            return _serve(request, domain=domain)
        except Refusal as refusal:
            signed_webhooks.count(refusals.Door.SHOPIFY, domain, refusal)
            return _refuse(refusal.status, domain=domain, reason=str(refusal))
        except (OperationalError, InterfaceError) as error:
            return _refuse(503, domain=domain, reason=f"could not be stored: {type(error).__name__}")


def _serve(request: HttpRequest, *, domain: str) -> HttpResponse:
    """Verify and store a webhook. Raises Refusal with the status of the answer."""
    raw = bounded_body(request)
    if not domain:
        raise Refusal(400, "X-Shopify-Shop-Domain is missing", Why.UNKNOWN_SENDER)
    if not _DOMAIN.fullmatch(domain):
        signed_webhooks.refuse_unknown(raw, _header(request, "Hmac-Sha256"))
    return _SHOPS.serve(domain, lambda sender: _receive(request, raw, sender))


def _receive(request: HttpRequest, raw: bytes, sender: Sender[Shop] | None) -> HttpResponse:
    """Verify and store a webhook of this shop, even if it is switched off, because its webhooks are kept."""
    signature = _header(request, "Hmac-Sha256")
    sender = sender or signed_webhooks.refuse_unknown(raw, signature)
    if not raw:
        raise Refusal(401, signed_webhooks.NOT_SIGNED, Why.NO_SIGNATURE)
    require_signature(raw, signature, sender.secrets)
    topic, webhook_id = _word(request, "Topic"), _word(request, "Webhook-Id")
    try:
        body = untrusted.parse_object(raw, deepest=untrusted.DOOR_DEPTH)
        outcome, job_id = _store(request, sender, topic=topic, webhook_id=webhook_id, body=body)
    except untrusted.Unreadable as error:
        raise Refusal(400, str(error), Why.NOT_JSON, detail=str(error)) from error
    except DataError as error:
        raise Refusal(400, "body cannot be stored", Why.CONTENT, detail="it cannot be stored") from error
    logger.info(
        "webhook_received",
        shop=sender.row.domain,
        topic=topic,
        webhook=webhook_id,
        outcome=outcome,
        job=job_id,
    )
    return signed_webhooks.answer({"status": outcome})


def _secrets(shop: Shop) -> list[str]:
    """Return the secrets a webhook may be signed with. Alerts and raises Refusal if one cannot be read."""
    try:
        return shop.hmac_secrets
    except SecretUnreadable as error:
        alerts.secret_unreadable(shop)
        raise Refusal(503, "the secret of this shop cannot be read", None) from error


_SHOPS = Senders(
    Shop,
    by="domain",
    fields=("id", "domain", "webhook_secret", "webhook_secret_previous", "client_secret"),
    secrets=_secrets,
)


def _header(request: HttpRequest, name: str) -> str:
    """Return a header of Shopify; "" if it is missing."""
    return str(request.META.get(f"HTTP_X_SHOPIFY_{name.upper().replace('-', '_')}", ""))


def _word(request: HttpRequest, header: str) -> str:
    """Return a required header. Raises Refusal if it is missing or malformed."""
    value = _header(request, header)
    if not _WORD.fullmatch(value):
        reason = f"X-Shopify-{header} is missing or malformed"
        raise Refusal(400, reason, Why.HEADER, detail=reason)
    return value


def _store(
    request: HttpRequest, sender: Sender[Shop], *, topic: str, webhook_id: str, body: dict[str, Any]
) -> tuple[Outcome, int | None]:
    """Store it with one statement; more is needed only if the webhook id is known. See `ops.doors.deliveries`.

    The webhook id identifies the delivery. The event id cannot be the key, because all topics of one merchant action
    share it (Shopify's documentation of webhook headers).
    """
    shop = sender.row
    return deliveries.keep(
        event_of(topic),
        Delivery(
            refusals.Door.SHOPIFY, shop.domain, webhook_id, heading=[topic], body=body, lane=shop.inbox_lane
        ),
        WebhookPayload(
            shop=shop.id,
            topic=topic,
            event_id=_short(request, "Event-Id"),
            triggered_at=_short(request, "Triggered-At"),
            api_version=_short(request, "API-Version"),
            body=body,
        ),
        subject=subject_of(topic, body, shop_pk=shop.id),
        provided=sender.unchanged,
    )


def _short(request: HttpRequest, header: str) -> str:
    """Return an optional header; "" if it is missing or malformed."""
    value = _header(request, header)
    return value if _WORD.fullmatch(value) else ""


def _refuse(status: int, *, domain: str, reason: str) -> HttpResponse:
    logger.warning("webhook_refused", shop=domain[:255], status=status, reason=reason)
    return signed_webhooks.answer({"error": reason}, status=status)
