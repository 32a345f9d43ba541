"""Which order a Shopify webhook is about. The bodies are not believed, only what they name is read (law 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fulfillment import enqueue
from fulfillment.models import FulfillmentOrder
from ops.models import Job
from shops.models import Shop

ORDER_TOPICS = (
    "orders/create",
    "orders/paid",
    "orders/updated",
    "orders/edited",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/partially_fulfilled",
    "refunds/create",
    "fulfillments/create",
    "fulfillments/update",
    "fulfillment_holds/added",
    "fulfillment_holds/released",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/hold_released",
    "fulfillment_orders/moved",
    "fulfillment_orders/split",
    "fulfillment_orders/merged",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/rescheduled",
    "fulfillment_orders/scheduled_fulfillment_order_ready",
)
"""Topics of the Admin API 2026-10 that lead to one coalesced read of the order they are about."""

PROMPT_TOPICS = frozenset(
    {
        "orders/create",
        "orders/paid",
        "orders/cancelled",
        "fulfillment_orders/order_routing_complete",
        "fulfillment_orders/placed_on_hold",
        "fulfillment_orders/hold_released",
        "fulfillment_orders/scheduled_fulfillment_order_ready",
    }
)
"""Topics that let an order go, or stop it. The others come in swarms, many of them as echoes of our own calls: their
read waits a moment, so that one read serves all of them."""

SWARM = timedelta(seconds=2)

_FULFILLMENT_ORDER = re.compile(r"gid://shopify/FulfillmentOrder/([1-9]\d{0,17})", re.ASCII)
_MOST_NAMED = 20


def named_fulfillment_orders(body: Any) -> list[int]:
    """Ids of the fulfilment orders that a body names anywhere, in the order they appear, at most twenty."""
    found: dict[int, None] = {}
    stack = [body]
    while stack and len(found) < _MOST_NAMED:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, str) and (match := _FULFILLMENT_ORDER.fullmatch(value)):
            found[int(match[1])] = None
    return list(found)


def orders_changed(jobs: Sequence[Job]) -> None:
    """Have the orders read that webhooks of one topic are about: by subject, or by the fulfilment orders they name."""
    shop = Shop.objects.get(id=jobs[0].payload["shop"])
    delay = enqueue.NOW if jobs[0].payload["topic"] in PROMPT_TOPICS else SWARM
    if jobs[0].payload["topic"] == "fulfillments/update":
        _compare_cancelled(shop, jobs)
    by_subject = {number for job in jobs if (number := _order_of(shop, job)) is not None}
    nameless = [job for job in jobs if _order_of(shop, job) is None]
    for order_id in by_subject | _owners(shop, nameless):
        enqueue.read(shop, order_id, delay=delay)


def _compare_cancelled(shop: Shop, jobs: Sequence[Job]) -> None:
    """A reading of the order need not show that a fulfilment was cancelled."""
    for job in jobs:
        body, order_id = job.payload.get("body"), _order_of(shop, job)
        if order_id is not None and isinstance(body, dict) and body.get("status") == "cancelled":
            enqueue.compare(shop, order_id)


def _order_of(shop: Shop, job: Job) -> int | None:
    owner, _, order_id = job.subject.rpartition(":")
    return int(order_id) if owner == f"order:{shop.id}" else None


def _owners(shop: Shop, jobs: Sequence[Job]) -> set[int]:
    """Orders of the fulfilment orders that the bodies name; Shopify is asked where none of a body's is known."""
    named = [named_fulfillment_orders(job.payload.get("body")) for job in jobs]
    known = dict(
        FulfillmentOrder.objects.filter(
            order__shop=shop,
            shopify_fulfillment_order_id__in={number for numbers in named for number in numbers},
        ).values_list("shopify_fulfillment_order_id", "order__shopify_order_id")
        if named
        else ()
    )
    for numbers in named:
        if numbers and not known.keys() & set(numbers):
            enqueue.find_order(shop, numbers[0])
    return set(known.values())
