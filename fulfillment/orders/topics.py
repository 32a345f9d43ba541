"""Finds out which order a Shopify webhook is about. Only the ids in its body are used; the order is read (law 4)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Now

from fulfillment import jobs
from fulfillment.jobs.webhooks import ORDER_CHANGED
from fulfillment.models import FulfillmentOrder, Order
from fulfillment.models.states import OrderState, Reason
from fulfillment.refs import parse_order
from fulfillment.shopify import queries
from ops.doors import deliveries
from ops.doors.deliveries import Delivery
from ops.queue.jobs import NewJob, is_pending
from ops.queue.kinds import AT_ONCE, TypedJob
from ops.refs import Subject
from shops.ids import FulfillmentOrderId, ShopifyOrderId, ShopPk
from shops.jobs import WEBHOOKS, WebhookPayload
from shops.models import Shop
from shops.refs import shop_lane

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
"""Topics that let an order go, or stop it. Webhooks of the other topics come in swarms, many of them caused by our own
calls. Their reading waits for a moment, so that one reading serves the whole swarm."""

ROUTED = "fulfillment_orders/order_routing_complete"
"""It tells of fulfilment orders that were made. If a reading shows them, it knows of them. What other webhooks tell of
fulfilment orders, for example a hold, a reading may lack that began later: one that came from Shopify's search, or that
was left out because of what webhooks about the order told."""

DEBOUNCE = timedelta(seconds=2)

SOON_MADE = timedelta(seconds=30)
"""Shopify makes the fulfilment orders of an order within seconds. If an order waits longer, those that are made
meanwhile are others' in all likelihood: then no notice hurries its next reading, which would be without end in a busy
shop."""

_FULFILLMENT_ORDER = re.compile(r"gid://shopify/FulfillmentOrder/([1-9]\d{0,17})", re.ASCII)
_MOST_IDS = 20


def named_fulfillment_orders(body: Any) -> list[FulfillmentOrderId]:
    """The ids of the fulfilment orders that a body names anywhere, the first twenty, in their order."""
    found: dict[FulfillmentOrderId, None] = {}
    stack = [body]
    while stack and len(found) < _MOST_IDS:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, str) and (match := _FULFILLMENT_ORDER.fullmatch(value)):
            found[FulfillmentOrderId(int(match[1]))] = None
    return list(found)


def reading_meant(webhook: WebhookPayload, delivery: Delivery, subject: Subject) -> NewJob | None:
    """The reading that a webhook means, if its order is its subject. The webhook is stored with it and needs no run."""
    found = parse_order(subject)
    if found is None or found.shop_pk != webhook.shop or _says_cancelled(webhook):
        return None
    return jobs.orders.reading(
        webhook.shop,
        found.shopify_order_id,
        lane=shop_lane(delivery.sender),
        delay=_delay(webhook.topic),
        for_webhooks=True,
    )


def register() -> None:
    """Have the webhooks of orders stored together with the readings that they mean."""
    for kind in ORDER_CHANGED:
        deliveries.register_meaning(kind.name, reading_meant)


def _delay(topic: str) -> timedelta:
    return AT_ONCE if topic in IMMEDIATE_TOPICS else DEBOUNCE


def _says_cancelled(webhook: WebhookPayload) -> bool:
    """Whether a fulfilment was cancelled. A reading of the order may not show that, so the fulfilments are read too."""
    return webhook.topic == "fulfillments/update" and webhook.body.get("status") == "cancelled"


def orders_changed(webhooks: Sequence[TypedJob[WebhookPayload]]) -> None:
    """Have the orders read that these webhooks of one topic are about.

    The order is the subject of a webhook; without one, it is found by the fulfilment orders that the body names.
    """
    first = webhooks[0].payload
    shop = Shop.objects.get(id=first.shop)
    _check_cancelled_fulfillments(shop, webhooks)
    order_ids: set[ShopifyOrderId] = set()
    without_subject = []
    for each in webhooks:
        if (order_id := _order_of(shop, each)) is not None:
            order_ids.add(order_id)
        else:
            without_subject.append(each)
    for shopify_order_id in order_ids | _orders_by_fulfillment_orders(shop, without_subject):
        jobs.orders.read_order(shop, shopify_order_id, delay=_delay(first.topic))


def find_order(
    shop_pk: ShopPk, fulfillment_order_id: FulfillmentOrderId, noticed_at: datetime | None
) -> None:
    """Have the order of a fulfilment order read that we did not know when a webhook named it, at `noticed_at`.

    By now a webhook of the order itself may have led to a reading; without `noticed_at` that does not matter. Only else
    Shopify is asked which order it is.
    Raises what `shops.api.client.execute` raises.
    """
    shop = Shop.objects.get(id=shop_pk)
    owner = _owners(shop, {fulfillment_order_id}).get(fulfillment_order_id)
    if owner is None:
        owner = queries.owner_of_fulfillment_order(shop, fulfillment_order_id)
    elif noticed_at and jobs.orders.was_read_after(shop, owner, noticed_at):
        return
    if owner is not None:
        jobs.orders.read_order(shop, owner)


def is_change_unread(shop: Shop) -> bool:
    """Whether a webhook came that tells of more than new fulfilment orders, and whose order was not asked for yet."""
    kinds = [kind.name for kind in ORDER_CHANGED if kind.name.startswith(f"{WEBHOOKS}fulfillment_")]
    kinds.remove(f"{WEBHOOKS}{ROUTED}")
    return is_pending(kinds=kinds, lane=shop.inbox_lane) or jobs.orders.is_changed_one_sought(shop)


def _check_cancelled_fulfillments(shop: Shop, webhooks: Sequence[TypedJob[WebhookPayload]]) -> None:
    """Have an order's fulfilments read if one was cancelled, because a reading of the order may not show that."""
    for each in webhooks:
        order_id = _order_of(shop, each)
        if order_id is not None and _says_cancelled(each.payload):
            jobs.shipments.check_fulfillments(shop, order_id)


