"""Erases customers' data once their orders need it no more.

The order stays, without the person: what was given to a warehouse must be known for ever, so that it is not sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from fulfillment import coverage, jobs
from fulfillment.models import Order, Return, WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.readiness import DEFERRING_REASONS
from fulfillment.refs import external_subject, order_key, order_subject
from fulfillment.wms_order_states import MAY_BE_SENT
from ops import secrets
from ops.errors import Blocked, Throttled
from ops.queue import retention
from ops.queue.jobs import wake
from ops.queue.retention import Cleanup
from shops.ids import ShopifyOrderId
from shops.models import Shop

logger = structlog.get_logger(__name__)

N = TypeVar("N", bound=int)

BATCH = 100
ORDERS_AT_ONCE = 5_000
"""One statement handles this many of the orders that a webhook names. It may name a hundred thousand."""

AT_REST = [
    str(state)
    for state in (
        OrderState.SHIPPED,
        OrderState.CANCELLED,
        OrderState.NOTHING_TO_SHIP,
        OrderState.WAITING,
    )
]
"""These orders have nothing to send now. One that waits for Shopify is read before it goes, and the reading brings the
address back."""

WAITING = str(OrderState.WAITING)
_DEFERRED = Q(state=WAITING, reason__in=[str(reason) for reason in DEFERRING_REASONS])
"""Units of these orders go later, so the address is kept as long as that of an unfinished order."""

UNFINISHED = [state for state in OrderState.values if state not in AT_REST]
_WMS_WORDS = [str(Reason.WMS_REJECTED), str(Reason.WMS_CANCELLED)]


def erase_due() -> dict[str, int]:
    """Erase the customer's data of orders that are finished, or that nothing happened to, for long enough."""
    return retention.run_cleanups(cleanups())


def cleanups() -> list[Cleanup]:
    """The cleanups of `erase_due`."""
    rested = timedelta(days=settings.KEEP_PERSONAL_DATA_DAYS)
    stuck = timedelta(days=settings.KEEP_PERSONAL_DATA_AT_MOST_DAYS)
    return [
        Cleanup("orders_erased", partial(_erase_older, AT_REST, rested, ~_DEFERRED)),
        Cleanup("unfinished_orders_erased", partial(_erase_older, UNFINISHED, stuck)),
        Cleanup("orders_with_a_part_to_come_erased", partial(_erase_older, [WAITING], stuck, _DEFERRED)),
    ]


def _erase_older(states: Iterable[str], age: timedelta, which: Q | None = None) -> int:
    """Erase one batch of orders that have been in their state for longer than `age`; returns how many."""
    return _erase_by_state(states, (which or Q()) & Q(state_since__lt=Now() - age))


def _erase_by_state(states: Iterable[str], which: Q) -> int:
    """Erase one batch, of one state only: for several states the planner would scan the table. Returns how many."""
    batches = (_erase(Q(state=state) & which) for state in states)
    return next((erased for erased in batches if erased), 0)


@transaction.atomic
def _erase(which: Q) -> int:
    """Erase one batch; orders that are locked are left to the next tick. Returns how many."""
    free = Order.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        which, erased_at__isnull=True
    )
    orders = list(free.order_by("state_since").only("id", "shop_id", "shopify_order_id")[:BATCH])
    if not orders:
        return 0
    ids = [order.id for order in orders]
    chosen = Order.objects.filter(id__in=ids)
    chosen.update(ship_to="", erased_at=Now())
    chosen.filter(reason__in=_WMS_WORDS).update(reason_detail="")
    parts = WmsOrder.objects.filter(order_id__in=ids)
    parts.exclude(outcome_detail="").update(outcome_detail="")
    Return.objects.filter(wms_order__order_id__in=ids).exclude(label_url="").update(label_url="")
    retention.erase(
        [
            *(order.subject for order in orders),
            *(external_subject(name) for name in parts.order_by().values_list("external_id", flat=True)),
        ]
    )
    return len(orders)


def restore_if_needed(order: Order, address: str) -> bool:
    """Store the erased address of an order again if any units are still to be sent; returns whether it was needed.

    The caller has locked the order.
    """
    to_be_sent = order.wms_orders.filter(wms_status__in=MAY_BE_SENT).exists()
    if not (to_be_sent or coverage.measure(order).uncovered):
        return False
    Order.objects.filter(id=order.id).update(
        ship_to=secrets.sealed(order, "ship_to", address), erased_at=None
    )
    wake(order_key(order.id))
    logger.info("address_restored", order=order.id, shop=order.shop_id)
    return True


def require_address(order: Order) -> None:
    """Make sure that the address is there before an order is sent.

    If it was erased, has the order read again, and raises Blocked until the reading has brought the address back.
    """
    if order.erased_at is None:
        return
    jobs.orders.read_order(order.shop, order.shopify_order_id)
    raise Blocked(
        "the address was erased; it comes back with the next reading, if Shopify still wants the order sent",
        on=[order_key(order.id)],
        recheck=Order.objects.filter(id=order.id, erased_at__isnull=False).exists,
    )


def redact_customer(shop: Shop, shopify_order_ids: Iterable[ShopifyOrderId]) -> None:
    """Erase the customer's data of these orders, in whatever state they are, because Shopify asks for it."""
    wanted = sorted(set(shopify_order_ids))
    for some in _chunks(wanted, ORDERS_AT_ONCE):
        known = Order.objects.filter(shop=shop, shopify_order_id__in=some).order_by("id")
        for ids in _chunks(list(known.values_list("id", flat=True)), BATCH):
            with transaction.atomic():
                list(Order.objects.select_for_update().filter(id__in=ids).order_by("id"))
                _erase(Q(id__in=ids))
        with transaction.atomic():
            retention.erase(retention.mentioned([order_subject(shop.id, number) for number in some]))
    logger.info("customer_redacted", shop=shop.id, orders=len(wanted))


def _chunks(numbers: list[N], size: int) -> Iterator[list[N]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def redact_shop(shop: Shop) -> None:
    """Erase the data of all customers of a shop, because Shopify asks for it 48 hours after the app was removed.

    Raises Throttled while there is more than one run can do.
    """
    retention.run_cleanups(
        [Cleanup("orders_redacted", partial(_erase_by_state, OrderState.values, Q(shop=shop)))]
    )
    if Order.objects.filter(shop=shop, erased_at__isnull=True).exists():
        raise Throttled("the shop has more orders to erase", wait=timedelta(seconds=1))
