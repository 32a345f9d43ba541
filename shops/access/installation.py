"""Whether we may call a shop: it is installed and switched on, and accepts our credentials. And what follows a
change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ops import secrets
from ops.alerting.kinds import close_kinds
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.errors import AccessRefused, Blocked, CredentialsUnusable, Throttled
from ops.queue.jobs import wake
from shops import alerts, jobs
from shops.models import Shop
from shops.refs import shop_key

logger = structlog.get_logger(__name__)


POLICIES = frozenset({"submit_policy", "submit_test_orders", "whole_orders_only", "routes_all_locations"})
"""The fields of a shop that decide which parts of an order may be sent."""

FROZEN_STATUSES = frozenset({402, 423})
FROZEN_WAIT = timedelta(minutes=10)


CREDENTIALS = ("client_id", "client_secret", "access_token")
"""The fields of a shop that decide whether Shopify lets us in."""


def refused(shop: Shop, *, reason: str) -> AccessRefused:
    """Return the error for work of a shop that refuses our credentials."""
    return AccessRefused(
        f"{shop.domain} refuses our credentials: {reason}",
        on=[shop_key(shop.id)],
        recheck=secrets.unchanged(shop, *CREDENTIALS),
    )


def unusable(shop: Shop, *, reason: str) -> CredentialsUnusable:
    """Return the error for work of a shop whose credentials cannot be sent."""
    return CredentialsUnusable(
        f"{shop.domain} cannot be called: {reason}",
        on=[shop_key(shop.id)],
        recheck=secrets.unchanged(shop, *CREDENTIALS),
    )


def paused(shop: Shop) -> Blocked:
    """Return the error for work of a shop that is switched off."""
    return Blocked(
        f"{shop.domain} is switched off",
        on=[shop_key(shop.id)],
        recheck=lambda: not Shop.objects.filter(pk=shop.pk, is_active=True).exists(),
    )


def frozen(shop: Shop, *, reason: str) -> Throttled:
    """Return the error for work of a shop that Shopify has frozen or locked."""
    return Throttled(f"{shop.domain} is frozen or locked ({reason})", wait=FROZEN_WAIT)


def record_refused(shop: Shop, *, reason: str) -> None:
    """Raise the alert that Shopify refuses the shop's credentials.

    It is not raised if the app was uninstalled, or while this is being checked: that has an alert of its own.
    """
    if not (_is_uninstalled(shop) or jobs.removal_is_examined(shop)):
        alerts.shop_refuses_credentials(shop, reason=reason)


def record_unusable(shop: Shop, *, reason: str) -> None:
    """Raise the alert that the shop has no credentials that could be sent, unless the app was uninstalled."""
    if not _is_uninstalled(shop):
        alerts.shop_without_credentials(shop, reason=reason)


def _is_uninstalled(shop: Shop) -> bool:
    return Shop.objects.filter(pk=shop.pk, is_active=False, uninstalled_at__isnull=False).exists()


def reachable(shop: Shop) -> None:
    """Close the alerts that the shop refuses us or is frozen, because it answered."""
    close_kinds([alerts.SHOP_REFUSES_CREDENTIALS, alerts.SHOP_FROZEN], shop.subject)


def uninstalled(shop: Shop) -> bool:
    """Switch the shop off because the app was removed from it; return False if it was off already."""
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
    """Switch a shop on: its waiting work continues, its subscriptions are checked, and missed orders are read.

    Returns False if it was on already.
    """
    return _switch_on(shop, Q(is_active=False))


def installed_again(shop: Shop) -> bool:
    """Switch a shop on that was switched off because the app was removed; return False for any other shop."""
    return _switch_on(shop, Q(is_active=False, uninstalled_at__isnull=False))


@transaction.atomic
def _switch_on(shop: Shop, off: Q) -> bool:
    if not Shop.objects.filter(off, pk=shop.pk).update(is_active=True):
        return False
    taken_up(shop)
    return True


def taken_up(shop: Shop) -> None:
    """Do what follows when a shop was switched on; call it in the transaction that did so."""
    Shop.objects.filter(pk=shop.pk).update(uninstalled_at=None)
    jobs.check_subscriptions(shop)
    jobs.webhooks_missed(shop)
    alerts.SHOP_UNINSTALLED.close(shop.subject)
    wake(shop_key(shop.id))
    logger.info("shop_switched_on", shop=shop.domain)


@transaction.atomic
def switch_off(shop: Shop) -> bool:
    """Switch a shop off: no more calls are made, and its work waits until a person switches it on.

    Returns False if a person had switched it off already.
    """
    on_or_uninstalled = Q(is_active=True) | Q(uninstalled_at__isnull=False)
    changed = Shop.objects.filter(on_or_uninstalled, pk=shop.pk).update(is_active=False, uninstalled_at=None)
    if changed:
        alerts.SHOP_UNINSTALLED.close(shop.subject)
        logger.info("shop_switched_off", shop=shop.domain)
    return changed == 1


def credentials_changed(shop: Shop) -> None:
    """Forget the issued token and wake waiting work; call it in the transaction that saved the new credentials.

    A shop that was switched off because the app was removed is switched on.
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
    """Close the alert that a secret cannot be read, because the secrets were saved again."""
    SECRET_UNREADABLE.close(shop.subject)


def settings_changed(shop: Shop, fields: Collection[str]) -> None:
    """Have unsent orders read again if a changed field decides which parts of an order may be sent.

    `fields` are the changed fields of the shop. Call it in the transaction that saved them; it makes no calls.
    """
    if shop.is_active and POLICIES.intersection(fields):
        jobs.settings_changed(shop)
