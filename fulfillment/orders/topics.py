"""Which order a Shopify webhook is about. The bodies are not believed, only what they name is read (law 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fulfillment import jobs
from fulfillment.models import FulfillmentOrder
from fulfillment.refs import parse_order
from ops.queue.kinds import AT_ONCE, TypedJob
from shops.ids import FulfillmentOrderId, ShopifyOrderId
from shops.jobs import WebhookPayload
from shops.models import Shop

IMMEDIATE_TOPICS = frozenset(
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

DEBOUNCE = timedelta(seconds=2)

_FULFILLMENT_ORDER = re.compile(r"gid://shopify/FulfillmentOrder/([1-9]\d{0,17})", re.ASCII)
_MOST_NAMED = 20


def named_fulfillment_orders(body: Any) -> list[FulfillmentOrderId]:
    """Ids of the fulfilment orders that a body names anywhere, in the order they appear, at most twenty."""
    found: dict[FulfillmentOrderId, None] = {}
    stack = [body]
    while stack and len(found) < _MOST_NAMED:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, str) and (match := _FULFILLMENT_ORDER.fullmatch(value)):
            found[FulfillmentOrderId(int(match[1]))] = None
    return list(found)


def orders_changed(webhooks: Sequence[TypedJob[WebhookPayload]]) -> None:
    """Have the orders read that webhooks of one topic are about: by subject, or by the fulfilment orders they name."""
    first = webhooks[0].payload
    shop = Shop.objects.get(id=first.shop)
    if first.topic == "fulfillments/update":
        _compare_cancelled(shop, webhooks)
    by_subject: set[ShopifyOrderId] = set()
    nameless = []
    for each in webhooks:
        if (order_id := _order_of(shop, each)) is not None:
            by_subject.add(order_id)
        else:
            nameless.append(each.payload.body)
    delay = AT_ONCE if first.topic in IMMEDIATE_TOPICS else DEBOUNCE
    for shopify_order_id in by_subject | _owners(shop, nameless):
        jobs.orders.read_order(shop, shopify_order_id, delay=delay)


def _compare_cancelled(shop: Shop, webhooks: Sequence[TypedJob[WebhookPayload]]) -> None:
    """A reading of the order need not show that a fulfilment was cancelled."""
    for each in webhooks:
        order_id = _order_of(shop, each)
        if order_id is not None and each.payload.body.get("status") == "cancelled":
            jobs.shipments.check_fulfillments(shop, order_id)


def _order_of(shop: Shop, webhook: TypedJob[WebhookPayload]) -> ShopifyOrderId | None:
    found = parse_order(webhook.subject)
    return found.shopify_order_id if found and found.shop_pk == shop.id else None


def _owners(shop: Shop, bodies: Sequence[object]) -> set[ShopifyOrderId]:
    """Orders of the fulfilment orders that the bodies name; Shopify is asked where none of a body's is known."""
    named = [named_fulfillment_orders(body) for body in bodies]
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
            jobs.orders.find_order(shop, numbers[0])
    return set(known.values())
