"""The job kinds of Shopify's end, and the events that apps above make their jobs of. Each is about one shop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ops.doors.deliveries import DeliveredPayload
from ops.models import Priority
from ops.queue.jobs import is_pending
from ops.queue.kinds import EventKind, JobKind, P
from ops.queue.queues import Queue
from ops.refs import LaneName
from shops.ids import ShopPk
from shops.models import Shop
from shops.refs import shop_subject

SCOPES = "Look at the shop: are the app's scopes complete, is its API version still supported?"
"""What removes the usual cause of a call that Shopify refuses for good."""

UNSEEN = "What Shopify reported is not looked at; the backfill makes up for it within minutes."


@dataclass(frozen=True)
class WebhookPayload(DeliveredPayload):
    """A webhook as it was stored."""

    shop: ShopPk
    topic: str = ""
    event_id: str = ""
    triggered_at: str = ""
    api_version: str = ""
    body: dict[str, Any] = field(default_factory=dict)


WEBHOOKS = "shopify."
"""What the kinds of webhooks begin with; their topic follows."""


def webhook(topic: str) -> EventKind[WebhookPayload]:
    """What the webhooks of a topic are enqueued as."""
    return EventKind(f"{WEBHOOKS}{topic}", WebhookPayload, coalesces=False)


@dataclass(frozen=True)
class ShopPayload:
    """A shop, by our key."""

    shop: ShopPk


@dataclass(frozen=True)
class ShopPagePayload:
    """A shop, and the row behind which a page of its orders begins."""

    shop: ShopPk
    after: int | None = None


REDACT_SHOP = EventKind("shopify.redact_if_gone", ShopPayload, priority=Priority.LOW)
"""Shopify asked for the data of all customers of a shop to be erased."""

WEBHOOKS_MISSED = EventKind("shopify.notices_lost", ShopPayload, priority=Priority.HIGH)
"""Shopify has not reported a shop's changes for a while: whoever reads them should look now."""

SETTINGS_CHANGED = EventKind("shopify.settings_changed", ShopPagePayload, priority=Priority.HIGH)
"""What may be sent of a shop's orders was changed: those that were not sent are to be read again."""

APP_UNINSTALLED = JobKind.of(
    webhook("app/uninstalled"),
    queue=Queue.MAINTENANCE,
    work="ask whether the app was removed from the shop, as Shopify reported",
    if_dead="A shop that is gone may be switched on.",
)
UNHANDLED = JobKind.of(
    webhook("unhandled"),
    queue=Queue.MAINTENANCE,
    work="note a webhook of a topic that nobody here asked for",
    if_dead="Nothing is missing.",
)
CHECK_INSTALLED = JobKind(
    "shops.check_installed",
    ShopPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.HIGH,
    work="ask whether the app is installed",
    if_dead="A shop that is gone may be switched on.",
)
CHECK_SUBSCRIPTIONS = JobKind(
    "shops.check_subscriptions",
    ShopPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.LOW,
    work="compare the shop's webhook subscriptions",
    if_dead="Some changes may reach us only by the backfill.",
    remedy=SCOPES,
)


def check_subscriptions(shop: Shop) -> None:
    """Have the shop's webhook subscriptions looked at, in the caller's transaction."""
    _enqueue(CHECK_SUBSCRIPTIONS, ShopPayload(shop.id), shop, lane=shop.lane)


def check_installed(shop: Shop) -> None:
    """Have the shop asked whether the app is still, or again, installed, in the caller's transaction."""
    _enqueue(CHECK_INSTALLED, ShopPayload(shop.id), shop, lane=shop.lane)


def redact(shop: Shop) -> None:
    """Have it looked at whether the shop is gone, and its customers erased if so, in the caller's transaction."""
    _enqueue(REDACT_SHOP, ShopPayload(shop.id), shop, lane=shop.lane)


def webhooks_missed(shop: Shop) -> None:
    """Say that Shopify has not reported the shop's changes for a while, in the caller's transaction."""
    _enqueue(WEBHOOKS_MISSED, ShopPayload(shop.id), shop, lane=shop.inbox_lane)


def settings_changed(shop: Shop, *, after: int | None = None) -> None:
    """Say that what may be sent of the shop's orders was changed: from the first order on, or behind one."""
    _enqueue(SETTINGS_CHANGED, ShopPagePayload(shop.id, after), shop, lane=shop.inbox_lane)


def removal_is_examined(shop: Shop) -> bool:
    """Whether it is being found out if the app was removed from the shop."""
    return is_pending(
        _key(CHECK_INSTALLED, shop),
        _key(REDACT_SHOP, shop),
        kinds=[webhook(topic).name for topic in ("app/uninstalled", "shop/redact")],
        lane=shop.inbox_lane,
    )


def _enqueue(kind: EventKind[P], payload: P, shop: Shop, *, lane: LaneName) -> None:
    kind.new(payload, key=_key(kind, shop), lane=lane, subject=shop_subject(shop.domain)).enqueue()


def _key(kind: EventKind[P], shop: Shop) -> str:
    return f"{kind.name}:{shop.pk}"
