"""Which order a Shopify webhook is about. The bodies are not believed, only what they name is read (law 4)."""

from __future__ import annotations

import re
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

_FULFILLMENT_ORDER = re.compile(r"gid://shopify/FulfillmentOrder/(\d{1,18})")
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


def order_changed(job: Job) -> None:
    """Have the order read that a webhook is about; by its subject, or by the fulfilment orders that it names."""
    shop = Shop.objects.get(id=job.payload["shop"])
    delay = enqueue.NOW if job.payload["topic"] in PROMPT_TOPICS else SWARM
    owner, _, order_id = job.subject.rpartition(":")
    if owner == f"order:{shop.id}":
        enqueue.read(shop, int(order_id), delay=delay)
        return
    named = named_fulfillment_orders(job.payload.get("body"))
    known = dict(
        FulfillmentOrder.objects.filter(order__shop=shop, shopify_fulfillment_order_id__in=named).values_list(
            "shopify_fulfillment_order_id", "order__shopify_order_id"
        )
    )
    for found in set(known.values()):
        enqueue.read(shop, found, delay=delay)
    if not known:
        for fulfillment_order_id in named[:1]:
            enqueue.find_order(shop, fulfillment_order_id)
