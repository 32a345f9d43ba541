"""Reads orders again without a webhook: because time has passed, or because the settings of the shop changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from fulfillment import jobs
from fulfillment.models import FulfillmentOrder, Order
from fulfillment.models.states import OrderState
from fulfillment.readiness import OPEN_STATUSES
from fulfillment.shopify import our_locations
from ops.models import Priority
from shops.ids import ShopPk
from shops.models import Shop

REREAD = timedelta(hours=3)
LONGEST_WAIT = timedelta(days=59)
"""Shopify shows older orders only to apps with the scope read_all_orders."""

PAGE = 500
UNSENT = [str(state) for state in (OrderState.WAITING, OrderState.READY, OrderState.HELD)]


def waiting(limit: int = 200) -> int:
    """Have orders that wait for Shopify read again every few hours, in case a webhook was lost; returns how many."""
    found = Order.objects.filter(
        state=OrderState.WAITING,
        read_at__lt=Now() - REREAD,
        shop__is_active=True,
        received_at__gt=Now() - LONGEST_WAIT,
    )
    return _read(found.order_by("read_at")[:limit])


def deferred_units_due(limit: int = 200) -> int:
    """Have orders read that have deferred units whose date has come; returns how many.

    Neither the state of their other units nor their age matters.
    """
    found = Order.objects.filter(
        deferred_until__lte=Now(),
        read_at__lt=F("deferred_until"),
        shop__is_active=True,
        cancelled_at__isnull=True,
    )
    return _read(found.order_by("deferred_until")[:limit])


def settings_changed(shop_pk: ShopPk, after: int = 0) -> int | None:
    """After a change of a shop's settings, have a page of its unsent orders read: those after our id `after`.

    Returns `after` for the next page, or None at the end.
    """
    found = Order.objects.filter(shop_id=shop_pk, state__in=UNSENT, id__gt=after)
    return _read_page(found.filter(received_at__gt=Now() - LONGEST_WAIT))


def at_new_locations(shop_pk: ShopPk, after: int = 0) -> int | None:
    """Have a page of orders read that have open fulfilment orders at a location that has become ours.

    Takes and returns the same as `settings_changed`.
    """
    shop = Shop.objects.get(id=shop_pk)
    locations = our_locations.of(shop)
    not_ours = FulfillmentOrder.objects.filter(is_ours=False, status__in=OPEN_STATUSES, order__shop=shop)
    at_ours = Q(location_id__in=locations.ids)
    if locations.everywhere:
        at_ours |= Q(at_foreign_service=False)
    return _read_page(Order.objects.filter(id__in=not_ours.filter(at_ours).values("order"), id__gt=after))


def _read_page(orders: QuerySet[Order]) -> int | None:
    """Have the first page of these orders read; returns our id of its last order if there may be a next page."""
    page = list(orders.select_related("shop").order_by("id")[:PAGE])
    _read(page)
    return page[-1].id if len(page) == PAGE else None


def _read(orders: Iterable[Order]) -> int:
    found = list(orders.select_related("shop") if isinstance(orders, QuerySet) else orders)
    for order in found:
        jobs.orders.read_order(order.shop, order.shopify_order_id, priority=Priority.LOW)
    return len(found)
