"""Reads a burst of new orders through Shopify's search, and leaves out what the webhooks about them do not bear out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from fulfillment.orders import topics
from fulfillment.orders.notices.judgement import is_up_to_date
from fulfillment.orders.notices.look import MOST_WEBHOOKS, Look
from fulfillment.shopify import search
from fulfillment.shopify.snapshots import OrderNode
from ops.models import Priority
from shops.ids import ShopifyOrderId

logger = structlog.get_logger(__name__)


def may_be_worth_it(order_ids: Collection[ShopifyOrderId]) -> bool:
    """Whether so many orders may be a burst, so that the webhooks about new ones are worth a look."""
    return len(order_ids) >= search.FEWEST_ORDERS


def read(seen: Look, order_ids: Sequence[ShopifyOrderId], *, priority: Priority) -> list[OrderNode]:
    """Readings of those of these orders that were never read, and that the search shows as the webhooks do.

    `order_ids`: orders for which only webhooks asked. What a webhook about a fulfilment order tells may be missing, for
    example a hold. So each of these has its order read by its id, and none may wait for that now, because it may be one
    of these orders. Raises what `shops.api.client.execute` raises.
    """
    wanted = [each for each in order_ids if 0 < len(seen.new.get(each, ())) <= MOST_WEBHOOKS]
    if not may_be_worth_it(wanted) or topics.is_change_unread(seen.shop):
        return []
    found = search.orders(seen.shop, wanted, asked_at=seen.at, priority=priority)
    good = [node for node in found.values() if is_up_to_date(seen.shop, node, seen.new[node.id])]
    if found:
        logger.info("orders_searched", shop=seen.shop.id, asked=len(wanted), good=len(good))
    return good
