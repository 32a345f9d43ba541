"""Makes up for lost webhooks: reads what changed at Shopify since a watermark, in pages, within the shop's budget.

Each shop has two feeds, each with its own watermark: orders, and fulfilment orders, which change without their order
when they are held, moved or rescheduled. A watermark is in Shopify's time, so a wrong clock of ours loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from fulfillment import alerts, jobs
from fulfillment.jobs.orders import BackfillProgress
from fulfillment.orders import known_changes
from fulfillment.refs import backfill_subject
from fulfillment.shopify import queries
from fulfillment.shopify.queries import Change, ChangesPage
from ops.errors import Permanent
from ops.models import Priority
from ops.refs import Subject
from shops.ids import ShopPk
from shops.models import Shop

logger = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=10)
"""Shopify's search results lag behind, so each backfill begins this long before the watermark. To read a change twice
is harmless."""

FIRST_LOOK_BACK = timedelta(days=1)
PAGE = 50
PAGES_OF_A_QUERY = 400
"""Shopify ends a list after 25,000 objects. Before that, a new query asks for the rest, by time."""


@dataclass(frozen=True)
class Feed:
    """A list of changes at Shopify.

    `watermark` is the field of Shop that says how far the list was read. `read` reads one page. `unknown` returns those
    of its changes that we do not know.
    """

    name: str
    watermark: str
    read: Callable[..., ChangesPage]
    unknown: Callable[[Shop, Sequence[Change]], list[Change]]


FEEDS = {
    feed.name: feed
    for feed in (
        Feed("orders", "orders_synced_until", queries.orders_changed_since, known_changes.unknown_orders),
        Feed(
            "fulfillment_orders",
            "fulfillment_orders_synced_until",
            queries.fulfillment_orders_changed_since,
            known_changes.unknown_fulfillment_orders,
        ),
    )
}


def backfill_all() -> int:
    """Request the backfills of every active shop; returns how many shops."""
    shops = list(Shop.objects.filter(is_active=True))
    for shop in shops:
        request(shop)
    return len(shops)


def request(shop: Shop) -> None:
    """Enqueue a backfill of each feed of the shop, unless one waits or runs already."""
    for name in FEEDS:
        if not jobs.orders.backfill_pending(shop, name):
            jobs.orders.backfill(shop, name)


def start_from(shop: Shop, since: datetime) -> None:
    """Set the watermarks back to `since`, never forward, and enqueue both backfills; a running one runs once more."""
    with transaction.atomic():
        for feed in FEEDS.values():
            ahead = Q(**{f"{feed.watermark}__isnull": True}) | Q(**{f"{feed.watermark}__gt": since})
            Shop.objects.filter(ahead, id=shop.id).update(**{feed.watermark: since})
            jobs.orders.backfill(shop, feed.name)


def page(shop_pk: ShopPk, feed_name: str, progress: BackfillProgress | None = None) -> int:
    """Read one page of changes and enqueue a reading of each order that we do not know as it is; returns how many.

    Without `progress` it begins at the watermark. Each page is one run of the same job, so a backfill that is over
    budget continues at its page later. Only the last page moves the watermark. A permanent failure raises an alert, and
    the next tick begins again. Raises what `shops.api.client.execute` raises, except Permanent.
    """
    shop, feed = Shop.objects.get(id=shop_pk), FEEDS[feed_name]
    if not shop.is_active:
        return 0
    progress = progress or _start(shop, feed)
    try:
        found = feed.read(shop, progress.asked, cursor=progress.cursor, first=PAGE)
    except Permanent as error:
        _report(shop, feed, str(error))
        return 0
    return _record(shop, feed, progress, found)


def _start(shop: Shop, feed: Feed) -> BackfillProgress:
    """The first page: from the watermark on, with the overlap; from a day ago for a shop without a watermark."""
    since = getattr(shop, feed.watermark) or timezone.now() - FIRST_LOOK_BACK
    return BackfillProgress(since=since, asked=since - OVERLAP)


@transaction.atomic
def _record(shop: Shop, feed: Feed, progress: BackfillProgress, found: ChangesPage) -> int:
    """Enqueue the readings and the next page, or move the watermark after the last page; returns how many readings."""
    stale = dict.fromkeys(change.shopify_order_id for change in feed.unknown(shop, found.changes))
    for order_id in stale:
        jobs.orders.read_order(shop, order_id, priority=Priority.LOW)
    progress = _advance(progress, found)
    if found.next_cursor:
        jobs.orders.backfill(shop, feed.name, progress)
    else:
        _move_watermark(shop, feed, progress)
        alerts.orders.BACKFILL_FAILED.close(_subject(shop, feed))
    logger.info(
        "backfilled",
        shop=shop.id,
        feed=feed.name,
        seen=len(found.changes),
        to_read=len(stale),
        more=bool(found.next_cursor),
    )
    return len(stale)


def _advance(progress: BackfillProgress, found: ChangesPage) -> BackfillProgress:
    """The progress after a page; after PAGES_OF_A_QUERY pages a new query begins at the newest change. Pure."""
    newest = max([change.updated_at for change in found.changes], default=progress.newest)
    advanced = replace(
        progress,
        cursor=found.next_cursor,
        pages=progress.pages + 1,
        newest=newest,
        until=progress.until or found.asked_at,
    )
    if advanced.pages >= PAGES_OF_A_QUERY and newest and newest > progress.asked:
        return replace(advanced, asked=newest, cursor=None, pages=0)
    return advanced


def _move_watermark(shop: Shop, feed: Feed, progress: BackfillProgress) -> None:
    """Move the watermark to the beginning of this backfill by Shopify's clock, or else to the newest change.

    If a person set it back meanwhile, it stays there.
    """
    until = progress.until or progress.newest
    if until is None:
        return
    unset = Q(**{f"{feed.watermark}__isnull": True})
    not_set_back = Q(**{f"{feed.watermark}__gte": progress.since})
    Shop.objects.filter(unset | not_set_back, id=shop.id).update(**{feed.watermark: until})


def _subject(shop: Shop, feed: Feed) -> Subject:
    return backfill_subject(shop.domain, feed.name)


@transaction.atomic
def _report(shop: Shop, feed: Feed, error: str) -> None:
    alerts.orders.backfill_failed(
        shop, subject=_subject(shop, feed), feed=feed.name.replace("_", " "), error=error
    )
