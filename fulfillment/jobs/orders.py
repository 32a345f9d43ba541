"""The job kinds that read orders at Shopify."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fulfillment.refs import fulfillment_order_subject, order_subject
from fulfillment.shopify.queries import ORDERS_PER_READ
from ops.models import Priority
from ops.queue.jobs import is_pending
from ops.queue.kinds import AT_ONCE, JobKind
from ops.queue.queues import Queue
from shops.ids import FulfillmentOrderId, ShopifyOrderId, ShopPk
from shops.jobs import SCOPES
from shops.models import Shop
from shops.refs import shop_pk_subject


@dataclass(frozen=True)
class ShopifyOrderPayload:
    """An order of a shop, by Shopify's id."""

    shop: ShopPk
    order: ShopifyOrderId


READ_ORDERS = JobKind(
    "fulfillment.read_orders",
    ShopifyOrderPayload,
    queue=Queue.SUBMISSION,
    priority=Priority.HIGH,
    batch_size=ORDERS_PER_READ,
    work="read the order at Shopify",
    if_dead="Here the order stands as it was read before, or not at all.",
    remedy=SCOPES,
)


def read_order(
    shop: Shop,
    shopify_order_id: ShopifyOrderId,
    *,
    delay: timedelta = AT_ONCE,
    priority: Priority = Priority.HIGH,
) -> None:
    """Have an order read at Shopify, however many webhooks there are of it."""
    READ_ORDERS.enqueue(
        ShopifyOrderPayload(shop.id, shopify_order_id),
        key=f"read:{shop.id}:{shopify_order_id}",
        lane=shop.lane,
        subject=order_subject(shop.id, shopify_order_id),
        priority=priority,
        delay=delay,
    )


@dataclass(frozen=True)
class FulfillmentOrderPayload:
    """A fulfilment order of a shop, by Shopify's id."""

    shop: ShopPk
    fulfillment_order: FulfillmentOrderId


FIND_ORDER = JobKind(
    "fulfillment.find_order",
    FulfillmentOrderPayload,
    queue=Queue.SUBMISSION,
    priority=Priority.HIGH,
    work="ask Shopify which order a fulfilment order belongs to",
    if_dead="A change of that order may be unknown here.",
)


def find_order(shop: Shop, fulfillment_order_id: FulfillmentOrderId) -> None:
    """Have Shopify asked which order a fulfilment order belongs to, then have that order read."""
    FIND_ORDER.enqueue(
        FulfillmentOrderPayload(shop.id, fulfillment_order_id),
        key=f"find-order:{shop.id}:{fulfillment_order_id}",
        lane=shop.lane,
        subject=fulfillment_order_subject(shop.id, fulfillment_order_id),
    )


@dataclass(frozen=True)
class Place:
    """Where a backfill stands: it began at the watermark `since`, asks for what changed from `asked` on, and goes on
    behind `cursor`. `until` is where the watermark will stand, in Shopify's time."""

    since: datetime
    asked: datetime
    cursor: str | None = None
    pages: int = 0
    newest: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class BackfillPayload:
    """A feed of a shop; without a place it begins at the watermark."""

    shop: ShopPk
    feed: str
    place: Place | None


BACKFILL = JobKind(
    "fulfillment.backfill",
    BackfillPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.LOW,
    work="read what changed at the shop",
    if_dead="Missed webhooks stay missed.",
    remedy=SCOPES,
)


def backfill(shop: Shop, feed: str, place: Place | None = None) -> None:
    """Have a page read of what changed at a shop: at the given place, else from the watermark on. One job per feed."""
    BACKFILL.enqueue(
        BackfillPayload(shop.id, feed, place),
        key=_backfill_key(shop, feed),
        lane=shop.lane,
        subject=shop_pk_subject(shop.id),
    )


def backfill_under_way(shop: Shop, feed: str) -> bool:
    """Whether a backfill of this feed waits or runs. A dead one does not: it is begun anew."""
    return is_pending(_backfill_key(shop, feed))


def _backfill_key(shop: Shop, feed: str) -> str:
    return f"backfill:{shop.id}:{feed}"
