"""Making up for notices that never came: what changed at Shopify since a watermark, read in pages within the budget."""

from __future__ import annotations

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


def backfill(shop_id: int) -> int:
    """Read one page of changed orders and have those read in full that we know less of; returns how many.

    The watermark moves to the last change seen, so a run that dies is repeated and a long backlog goes page by page.
    Raises what `shops.client.execute` raises.
    """
    shop = Shop.objects.get(id=shop_id)
    if not shop.is_active:
        return 0
    began = timezone.now()
    since = shop.orders_synced_until or began - FIRST_LOOK_BACK
    page = reading.changed_since(shop, since - OVERLAP, cursor=None, first=PAGE)
    changes = list(page.orders)
    while page.next_cursor and changes[-1][1] <= since:
        page = reading.changed_since(shop, since - OVERLAP, cursor=page.next_cursor, first=PAGE)
        changes += page.orders
    reached = changes[-1][1] if page.next_cursor else began
    return _record(shop, changes, seen=since, reached=reached, more=page.next_cursor is not None)


@transaction.atomic
def _record(
    shop: Shop, changes: list[tuple[int, datetime]], *, seen: datetime, reached: datetime, more: bool
) -> int:
    known = dict(
        Order.objects.filter(
            shop=shop, shopify_order_id__in=[order_id for order_id, _ in changes]
        ).values_list("shopify_order_id", "shopify_updated_at")
    )
    stale = [order_id for order_id, at in changes if order_id not in known or known[order_id] < at]
    for order_id in stale:
        enqueue.read(shop, order_id, priority=Priority.LOW)
    rows = Shop.objects.filter(id=shop.id)
    moved = rows.filter(orders_synced_until=shop.orders_synced_until).update(
        orders_synced_until=max(seen, reached)
    )
    if more and moved:
        enqueue.backfill(shop)
    logger.info("orders_backfilled", shop=shop.id, seen=len(changes), to_read=len(stale), more=more)
    return len(stale)


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
