"""The job kinds of stock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from inventory.refs import reconcile_subject
from ops.models import Priority
from ops.queue.kinds import AT_ONCE, JobKind
from ops.queue.queues import Queue
from ops.refs import LaneName
from shops.ids import ShopPk
from shops.jobs import SCOPES, ShopPayload
from skumap.jobs import MAPPED
from skumap.refs import stock_subject
from wms.ids import ConnectionPk
from wms.jobs import STOCK_SCOPE_CHANGED, from_callback
from wms.models import Connection

STOCK_REPORTED = from_callback(
    "inventory",
    queue=Queue.INVENTORY,
    work="note a stock figure",
    if_dead="The next figure, or the reconciliation every 15 minutes, makes up for it.",
    batch_size=50,
)
PUSH_MAPPED = JobKind.of(
    MAPPED,
    queue=Queue.INVENTORY,
    work="have Shopify told of the stock of variants that were mapped",
    if_dead="Their stock in Shopify is as before until it moves, or until the daily comparison.",
)
CHECK_SCOPE = JobKind.of(
    STOCK_SCOPE_CHANGED,
    queue=Queue.INVENTORY,
    work="look whether a changed warehouse's stock has to be told anew",
    if_dead="Its stock in Shopify may be as before the change, until the daily comparison.",
)

PUSH = JobKind(
    "inventory.push",
    ShopPayload,
    queue=Queue.INVENTORY,
    priority=Priority.HIGH,
    work="tell Shopify what is in stock",
    if_dead="Shopify may sell what is not there.",
    remedy=SCOPES,
)


def push(shop_pk: ShopPk, *, lane: LaneName, delay: timedelta = AT_ONCE) -> None:
    """Enqueue the shop's only push job; a further request while it waits joins it.

    It is as urgent as orders and has a partition of its own, because in a flash sale old stock at Shopify is the worst
    fault.
    """
    PUSH.new(
        ShopPayload(shop_pk),
        key=f"{PUSH.name}:{shop_pk}",
        lane=lane,
        subject=stock_subject(shop_pk),
        partition="stock",
        delay=delay,
    ).enqueue()


@dataclass(frozen=True)
class ReconcilePayload:
    """A connection; `full`: everything is read, not only what changed since the watermark."""

    connection: ConnectionPk
    full: bool = False


RECONCILE = JobKind(
    "inventory.reconcile",
    ReconcilePayload,
    queue=Queue.INVENTORY,
    priority=Priority.LOW,
    work="read stock from the WMS",
    if_dead="Figures that no callback told of are old until the next reconciliation.",
)


def reconcile(connection: Connection, *, full: bool = False) -> None:
    """Enqueue the connection's only reconciliation job; each page is a run of it."""
    RECONCILE.new(
        ReconcilePayload(connection.id, full),
        key=f"{RECONCILE.name}:{connection.pk}",
        lane=connection.lane,
        subject=reconcile_subject(connection.slug),
    ).enqueue()
