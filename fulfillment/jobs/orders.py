"""The job kinds that read orders at Shopify."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fulfillment.refs import fulfillment_order_subject, order_subject
from fulfillment.shopify import search
from ops.models import Priority
from ops.queue.jobs import NewJob, is_delayed, is_pending
from ops.queue.kinds import AT_ONCE, JobKind
from ops.queue.queues import Queue
from ops.refs import LaneName
from shops.ids import FulfillmentOrderId, ShopifyOrderId, ShopPk
from shops.jobs import SCOPES
from shops.models import Shop
from shops.refs import shop_pk_subject


@dataclass(frozen=True)
class ShopifyOrderPayload:
    """An order of a shop, by Shopify's id."""

    shop: ShopPk
    order: ShopifyOrderId


@dataclass(frozen=True)
class ReadingPayload(ShopifyOrderPayload):
    """An order to read. `for_webhooks`: only webhooks about the order asked for it, so if what they tell is known, it
    need not be read."""

    for_webhooks: bool | None = None


READ_ORDERS = JobKind(
    "fulfillment.read_orders",
    ReadingPayload,
    queue=Queue.SUBMISSION,
    priority=Priority.HIGH,
    batch_size=search.MOST_ORDERS,
    work="read the order at Shopify",
    if_dead="We know the order as it was at the last reading, or not at all.",
    remedy=SCOPES,
)


def reading(
    shop_pk: ShopPk,
    shopify_order_id: ShopifyOrderId,
    *,
    lane: LaneName,
    delay: timedelta = AT_ONCE,
    priority: Priority = Priority.HIGH,
    for_webhooks: bool = False,
) -> NewJob:
    """The reading of an order at Shopify. Several webhooks about the order lead to one reading.

    `for_webhooks`: a stored webhook about the order asks for it. Whoever else asked for it before still gets it.
    """
    return READ_ORDERS.new(
        ReadingPayload(shop_pk, shopify_order_id, for_webhooks or None),
        key=_reading_key(shop_pk, shopify_order_id),
        lane=lane,
        subject=order_subject(shop_pk, shopify_order_id),
        priority=priority,
        delay=delay,
        yields=for_webhooks,
    )


def _reading_key(shop_pk: ShopPk, shopify_order_id: ShopifyOrderId) -> str:
    return f"{reading_keys(shop_pk)}{shopify_order_id}"


def reading_keys(shop_pk: ShopPk) -> str:
    """How the keys of a shop's readings begin. The rest is Shopify's id of the order."""
    return f"read:{shop_pk}:"


def read_order(
    shop: Shop,
    shopify_order_id: ShopifyOrderId,
    *,
    delay: timedelta = AT_ONCE,
    priority: Priority = Priority.HIGH,
) -> None:
    """Have an order read at Shopify."""
    reading(shop.id, shopify_order_id, lane=shop.lane, delay=delay, priority=priority).enqueue()


ECHO_DELAY = timedelta(seconds=2)
"""Within this time Shopify mostly tells us of our own fulfilment. That asks for the same reading, so there is one."""


def read_once_echoed(shop: Shop, shopify_order_id: ShopifyOrderId) -> None:
    """A moment later, have an order read of which the last reading may be without a fulfilment of ours."""
    read_order(shop, shopify_order_id, delay=ECHO_DELAY)


@dataclass(frozen=True)
class FulfillmentOrderPayload:
    """A fulfilment order of a shop, by Shopify's id. `noticed_at`: when a webhook came that named it.

    `in_any_case`: the order is to be read even if it was read since.
    """

    shop: ShopPk
    fulfillment_order: FulfillmentOrderId
    noticed_at: datetime | None = None
    in_any_case: bool | None = None


FIND_ORDER = JobKind(
    "fulfillment.find_order",
    FulfillmentOrderPayload,
    queue=Queue.SUBMISSION,
    priority=Priority.HIGH,
    batch_size=50,
    work="find out which order a fulfilment order belongs to, and have it read",
    if_dead="We may not know of a change of that order.",
)

FIND_DELAY = timedelta(seconds=2)
"""Shopify reports a new fulfilment order together with its order. A moment later the order is read, and nobody has to
be asked whose the fulfilment order is."""


def find_order(
    shop: Shop, fulfillment_order_id: FulfillmentOrderId, *, noticed_at: datetime, in_any_case: bool
) -> None:
    """A moment later, have the order read that a fulfilment order belongs to, unless it was read meanwhile.

    Each notice is a job of its own: an older one that is worked later says nothing of what a newer one reports.
    """
    FIND_ORDER.new(
        FulfillmentOrderPayload(shop.id, fulfillment_order_id, noticed_at, in_any_case or None),
        key=f"find-order:{shop.id}:{fulfillment_order_id}:{noticed_at.isoformat()}",
        lane=shop.lane,
        subject=fulfillment_order_subject(shop.id, fulfillment_order_id),
        delay=FIND_DELAY,
    ).enqueue()


def is_changed_one_sought(shop: Shop) -> bool:
    """Whether the order of a fulfilment order is still to be found that is to be read in any case."""
    return is_pending(kinds=[FIND_ORDER.name], lane=shop.lane, payload={"in_any_case": True})


def is_one_noticed_since_reading(shop: Shop, shopify_order_id: ShopifyOrderId) -> bool:
    """Whether a webhook named a fulfilment order that we do not know since the last reading of an order began."""
    return is_delayed(
        FIND_ORDER.name,
        lane=shop.lane,
        priority=FIND_ORDER.priority,
        since_run_of=_reading_key(shop.id, shopify_order_id),
    )


@dataclass(frozen=True)
class BackfillProgress:
    """How far a backfill has come. All times are Shopify's.

    It began at the watermark `since`; its query asks for changes from `asked` on; `pages` pages of this query are read,
    up to `cursor`. `newest` is the newest change so far, `until` the next watermark.
    """

    since: datetime
    asked: datetime
    cursor: str | None = None
    pages: int = 0
    newest: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class BackfillPayload:
    """A feed of a shop. `place` is how far the backfill has come; without it, it begins at the watermark."""

    shop: ShopPk
    feed: str
    place: BackfillProgress | None


BACKFILL = JobKind(
    "fulfillment.backfill",
    BackfillPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.LOW,
    work="read what changed at the shop",
    if_dead="Changes whose webhooks were lost stay unknown.",
    remedy=SCOPES,
)


def backfill(shop: Shop, feed: str, progress: BackfillProgress | None = None) -> None:
    """Have the next page of a feed read; without `progress` the first one after the watermark. One job per feed."""
    BACKFILL.new(
        BackfillPayload(shop.id, feed, progress),
        key=_backfill_key(shop, feed),
        lane=shop.lane,
        subject=shop_pk_subject(shop.id),
    ).enqueue()


def backfill_pending(shop: Shop, feed: str) -> bool:
    """Whether a backfill of this feed waits or runs. A dead letter does not count: the backfill begins again."""
    return is_pending(_backfill_key(shop, feed))


def _backfill_key(shop: Shop, feed: str) -> str:
    return f"backfill:{shop.id}:{feed}"
