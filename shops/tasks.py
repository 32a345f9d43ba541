"""The jobs and scheduled tasks about shops."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from ops.workers.handlers import handles
from shops import alerts, jobs
from shops.access import installation
from shops.api import client
from shops.jobs import (
    APP_UNINSTALLED,
    CHECK_INSTALLED,
    CHECK_SUBSCRIPTIONS,
    UNHANDLED,
    ShopPayload,
    WebhookPayload,
)
from shops.models import Shop
from shops.webhooks import subscriptions

logger = structlog.get_logger(__name__)

TRIED_AFTER_REMOVAL = timedelta(days=30)
"""How long we check every hour whether the app was installed again."""


@handles(APP_UNINSTALLED)
def app_uninstalled(webhook: WebhookPayload) -> None:
    """Enqueue a call to the shop: the webhook may be hours old, and the app may be installed again."""
    with transaction.atomic():
        jobs.check_installed(Shop.objects.get(pk=webhook.shop))


@handles(CHECK_INSTALLED)
def check_installed(payload: ShopPayload) -> None:
    """Call the shop. If it refuses our credentials, the app is removed and the shop is switched off, else it stays on.

    A shop that a person switched off is left alone.
    """
    shop = Shop.objects.get(pk=payload.shop)
    if not (shop.is_active or shop.uninstalled_at):
        return
    if client.accepts_credentials(shop):
        again = installation.installed_again(shop)
        logger.info("shop_is_installed", shop=shop.domain, again=again)
    else:
        installation.uninstalled(shop)


@handles(UNHANDLED)
def unhandled(webhook: WebhookPayload) -> None:
    """Log a webhook of a topic that we do not handle."""
    logger.info("webhook_unhandled", topic=webhook.topic, shop=webhook.shop)


@handles(CHECK_SUBSCRIPTIONS)
def check_subscriptions(payload: ShopPayload) -> None:
    """Register the shop's subscriptions; alert if Shopify refuses one."""
    shop = Shop.objects.get(pk=payload.shop)
    if not (shop.is_active and settings.PUBLIC_URL):
        return
    report = subscriptions.register(shop, base_url=settings.PUBLIC_URL)
    installation.reachable(shop)
    with transaction.atomic():
        if report.webhooks_missed:
            jobs.webhooks_missed(shop)
        _alert_or_close(shop, report)


def _alert_or_close(shop: Shop, report: subscriptions.Report) -> None:
    if not report.refused:
        alerts.SUBSCRIPTIONS_REFUSED.close(shop.subject)
        return
    alerts.subscriptions_refused(shop, refused=report.refused)


@shared_task(name="shops.check_subscriptions_all")
def check_subscriptions_all() -> None:
    """Every hour, enqueue the check of every active shop if this installation has a public address, and check whether
    the app is installed again at shops from which it was removed.
    """
    removed = Shop.objects.filter(is_active=False, uninstalled_at__gt=Now() - TRIED_AFTER_REMOVAL)
    with transaction.atomic():
        for shop in removed.only("id", "domain"):
            jobs.check_installed(shop)
        if settings.PUBLIC_URL:
            for shop in Shop.objects.filter(is_active=True).only("id", "domain"):
                jobs.check_subscriptions(shop)