def _order_of(shop: Shop, webhook: TypedJob[WebhookPayload]) -> ShopifyOrderId | None:
    """The order that is the subject of a webhook; None if its subject is something else, or of another shop."""
    found = parse_order(webhook.subject)
    return found.shopify_order_id if found and found.shop_pk == shop.id else None


def _orders_by_fulfillment_orders(
    shop: Shop, webhooks: Sequence[TypedJob[WebhookPayload]]
) -> set[ShopifyOrderId]:
    """The orders of the fulfilment orders that the webhooks of one topic name, without those that were read after the
    webhook came.

    If we know none of the fulfilment orders of a webhook, they may be those for which an order waits that was just
    read: such orders are among the result. If it is another order, it is looked for a little later.
    """
    named = [(each, named_fulfillment_orders(each.payload.body)) for each in webhooks]
    owners = _owners(shop, {number for _, numbers in named for number in numbers})
    in_any_case = any(each.payload.topic != ROUTED for each in webhooks)
    last, any_unknown = dict[ShopifyOrderId, datetime](), False
    for each, numbers in named:
        known = {owners[number] for number in numbers if number in owners}
        for order_id in known:
            last[order_id] = max(each.created_at, last.get(order_id, each.created_at))
        if numbers and not known:
            any_unknown = True
            jobs.orders.find_order(shop, numbers[0], noticed_at=each.created_at, in_any_case=in_any_case)
    found = {
        order_id
        for order_id, at in last.items()
        if in_any_case or not jobs.orders.was_read_after(shop, order_id, at)
    }
    return found | _waiting(shop) if any_unknown else found


def _waiting(shop: Shop) -> set[ShopifyOrderId]:
    """The newest orders that were read lately when Shopify had not made their fulfilment orders yet."""
    waiting = Order.objects.filter(
        shop=shop,
        state=OrderState.WAITING,
        reason=Reason.NO_FULFILLMENT_ORDERS,
        state_since__gt=Now() - SOON_MADE,
    )
    newest = waiting.order_by("-state_since").values_list("shopify_order_id", flat=True)
    return set(newest[: queries.ORDERS_PER_READ])


def _owners(shop: Shop, numbers: Collection[FulfillmentOrderId]) -> dict[FulfillmentOrderId, ShopifyOrderId]:
    """The orders of those of these fulfilment orders that we know."""
    if not numbers:
        return {}
    rows = FulfillmentOrder.objects.filter(order__shop=shop, shopify_fulfillment_order_id__in=numbers)
    return dict(rows.values_list("shopify_fulfillment_order_id", "order__shopify_order_id"))
