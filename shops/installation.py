"""Whether we may call a shop at all: installed or not, let in or refused, and going on once that has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ops import secrets
from ops.alerting.kinds import close_kinds
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.errors import Blocked, Throttled
from ops.queue.jobs import wake
from shops import alerts, jobs
from shops.models import Shop
from shops.refs import shop_key

logger = structlog.get_logger(__name__)


POLICIES = frozenset({"submit_policy", "submit_test_orders", "whole_orders_only", "routes_all_locations"})
"""Fields that decide what of an order may be sent."""

FROZEN_STATUSES = frozenset({402, 423})
FROZEN_WAIT = timedelta(minutes=10)


class AccessRefused(Blocked):
    """Shopify refuses the credentials that it was shown: work waits under the shop's key until they are changed."""

    def __init__(self, shop: Shop, *, reason: str) -> None:
        super().__init__(
            f"{shop.domain} refuses our credentials: {reason}",
            on=[shop_key(shop.id)],
            recheck=_unchanged(shop),
        )
        self.reason = reason


class CredentialsUnusable(Blocked):
    """There are no credentials that could be shown, so Shopify was not asked: work waits until they are changed."""

    def __init__(self, shop: Shop, *, reason: str) -> None:
        super().__init__(
            f"{shop.domain} cannot be called: {reason}", on=[shop_key(shop.id)], recheck=_unchanged(shop)
        )
        self.reason = reason


def paused(shop: Shop) -> Blocked:
    """The error for work that needs a shop which is switched off."""
    return Blocked(
        f"{shop.domain} is switched off",
        on=[shop_key(shop.id)],
        recheck=lambda: not Shop.objects.filter(pk=shop.pk, is_active=True).exists(),
    )


def frozen(shop: Shop, *, reason: str) -> Throttled:
    """The error for work that needs a shop which Shopify has frozen or locked."""
    return Throttled(f"{shop.domain} is frozen or locked ({reason})", wait=FROZEN_WAIT)


def _unchanged(shop: Shop) -> Callable[[], bool]:
    """Tells whether the stored credentials still are those of now."""
    fingerprint = _fingerprint(shop)
    return lambda: _fingerprint(Shop.objects.get(pk=shop.pk)) == fingerprint


def record_refused(shop: Shop, refusal: AccessRefused) -> None:
    """Raise the alert that Shopify refuses the shop's credentials.

    None is raised where the app was uninstalled, or while that is being found out: that has its own.
    """
    if not (_is_uninstalled(shop) or jobs.removal_is_examined(shop)):
        alerts.shop_refuses_credentials(shop, reason=refusal.reason, by_shopify=True)


def record_unusable(shop: Shop, unusable: CredentialsUnusable) -> None:
    """Raise the alert that the shop has no credentials that could be shown, unless the app was uninstalled."""
    if not _is_uninstalled(shop):
        alerts.shop_refuses_credentials(shop, reason=unusable.reason, by_shopify=False)


def _is_uninstalled(shop: Shop) -> bool:
    return Shop.objects.filter(pk=shop.pk, is_active=False, uninstalled_at__isnull=False).exists()


def reachable(shop: Shop) -> None:
    """The shop answers: close what said otherwise."""
    close_kinds([alerts.SHOP_REFUSES_CREDENTIALS, alerts.SHOP_FROZEN], shop.subject)


def uninstalled(shop: Shop) -> bool:
    """Switch the shop off because the app was removed from it; False when it was off already."""
    with transaction.atomic():
        changed = Shop.objects.filter(pk=shop.pk, is_active=True).update(
            is_active=False, uninstalled_at=Now(), issued_token="", issued_token_expires_at=None
        )
        if not changed:
            return False
        alerts.SHOP_REFUSES_CREDENTIALS.close(shop.subject)
        alerts.shop_uninstalled(shop)
    logger.warning("shop_uninstalled", shop=shop.domain)
    return True


def switch_on(shop: Shop) -> bool:
    """Take a shop up again: its waiting work goes on, its subscriptions are looked at, and what was missed is read.

    False when it was on.
    """
    return _switch_on(shop, Q(is_active=False))


def installed_again(shop: Shop) -> bool:
    """Take a shop up again that was switched off because the app was removed, not by a person; False = it was not."""
    return _switch_on(shop, Q(is_active=False, uninstalled_at__isnull=False))


@transaction.atomic
def _switch_on(shop: Shop, off: Q) -> bool:
    if not Shop.objects.filter(off, pk=shop.pk).update(is_active=True):
        return False
    taken_up(shop)
    return True


def taken_up(shop: Shop) -> None:
    """What follows once a shop is on again, in the transaction that switched it on."""
    Shop.objects.filter(pk=shop.pk).update(uninstalled_at=None)
    jobs.check_subscriptions(shop)
    jobs.notices_lost(shop)
    alerts.SHOP_UNINSTALLED.close(shop.subject)
    wake(shop_key(shop.id))
    logger.info("shop_switched_on", shop=shop.domain)


@transaction.atomic
def switch_off(shop: Shop) -> bool:
    """Make no more calls to a shop: its work waits until a person switches it on. False when it was off by a person."""
    on_or_uninstalled = Q(is_active=True) | Q(uninstalled_at__isnull=False)
    changed = Shop.objects.filter(on_or_uninstalled, pk=shop.pk).update(is_active=False, uninstalled_at=None)
    if changed:
        alerts.SHOP_UNINSTALLED.close(shop.subject)
        logger.info("shop_switched_off", shop=shop.domain)
    return changed == 1


def credentials_changed(shop: Shop) -> None:
    """Forget the issued token and let waiting work try the new credentials; in the transaction that saved them.

    A shop from which the app had been removed goes on with them.
    """
    Shop.objects.filter(pk=shop.pk).update(
        issued_token="",
        issued_token_issued_at=None,
        issued_token_expires_at=None,
        token_renewal_started_at=None,
    )
    alerts.SHOP_REFUSES_CREDENTIALS.close(shop.subject)
    if not installed_again(shop):
        wake(shop_key(shop.id))


def secrets_changed(shop: Shop) -> None:
    """Secrets were saved: that one could not be read is in the past."""
    SECRET_UNREADABLE.close(shop.subject)


def settings_changed(shop: Shop, fields: Collection[str]) -> None:
    """What may be sent of the shop's orders was changed: those that were not sent are to be read again.

    `fields`: the fields of the shop that were changed. In the transaction that saved them; local work.
    """
    if shop.is_active and POLICIES.intersection(fields):
        jobs.settings_changed(shop)


def _fingerprint(shop: Shop) -> str:
    """Tells whether credentials have changed; never stored."""
    read = [secrets.readable(shop, name) or "" for name in ("client_secret", "access_token")]
    parts = "\x00".join([shop.client_id, *read])
    return hashlib.sha256(parts.encode()).hexdigest()
