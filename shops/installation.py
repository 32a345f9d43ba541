"""Whether we may call a shop at all: installed or not, let in or refused, and going on once that has changed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models.functions import Now

from ops import alerts, jobs
from ops.errors import Blocked, Throttled
from ops.models import Priority, Severity
from shops.models import Shop

logger = structlog.get_logger(__name__)

REFUSED = "shop_refuses_credentials"
UNINSTALLED = "shop_uninstalled"
FROZEN = "shop_frozen"

FROZEN_STATUSES = frozenset({402, 423})
FROZEN_WAIT = timedelta(minutes=10)


class AccessRefused(Blocked):
    """Shopify refuses our credentials: work waits under the shop's key until they are changed."""


def key(shop: Shop) -> str:
    """The key under which work for this shop waits."""
    return f"shop:{shop.pk}"


def subject(shop: Shop) -> str:
    """What alerts about the shop itself are about."""
    return f"shop:{shop.domain}"


def paused(shop: Shop) -> Blocked:
    """The error for work that needs a shop which is switched off."""
    return Blocked(
        f"{shop.domain} is switched off",
        on=[key(shop)],
        recheck=lambda: not Shop.objects.filter(pk=shop.pk, is_active=True).exists(),
    )


def refused(shop: Shop, *, reason: str) -> AccessRefused:
    """Raise the alert that the shop's credentials are refused and return the error that parks the work.

    It stays parked while the stored credentials are the refused ones.
    """
    with transaction.atomic():
        alerts.raise_alert(
            REFUSED,
            subject=subject(shop),
            title=f"{shop.domain} refuses our credentials",
            meaning=f"Nothing can be read from or written to this shop; its work waits. Shopify said: {reason}",
            action="Check that the app is installed on the shop, then correct the client id and secret (or the access "
            "token) of the shop in the admin. Waiting work goes on by itself.",
            severity=Severity.CRITICAL,
        )
    fingerprint = _fingerprint(shop)
    return AccessRefused(
        f"{shop.domain} refuses our credentials: {reason}",
        on=[key(shop)],
        recheck=lambda: _fingerprint(Shop.objects.get(pk=shop.pk)) == fingerprint,
    )


def frozen(shop: Shop, *, reason: str) -> Throttled:
    """Raise the alert that Shopify has frozen or locked the shop and return the error that makes work wait."""
    with transaction.atomic():
        alerts.raise_alert(
            FROZEN,
            subject=subject(shop),
            title=f"{shop.domain} is frozen or locked by Shopify",
            meaning=f"Shopify answers no call for this shop ({reason}); its work waits and is tried every ten minutes.",
            action="Ask the merchant to settle the shop's bill or status with Shopify. Work goes on by itself.",
            severity=Severity.CRITICAL,
        )
    return Throttled(f"{shop.domain} is frozen or locked ({reason})", wait=FROZEN_WAIT)


def reachable(shop: Shop) -> None:
    """The shop answers: close what said otherwise."""
    with transaction.atomic():
        for kind in (REFUSED, FROZEN):
            alerts.close_alert(kind, subject=subject(shop))


def uninstalled(shop: Shop) -> bool:
    """Switch the shop off because the app was removed from it; False when it was off already."""
    with transaction.atomic():
        changed = Shop.objects.filter(pk=shop.pk, is_active=True).update(
            is_active=False, uninstalled_at=Now(), issued_token="", issued_token_expires_at=None
        )
        if not changed:
            return False
        alerts.close_alert(REFUSED, subject=subject(shop))
        alerts.raise_alert(
            UNINSTALLED,
            subject=subject(shop),
            title=f"The app was uninstalled from {shop.domain}",
            meaning="The shop is switched off here: its orders, shipments and stock are no longer exchanged. "
            "Work that waits is kept.",
            action="If this was meant, nothing. Else install the app again, correct the shop's credentials if they "
            "changed, and use the action “Switch on” in the admin: subscriptions are registered anew and work goes on.",
            severity=Severity.CRITICAL,
        )
    logger.warning("shop_uninstalled", shop=shop.domain)
    return True


def switch_on(shop: Shop) -> bool:
    """Take a shop up again: its waiting work goes on and its subscriptions are looked at. False when it was on."""
    with transaction.atomic():
        changed = Shop.objects.filter(pk=shop.pk, is_active=False).update(is_active=True, uninstalled_at=None)
        if not changed:
            return False
        check_subscriptions(shop)
        alerts.close_alert(UNINSTALLED, subject=subject(shop))
        jobs.wake(key(shop))
    logger.info("shop_switched_on", shop=shop.domain)
    return True


def switch_off(shop: Shop) -> bool:
    """Make no more calls to a shop: its work waits. False when it was off."""
    changed = Shop.objects.filter(pk=shop.pk, is_active=True).update(is_active=False)
    if changed:
        logger.info("shop_switched_off", shop=shop.domain)
    return changed == 1


def credentials_changed(shop: Shop) -> None:
    """Forget the issued token and let waiting work try the new credentials; in the transaction that saved them."""
    Shop.objects.filter(pk=shop.pk).update(
        issued_token="",
        issued_token_issued_at=None,
        issued_token_expires_at=None,
        token_renewal_started_at=None,
    )
    alerts.close_alert(REFUSED, subject=subject(shop))
    jobs.wake(key(shop))


def check_subscriptions(shop: Shop) -> None:
    """Enqueue a look at the shop's webhook subscriptions, in the caller's transaction."""
    _enqueue(shop, "shops.check_subscriptions", Priority.LOW)


def check_installed(shop: Shop) -> None:
    """Enqueue the question whether the app is still installed, in the caller's transaction."""
    _enqueue(shop, "shops.check_installed", Priority.HIGH)


def _enqueue(shop: Shop, kind: str, priority: Priority) -> None:
    jobs.enqueue(
        kind,
        key=f"{kind}:{shop.pk}",
        lane=shop.lane,
        payload={"shop": shop.pk},
        subject=subject(shop),
        priority=priority,
        coalesce=True,
    )


def _fingerprint(shop: Shop) -> str:
    """Tells whether credentials have changed; never stored."""
    parts = "\x00".join([shop.client_id, shop.client_secret, shop.access_token])
    return hashlib.sha256(parts.encode()).hexdigest()
