"""The access token of a shop. It is permanent, or granted for 24 hours and renewed early by one worker at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import requests
import structlog
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ops import secrets
from ops.errors import EndpointFailed, JobError, Throttled
from ops.net import http
from ops.text.entered_text import is_token
from shops import alerts
from shops.access import installation
from shops.models import Shop

logger = structlog.get_logger(__name__)

RENEW_AFTER = 0.8
"""The share of its life after which a token is renewed, while it is still valid."""

LAST_MOMENT = timedelta(seconds=30)
"""A token is no longer used this time before its end, so that it does not expire during a call."""

RENEWAL_LEASE = timedelta(seconds=15)
"""How long one worker may take for a renewal before another may try."""

LONGEST_RENEWAL_SECONDS = 12.0
"""It is below RENEWAL_LEASE, so that a renewal ends before another worker may start one."""

_TOKEN_FIELDS = (
    "client_id",
    "client_secret",
    "access_token",
    "issued_token",
    "issued_token_issued_at",
    "issued_token_expires_at",
)


LONGEST_LIFE = timedelta(days=30).total_seconds()


class _Granted(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,2000}$")]
    expires_in: Annotated[float, Field(ge=1)]


@dataclass(frozen=True)
class Grant:
    """A token that Shopify granted, and its lifetime."""

    token: str
    lifetime: timedelta


def token_for(shop: Shop, *, rejected: str = "") -> str:
    """Return a token for calls to the shop. `rejected` is a token that was answered 401; it is renewed at once.

    It may call the shop (Shopify client-credentials grant, `POST /admin/oauth/access_token`), and updates `shop`.
    Raises Throttled (another worker renews the token), Transient (no answer), AccessRefused (the credentials are
    wrong), CredentialsUnusable (there are no credentials that could be sent).
    """
    try:
        return _token_for(shop, rejected=rejected)
    except secrets.SecretUnreadable as error:
        alerts.secret_unreadable(shop)
        installation.record_unusable(shop, reason=str(error))
        raise installation.unusable(shop, reason=str(error)) from error


def _token_for(shop: Shop, *, rejected: str) -> str:
    """Choose the permanent, the issued or a new token. While one is valid, a failed renewal is only logged."""
    if rejected:
        shop.refresh_from_db(fields=_TOKEN_FIELDS)
    if shop.access_token:
        return _permanent(shop, rejected=rejected)
    if not _due(shop, rejected=rejected):
        return str(shop.issued_token)
    if not (shop.client_id and shop.client_secret):
        reason = "neither an access token nor a client id and secret are stored"
        installation.record_unusable(shop, reason=reason)
        raise installation.unusable(shop, reason=reason)
    if not _begin_renewal(shop):
        return _token_from_others(shop, rejected=rejected)
    try:
        _record(shop, _request(shop))
    except JobError as error:
        # The lease is not given back: until it expires nobody tries again, which serves as a back-off.
        if not _usable(shop, rejected=rejected):
            raise
        logger.warning("token_not_renewed", shop=shop.domain, error=str(error))
    return str(shop.issued_token)


def _permanent(shop: Shop, *, rejected: str) -> str:
    """Return the permanent token. Raises AccessRefused if it was rejected, CredentialsUnusable if it cannot be sent."""
    if shop.access_token == rejected:
        reason = "401 for the access token"
        installation.record_refused(shop, reason=reason)
        raise installation.refused(shop, reason=reason)
    if not is_token(shop.access_token):
        reason = "the stored access token holds a character that no header can"
        installation.record_unusable(shop, reason=reason)
        raise installation.unusable(shop, reason=reason)
    return str(shop.access_token)


def _usable(shop: Shop, *, rejected: str) -> bool:
    """Whether the issued token is valid long enough for a call and was not rejected."""
    expires = shop.issued_token_expires_at
    valid = expires is not None and timezone.now() < expires - LAST_MOMENT
    return valid and bool(shop.issued_token) and shop.issued_token != rejected


def _due(shop: Shop, *, rejected: str) -> bool:
    """Whether the issued token must be renewed: it cannot be used, or most of its life is over."""
    issued, expires = shop.issued_token_issued_at, shop.issued_token_expires_at
    if issued is None or expires is None or not _usable(shop, rejected=rejected):
        return True
    return timezone.now() >= issued + (expires - issued) * RENEW_AFTER


def _begin_renewal(shop: Shop) -> bool:
    """Take the lease of the renewal; return False if another worker has it, or renewed the token meanwhile."""
    free = Q(token_renewal_started_at=None) | Q(token_renewal_started_at__lt=Now() - RENEWAL_LEASE)
    same = Q(issued_token_issued_at=shop.issued_token_issued_at)
    taken = Shop.objects.filter(free & same, pk=shop.pk).update(token_renewal_started_at=Now())
    return taken == 1


def _token_from_others(shop: Shop, *, rejected: str) -> str:
    """Return the token that another worker renewed. Raises Throttled while the renewal is in progress."""
    shop.refresh_from_db(fields=_TOKEN_FIELDS)
    if _usable(shop, rejected=rejected):
        return str(shop.issued_token)
    raise Throttled(f"the token of {shop.domain} is being renewed", wait=timedelta(seconds=1))


def _request(shop: Shop) -> Grant:
    """Request a token from Shopify. Alerts and raises if the shop is frozen or the credentials are refused."""
    what = f"token grant of {shop.domain}"
    response = http.send(
        "POST",
        settings.SHOPIFY_ADMIN_URL.format(domain=shop.domain) + "/admin/oauth/access_token",
        data={
            "client_id": shop.client_id,
            "client_secret": shop.client_secret,
            "grant_type": "client_credentials",
        },
        headers={"Accept": "application/json"},
        changes=False,  # asking twice gives two valid tokens
        timeout=(3, 8),
        longest=LONGEST_RENEWAL_SECONDS,
        what=what,
        pool=shop.lane,
    )
    if response.status_code in installation.FROZEN_STATUSES:
        alerts.shop_frozen(shop, reason=f"HTTP {response.status_code}")
        raise installation.frozen(shop, reason=f"HTTP {response.status_code}")
    if response.status_code != 200:
        reason = f"HTTP {response.status_code} {_reason(response)}".strip()
        installation.record_refused(shop, reason=reason)
        raise installation.refused(shop, reason=reason)
    answer = http.parse_json(response, changes=False, what=what)
    try:
        grant = _Granted.model_validate(answer)
    except ValidationError as error:
        raise EndpointFailed(f"{what}: answer without access_token and expires_in") from error
    return Grant(token=grant.access_token, lifetime=timedelta(seconds=min(grant.expires_in, LONGEST_LIFE)))


def _reason(response: requests.Response) -> str:
    """Return OAuth's error code, and never the body, which may repeat a secret."""
    return str(http.object_in(response).get("error") or "")[:100]


def _record(shop: Shop, grant: Grant) -> None:
    now: datetime = timezone.now()
    shop.issued_token = grant.token
    shop.issued_token_issued_at = now
    shop.issued_token_expires_at = now + grant.lifetime
    shop.token_renewal_started_at = None
    Shop.objects.filter(pk=shop.pk).update(
        issued_token=secrets.sealed(shop, "issued_token", grant.token),
        issued_token_issued_at=shop.issued_token_issued_at,
        issued_token_expires_at=shop.issued_token_expires_at,
        token_renewal_started_at=None,
    )
    installation.reachable(shop)
    logger.info("token_renewed", shop=shop.domain, expires=shop.issued_token_expires_at.isoformat())
