"""Finds out which order a Shopify webhook is about. Only the ids in its body are used; the order is read (law 4)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Now

from fulfillment import jobs
from fulfillment.jobs.orders import FulfillmentOrderPayload
from fulfillment.jobs.webhooks import ORDER_CHANGED
from fulfillment.models import Order
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

# With the time at which the last run of each order's reading began. A dead one will not be repeated, and has no time.
_LOOK = """
SELECT shop.*, (SELECT json_agg(owner) FROM (
    SELECT work.shopify_fulfillment_order_id AS number, known.shopify_order_id AS order_id, reading.started_at
      FROM fulfillment_fulfillmentorder AS work JOIN fulfillment_order AS known ON known.id = work.order_id
      LEFT JOIN ops_job AS reading
        ON reading.key = %(readings)s::text || known.shopify_order_id AND reading.state <> 'dead'
     WHERE known.shop_id = shop.id AND work.shopify_fulfillment_order_id = ANY(%(numbers)s)) AS owner) AS owners
  FROM shops_shop AS shop WHERE shop.id = %(shop)s
"""

_FULFILLMENT_ORDER = re.compile(r"gid://shopify/FulfillmentOrder/([1-9]\d{0,17})", re.ASCII)
_MOST_IDS = 20


@dataclass(frozen=True)
class Owner:
    """The order of a fulfilment order, and when the last run of its reading began."""

    order_id: ShopifyOrderId
    read_from: datetime | None

    def was_read_after(self, at: datetime) -> bool:
        """Whether a reading of the order began after a time, so that it shows what had happened by then. (One that
        failed is tried again.)"""
        return self.read_from is not None and self.read_from > at


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
    order_ids: set[ShopifyOrderId] = set()
    named: list[tuple[TypedJob[WebhookPayload], list[FulfillmentOrderId]]] = []
    for each in webhooks:
        if (order_id := _order_of(first.shop, each)) is not None:
            order_ids.add(order_id)
        else:
            named.append((each, named_fulfillment_orders(each.payload.body)))
    shop, owners = _look(first.shop, {number for _, numbers in named for number in numbers})
    _check_cancelled_fulfillments(shop, webhooks)
    for shopify_order_id in order_ids | _orders_by_fulfillment_orders(shop, named, owners):
        jobs.orders.read_order(shop, shopify_order_id, delay=_delay(first.topic))


def find_orders(notices: Sequence[FulfillmentOrderPayload]) -> None:
    """Have the orders read whose fulfilment orders we did not know when webhooks of one shop named them.

    By now a webhook of the order itself may have led to a reading; if it is to be read in any case, that does not
    matter. Shopify is asked which orders they are only where we do not know it now, with one request for all, so that a
    run that fails repeats nothing.
    Raises what `shops.api.client.execute` raises.
    """
    named = {each.fulfillment_order for each in notices}
    shop, owners = _look(notices[0].shop, named)
    wanted = {
        owner.order_id
        for each in notices
        if (owner := owners.get(each.fulfillment_order)) is not None
        and (each.in_any_case or not each.noticed_at or not owner.was_read_after(each.noticed_at))
    }
    if unknown := named - owners.keys():
        wanted.update(queries.owners_of_fulfillment_orders(shop, sorted(unknown)).values())
    for order_id in sorted(wanted):
        jobs.orders.read_order(shop, order_id)


def is_change_unread(shop: Shop) -> bool:
    """Whether a webhook came that tells of more than new fulfilment orders, and whose order was not asked for yet."""
    kinds = [kind.name for kind in ORDER_CHANGED if kind.name.startswith(f"{WEBHOOKS}fulfillment_")]
    kinds.remove(f"{WEBHOOKS}{ROUTED}")
    return is_pending(kinds=kinds, lane=shop.inbox_lane) or jobs.orders.is_changed_one_sought(shop)


def _check_cancelled_fulfillments(shop: Shop, webhooks: Sequence[TypedJob[WebhookPayload]]) -> None:
    """Have an order's fulfilments read if one was cancelled, because a reading of the order may not show that."""
    for each in webhooks:
        order_id = _order_of(shop.id, each)
        if order_id is not None and _says_cancelled(each.payload):
            jobs.shipments.check_fulfillments(shop, order_id)


def _order_of(shop_pk: ShopPk, webhook: TypedJob[WebhookPayload]) -> ShopifyOrderId | None:
    """The order that is the subject of a webhook; None if its subject is something else, or of another shop."""
    found = parse_order(webhook.subject)
    return found.shopify_order_id if found and found.shop_pk == shop_pk else None


def _orders_by_fulfillment_orders(
    shop: Shop,
    named: Sequence[tuple[TypedJob[WebhookPayload], Sequence[FulfillmentOrderId]]],
    owners: Mapping[FulfillmentOrderId, Owner],
) -> set[ShopifyOrderId]:
    """The orders of the fulfilment orders that the webhooks of one topic name, without those that were read after the
    webhook came.

    If we know none of the fulfilment orders of a webhook, they may be those for which an order waits that was just
    read: such orders are among the result. If it is another order, it is looked for a little later.
    """
    in_any_case = any(each.payload.topic != ROUTED for each, _ in named)
    found, any_unknown = set[ShopifyOrderId](), False
    for each, numbers in named:
        known = {owners[number] for number in numbers if number in owners}
        found |= {
            owner.order_id for owner in known if in_any_case or not owner.was_read_after(each.created_at)
        }
        if numbers and not known:
            any_unknown = True
            jobs.orders.find_order(shop, numbers[0], noticed_at=each.created_at, in_any_case=in_any_case)
    # Only after the notices were stored: a reading that finds no fulfilment order looks for notices before it ends.
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


def _look(
    shop_pk: ShopPk, numbers: Collection[FulfillmentOrderId]
) -> tuple[Shop, dict[FulfillmentOrderId, Owner]]:
    """The shop, and the orders of those of these fulfilment orders that we know, with one statement."""
    asked: dict[str, Any] = {
        "shop": shop_pk,
        "numbers": list(numbers),
        "readings": jobs.orders.reading_keys(shop_pk),
    }
    shop = Shop.objects.raw(_LOOK, asked)[0]
    owners = {
        FulfillmentOrderId(row["number"]): Owner(
            ShopifyOrderId(row["order_id"]),
            datetime.fromisoformat(row["started_at"]) if row["started_at"] else None,
        )
        for row in vars(shop)["owners"] or ()
    }
    return shop, owners
