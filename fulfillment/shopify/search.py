"""Reads many orders at once through Shopify's search, which costs fewer points for each than asking for them by id.

A connection costs by the logarithm of its size, and objects that are asked for by their ids cost by their number. But
the search reads from an index that may lag: orders may be missing or old. Whoever uses it must judge that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

import structlog

from fulfillment.shopify.queries import FIRST_FULFILLMENT_ORDERS, FIRST_LINES
from fulfillment.shopify.snapshots import FoundOrders, OrderNode, parse
from ops.errors import Permanent
from ops.models import Priority
from shops.api.client import execute
from shops.budget import points
from shops.ids import ShopifyOrderId, ShopPk
from shops.models import Shop

logger = structlog.get_logger(__name__)

FEWEST_ORDERS = 10
"""Fewer orders cost as many points as by their ids."""

MOST_ORDERS = 32
"""With the sizes of `queries` they cost about 230 of the 1,000 points that a request may cost."""

REFUSED_SECONDS = 600.0
"""A shop that refused the search is not asked again for as long, for example because it is too expensive there."""

_refused_at: dict[ShopPk, float] = {}


def orders(
    shop: Shop, order_ids: Sequence[ShopifyOrderId], *, asked_at: datetime, priority: Priority
) -> dict[ShopifyOrderId, OrderNode]:
    """Those of these orders that the search finds, by id. Orders with further pages are left out.

    None is found if there are too few or too many to search for, or if the shop refuses the search. `asked_at`: as for
    `queries.orders`. Raises what `shops.api.client.execute` raises for other reasons.
    The points are reserved apart from those of the rest of the run.
    """
    if not FEWEST_ORDERS <= len(order_ids) <= MOST_ORDERS or _has_refused(shop.id):
        return {}
    variables = {
        "query": " OR ".join(f"id:{order_id}" for order_id in order_ids),
        "first": len(order_ids),
        "lines": FIRST_LINES,
        "fulfillmentOrders": FIRST_FULFILLMENT_ORDERS,
    }
    try:
        with points.work(f"fulfillment.search:{shop.id}"):
            answer = execute(shop, "orders_found", variables, priority=priority)
    except Permanent as error:
        logger.warning("search_refused", shop=shop.id, error=str(error))
        _refused_at[shop.id] = time.monotonic()
        return {}
    times = {"read_at": answer.served_at, "asked_at": asked_at}
    nodes = parse(FoundOrders, answer.data.get("orders")).nodes
    wanted = set(order_ids)
    return {
        node.id: node.model_copy(update=times) for node in nodes if node.id in wanted and node.is_complete
    }


def _has_refused(shop_pk: ShopPk) -> bool:
    return shop_pk in _refused_at and time.monotonic() - _refused_at[shop_pk] < REFUSED_SECONDS
