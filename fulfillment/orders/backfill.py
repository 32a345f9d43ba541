"""Making up for webhooks that never came: what changed at Shopify since a watermark, read in pages within the budget.

Two lists are followed, each with a watermark of its own: orders, and fulfilment orders, whose holds, moves and dates
need not change their order. Watermarks are Shopify's time, never ours: a clock that is wrong loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from fulfillment import alerts, jobs
from fulfillment.jobs.orders import Place
from fulfillment.models import FulfillmentOrder, Order
from fulfillment.refs import backfill_subject
from fulfillment.shopify import queries
from fulfillment.shopify.queries import Changed
from ops.errors import Permanent
from ops.models import Priority
from ops.refs import Subject
from shops.ids import ShopPk
from shops.models import Shop

logger = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=10)
"""Search results at Shopify lag behind; what is read twice changes nothing."""

FIRST_LOOK_BACK = timedelta(days=1)
PAGE = 50
PAGES_OF_A_QUERY = 400
"""Shopify ends a list after 25,000 objects: before that the rest is asked for anew, by time."""


@dataclass(frozen=True)
class Feed:
    """A list at Shopify, and how far it is read.

    `watermark` is the shop's field; `known` tells by id up to when we know the things.
    """

    name: str
    watermark: str
    read: Callable[..., Changed]
    known: Callable[[Shop, Collection[int]], dict[int, datetime | None]]


def _known_orders(shop: Shop, ids: Collection[int]) -> dict[int, datetime | None]:
    rows = Order.objects.filter(shop=shop, shopify_order_id__in=ids)
    return dict(rows.values_list("shopify_order_id", "shopify_updated_at"))


def _known_fulfillment_orders(shop: Shop, ids: Collection[int]) -> dict[int, datetime | None]:
    rows = FulfillmentOrder.objects.filter(order__shop=shop, shopify_fulfillment_order_id__in=ids)
    return dict(rows.values_list("shopify_fulfillment_order_id", "shopify_updated_at"))


FEEDS = {
    feed.name: feed
    for feed in (
        Feed("orders", "orders_synced_until", queries.orders_changed_since, _known_orders),
        Feed(
            "fulfillment_orders",
            "fulfillment_orders_synced_until",
            queries.fulfillment_orders_changed_since,
            _known_fulfillment_orders,
        ),
    )
}


def backfill_all() -> int:
    """Enqueue the backfills of every active shop, but for those under way; returns how many shops."""
    shops = list(Shop.objects.filter(is_active=True))
    for shop in shops:
        request(shop)
    return len(shops)


def request(shop: Shop) -> None:
    """Have read what changed at the shop since its watermarks, unless that is under way."""
    for name in FEEDS:
        if not jobs.backfill_under_way(shop, name):
            jobs.backfill(shop, name)


def start_from(shop: Shop, since: datetime) -> None:
    """Set the watermarks back to `since` (never forward) and enqueue the backfills, anew where one is under way."""
    with transaction.atomic():
        for feed in FEEDS.values():
            ahead = Q(**{f"{feed.watermark}__isnull": True}) | Q(**{f"{feed.watermark}__gt": since})
            Shop.objects.filter(ahead, id=shop.id).update(**{feed.watermark: since})
            jobs.backfill(shop, feed.name)


def page(shop_pk: ShopPk, feed_name: str, place: Place | None = None) -> int:
    """Read one page of what changed and have those orders read in full that we know less of; returns how many.

    Without a place it begins at the watermark. Each page is a run of the same job, so over budget it waits where it
    stands; only the last one moves the watermark. What fails for good is alerted and begun anew at the next tick.
    Raises what `shops.api.client.execute` raises, but Permanent.
    """
    shop, feed = Shop.objects.get(id=shop_pk), FEEDS[feed_name]
    if not shop.is_active:
        return 0
    here = place or _beginning(shop, feed)
    try:
        found = feed.read(shop, here.asked, cursor=here.cursor, first=PAGE)
    except Permanent as error:
        _report(shop, feed, str(error))
        return 0
    return _record(shop, feed, here, found)


def _beginning(shop: Shop, feed: Feed) -> Place:
    since = getattr(shop, feed.watermark) or timezone.now() - FIRST_LOOK_BACK
    return Place(since=since, asked=since - OVERLAP)


@transaction.atomic
def _record(shop: Shop, feed: Feed, place: Place, found: Changed) -> int:
    known = feed.known(shop, [thing.id for thing in found.things])
    stale = dict.fromkeys(
        thing.shopify_order_id
        for thing in found.things
        if (until := known.get(thing.id)) is None or until < thing.updated_at
    )
    for order_id in stale:
        jobs.read_order(shop, order_id, priority=Priority.LOW)
    here = _behind(place, found)
    if found.next_cursor:
        jobs.backfill(shop, feed.name, here)
    else:
        _move_watermark(shop, feed, here)
        alerts.orders.BACKFILL_FAILED.close(_subject(shop, feed))
    logger.info(
        "backfilled",
        shop=shop.id,
        feed=feed.name,
        seen=len(found.things),
        to_read=len(stale),
        more=bool(found.next_cursor),
    )
    return len(stale)


def _behind(place: Place, found: Changed) -> Place:
    """The place behind a page. Pure."""
    newest = max([thing.updated_at for thing in found.things], default=place.newest)
    here = replace(
        place,
        cursor=found.next_cursor,
        pages=place.pages + 1,
        newest=newest,
        until=place.until or found.asked_at,
    )
    if here.pages >= PAGES_OF_A_QUERY and newest and newest > place.asked:
        return replace(here, asked=newest, cursor=None, pages=0)
    return here


def _move_watermark(shop: Shop, feed: Feed, place: Place) -> None:
    """To when this backfill began by Shopify's clock, else to the newest change that was seen; not when a person set it
    back meanwhile."""
    until = place.until or place.newest
    if until is None:
        return
    unset = Q(**{f"{feed.watermark}__isnull": True})
    not_set_back = Q(**{f"{feed.watermark}__gte": place.since})
    Shop.objects.filter(unset | not_set_back, id=shop.id).update(**{feed.watermark: until})


def _subject(shop: Shop, feed: Feed) -> Subject:
    return backfill_subject(shop.domain, feed.name)


@transaction.atomic
def _report(shop: Shop, feed: Feed, error: str) -> None:
    alerts.orders.backfill_failed(
        shop, subject=_subject(shop, feed), feed=feed.name.replace("_", " "), error=error
    )
