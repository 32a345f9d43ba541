"""Reads at Shopify: orders, fulfilment orders and fulfilments, complete over all pages. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from fulfillment.shopify.snapshots import (
    ChangedNode,
    ChangedPage,
    FulfillmentLinePage,
    FulfillmentNode,
    FulfillmentOrderLinePage,
    FulfillmentOrderNode,
    FulfillmentOrderOwners,
    FulfillmentOrderPage,
    LineNode,
    LinePage,
    OrderFulfillmentOrders,
    OrderFulfillments,
    OrderNode,
    Orders,
    parse,
)
from ops.errors import Permanent
from ops.models import Priority
from shops.api import pages
from shops.api.client import execute
from shops.api.gids import gid
from shops.ids import FulfillmentOrderId, ShopifyOrderId
from shops.models import Shop

ORDERS_PER_READ = 6
"""With the two sizes below a request for six orders costs about 750 of the 1,000 points a request may cost."""

FIRST_LINES = 10
FIRST_FULFILLMENT_ORDERS = 4
PAGE = 250
FULFILLMENT_ORDERS_PAGE = 10
FULFILLMENT_ORDER_LINES = 40
MOST_FULFILLMENTS = 20
FULFILLMENT_LINES = 20


@dataclass(frozen=True)
class Change:
    """An order that changed, or a fulfilment order with the order that it belongs to. `node`: what the list shows."""

    id: int
    shopify_order_id: ShopifyOrderId
    updated_at: datetime
    node: ChangedNode


@dataclass(frozen=True)
class ChangesPage:
    """One page of changes, the oldest first. `asked_at`: the time of the answer by Shopify's clock, if it gave one."""

    changes: list[Change]
    next_cursor: str | None
    asked_at: datetime | None


def orders(
    shop: Shop,
    shopify_order_ids: Sequence[ShopifyOrderId],
    *,
    asked_at: datetime | None = None,
    priority: Priority = Priority.HIGH,
) -> dict[ShopifyOrderId, OrderNode]:
    """The orders with these ids as Shopify has them now, by id. Orders that Shopify does not show are left out.

    One request reads up to ORDERS_PER_READ orders; an order with further pages needs more. `asked_at`: a time before
    the call by the clock of the database; without it, ours is read.
    Raises what `shops.api.client.execute` raises.
    """
    variables = {
        "ids": [gid("Order", order_id) for order_id in shopify_order_ids],
        "lines": FIRST_LINES,
        "fulfillmentOrders": FIRST_FULFILLMENT_ORDERS,
    }
    asked_at = asked_at or timezone.now()
    answer = execute(shop, "orders_by_id", variables, priority=priority)
    times = {"read_at": answer.served_at, "asked_at": asked_at}
    found = [node.model_copy(update=times) for node in parse(Orders, answer.data).nodes if node]
    return {order.id: _complete(shop, order, priority=priority) for order in found}


def _complete(shop: Shop, order: OrderNode, *, priority: Priority) -> OrderNode:
    """The order with all its lines and fulfilment orders, also those on further pages."""
    lines = _all_lines(shop, order, priority=priority)
    fulfillment_orders = _all_fulfillment_orders(shop, order.id, order.fulfillment_orders, priority=priority)
    return order.model_copy(
        update={
            "line_items": order.line_items.model_copy(update={"nodes": lines}),
            "fulfillment_orders": order.fulfillment_orders.model_copy(update={"nodes": fulfillment_orders}),
        }
    )


def _all_lines(shop: Shop, order: OrderNode, *, priority: Priority) -> list[LineNode]:
    def next_page(cursor: str) -> LinePage:
        variables = {"id": gid("Order", order.id), "first": PAGE, "after": cursor}
        data = execute(shop, "order_lines_page", variables, priority=priority).data
        return parse(LinePage, _within(data, "order", "lineItems"))

    return pages.once(pages.all_of(order.line_items, next_page))


def _all_fulfillment_orders(
    shop: Shop, shopify_order_id: ShopifyOrderId, page: FulfillmentOrderPage, *, priority: Priority
) -> list[FulfillmentOrderNode]:
    def next_page(cursor: str) -> FulfillmentOrderPage:
        return _fulfillment_order_page(shop, shopify_order_id, after=cursor, priority=priority)

    found = pages.once(pages.all_of(page, next_page))
    return [_with_all_lines(shop, node, priority=priority) for node in found]


def _fulfillment_order_page(
    shop: Shop, shopify_order_id: ShopifyOrderId, *, after: str | None, priority: Priority
) -> FulfillmentOrderPage:
    """One page of an order's fulfilment orders. Raises Permanent if Shopify does not know the order."""
    variables = {
        "id": gid("Order", shopify_order_id),
        "first": FULFILLMENT_ORDERS_PAGE,
        "after": after,
        "lines": FULFILLMENT_ORDER_LINES,
    }
    data = execute(shop, "fulfillment_orders_page", variables, priority=priority).data
    if not data.get("order"):
        raise Permanent(
            f"Shopify does not know order {shopify_order_id} (older than the app may read, or deleted)"
        )
    return parse(OrderFulfillmentOrders, data["order"]).fulfillment_orders


