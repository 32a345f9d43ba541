"""Making up for notices that never came: what changed at Shopify since a watermark, read in pages within the budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from fulfillment import enqueue, reading
from fulfillment.models import Order
from fulfillment.states import OrderState, Reason
from ops.models import Priority
from shops.models import Shop

logger = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=10)
"""Search results at Shopify lag behind; what is read twice changes nothing."""

FIRST_LOOK_BACK = timedelta(days=1)
PAGE = 50
REREAD_SOON = timedelta(minutes=15)
REREAD_SLOWLY = timedelta(hours=3)
LONGEST_WAIT = timedelta(days=59)
"""Older orders cannot be read without the scope read_all_orders."""


@dataclass(frozen=True)
class Place:
    """Where a backfill stands: it reads what changed since `since`, began at `began`, and goes on behind `cursor`."""

    since: datetime
    began: datetime
    cursor: str | None


def backfill_all() -> int:
    """Enqueue a backfill for every active shop; returns how many."""
    shops = list(Shop.objects.filter(is_active=True))
    for shop in shops:
        enqueue.backfill(shop)
    return len(shops)


def start_from(shop: Shop, since: datetime) -> None:
    """Set the watermark back to `since` and enqueue the backfill."""
    with transaction.atomic():
        Shop.objects.filter(id=shop.id).update(orders_synced_until=since)
        enqueue.backfill(shop)


def start(shop_id: int) -> int:
    """Begin to read what changed since the watermark, unless that is under way; returns how many orders are to be read.

    Raises what `shops.client.execute` raises.
    """
    shop = Shop.objects.get(id=shop_id)
    if not shop.is_active or enqueue.backfill_under_way(shop):
        return 0
    began = timezone.now()
    since = shop.orders_synced_until or began - FIRST_LOOK_BACK
    return page(shop_id, Place(since=since, began=began, cursor=None))


def page(shop_id: int, place: Place) -> int:
    """Read one page of changed orders and have those read in full that we know less of; returns how many.

    Each page is a job of its own, so over budget it waits where it stands. Only the last one moves the watermark.
    Raises what `shops.client.execute` raises.
    """
    shop = Shop.objects.get(id=shop_id)
    found = reading.changed_since(shop, place.since - OVERLAP, cursor=place.cursor, first=PAGE)
    return _record(shop, place, found)


@transaction.atomic
def _record(shop: Shop, place: Place, found: reading.Changed) -> int:
    ids = [order_id for order_id, _ in found.orders]
    orders = Order.objects.filter(shop=shop, shopify_order_id__in=ids)
    known = dict(orders.values_list("shopify_order_id", "shopify_updated_at"))
    stale = [order_id for order_id, at in found.orders if order_id not in known or known[order_id] < at]
    for order_id in stale:
        enqueue.read(shop, order_id, priority=Priority.LOW)
    if found.next_cursor:
        enqueue.backfill_page(shop, since=place.since, began=place.began, cursor=found.next_cursor)
    else:
        _move_watermark(shop, place)
    logger.info(
        "orders_backfilled", shop=shop.id, seen=len(ids), to_read=len(stale), more=bool(found.next_cursor)
    )
    return len(stale)


def _move_watermark(shop: Shop, place: Place) -> None:
    """To when this backfill began, unless a person set it back meanwhile."""
    not_set_back = Q(orders_synced_until__isnull=True) | Q(orders_synced_until__gte=place.since)
    Shop.objects.filter(not_set_back, id=shop.id).update(orders_synced_until=place.began)


def reread_waiting(limit: int = 200) -> int:
    """Have orders read again that wait for Shopify: soon where a notice may be lost, else every few hours.

    Returns how many. The slow ones go on when the shop's own policy was changed, which no notice tells.
    """
    by_itself = Q(reason__in=[Reason.NO_FULFILLMENT_ORDERS, Reason.ON_HOLD, Reason.SCHEDULED])
    overdue = Q(read_at__lt=Now() - REREAD_SLOWLY) | by_itself & Q(read_at__lt=Now() - REREAD_SOON)
    waiting = (
        Order.objects.filter(
            overdue, state=OrderState.WAITING, shop__is_active=True, received_at__gt=Now() - LONGEST_WAIT
        )
        .select_related("shop")
        .order_by("read_at")[:limit]
    )
    for order in waiting:
        enqueue.read(order.shop, order.shopify_order_id, priority=Priority.LOW)
    return len(waiting)