def _with_all_lines(shop: Shop, node: FulfillmentOrderNode, *, priority: Priority) -> FulfillmentOrderNode:
    def next_page(cursor: str) -> FulfillmentOrderLinePage:
        variables = {"id": gid("FulfillmentOrder", node.id), "first": PAGE, "after": cursor}
        data = execute(shop, "fulfillment_order_lines_page", variables, priority=priority).data
        return parse(FulfillmentOrderLinePage, _within(data, "fulfillmentOrder", "lineItems"))

    nodes = pages.once(pages.all_of(node.line_items, next_page))
    return node.model_copy(update={"line_items": node.line_items.model_copy(update={"nodes": nodes})})


def fulfillment_orders(shop: Shop, shopify_order_id: ShopifyOrderId) -> list[FulfillmentOrderNode]:
    """The order's fulfilment orders as they are now. Their ids change with moves, splits and cancelled fulfilments.

    Raises Permanent when Shopify does not know the order, and what `execute` raises.
    """
    first = _fulfillment_order_page(shop, shopify_order_id, after=None, priority=Priority.HIGH)
    return _all_fulfillment_orders(shop, shopify_order_id, first, priority=Priority.HIGH)


def fulfillments(shop: Shop, shopify_order_id: ShopifyOrderId, *, expected: int) -> list[FulfillmentNode]:
    """The order's fulfilments, cancelled ones too.

    `expected` is how many we believe there are. Shopify's list has no pages (Admin API 2026-10), so we ask for a few
    more than that, and for more again if the list comes back full. Raises what `execute` raises.
    """
    first = min(max(expected + 3, 5), MOST_FULFILLMENTS)
    while True:
        variables = {"id": gid("Order", shopify_order_id), "first": first, "lines": FULFILLMENT_LINES}
        data = execute(shop, "order_fulfillments", variables, priority=Priority.HIGH).data
        nodes = parse(OrderFulfillments, data.get("order") or {}).fulfillments or ()
        if len(nodes) < first or first >= PAGE:
            break
        first = min(first * 2, PAGE)
    return [_with_all_fulfillment_lines(shop, node) if node.is_live else node for node in pages.once(nodes)]


def _with_all_fulfillment_lines(shop: Shop, node: FulfillmentNode) -> FulfillmentNode:
    def next_page(cursor: str) -> FulfillmentLinePage:
        variables = {"id": gid("Fulfillment", node.id), "first": PAGE, "after": cursor}
        data = execute(shop, "fulfillment_lines_page", variables, priority=Priority.HIGH).data
        return parse(FulfillmentLinePage, _within(data, "fulfillment", "fulfillmentLineItems"))

    nodes = pages.all_of(node.fulfillment_line_items, next_page)
    lines = node.fulfillment_line_items.model_copy(update={"nodes": nodes})
    return node.model_copy(update={"fulfillment_line_items": lines})


def owners_of_fulfillment_orders(
    shop: Shop, fulfillment_order_ids: Iterable[FulfillmentOrderId]
) -> dict[FulfillmentOrderId, ShopifyOrderId]:
    """The orders that these fulfilment orders belong to, by one request. Those that Shopify does not know any more are
    left out. Raises what `shops.api.client.execute` raises.
    """
    variables = {"ids": [gid("FulfillmentOrder", each) for each in fulfillment_order_ids]}
    data = execute(shop, "fulfillment_order_owners", variables, priority=Priority.HIGH).data
    return {node.id: node.order_id for node in parse(FulfillmentOrderOwners, data).nodes if node}


def orders_changed_since(shop: Shop, since: datetime, *, cursor: str | None, first: int) -> ChangesPage:
    """One page of the orders updated at or after `since`, at low priority."""
    return _changed(shop, "orders", since, cursor=cursor, first=first)


def fulfillment_orders_changed_since(
    shop: Shop, since: datetime, *, cursor: str | None, first: int
) -> ChangesPage:
    """One page of the fulfilment orders updated at or after `since`, closed ones too, at low priority.

    A hold, a move, a split or a date that has come changes a fulfilment order, but not always its order.
    """
    return _changed(shop, "fulfillmentOrders", since, cursor=cursor, first=first)


_CHANGED = {"orders": "orders_updated_since", "fulfillmentOrders": "fulfillment_orders_updated_since"}


def _changed(shop: Shop, what: str, since: datetime, *, cursor: str | None, first: int) -> ChangesPage:
    """One page of `what` ("orders" or "fulfillmentOrders"), sorted by the time of the change."""
    variables = {"query": f"updated_at:>='{since.isoformat()}'", "first": first, "after": cursor}
    answer = execute(shop, _CHANGED[what], variables, priority=Priority.LOW)
    page = parse(ChangedPage, answer.data.get(what))
    changes = [
        Change(node.id, node.order_id or ShopifyOrderId(node.id), node.updated_at, node)
        for node in page.nodes
    ]
    return ChangesPage(changes, pages.cursor_behind(page.page_info, before=cursor), answer.served_at)


def _within(data: Mapping[str, Any], thing: str, part: str) -> Any:
    """A part of a thing in an answer. None if the answer has no such thing; the parser then refuses it."""
    found = data.get(thing)
    return found.get(part) if isinstance(found, dict) else None
