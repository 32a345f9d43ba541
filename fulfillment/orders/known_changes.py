"""Finds the changes at Shopify that we do not know yet, among those that a feed lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import connection

from fulfillment.models.states import OrderState
from fulfillment.readiness import OPEN_STATUSES
from fulfillment.shopify.queries import Change
from shops.models import Shop

CLOSED, FULFILLED = "CLOSED", "FULFILLED"

_ORDERS = """
SELECT shopify_order_id, shopify_updated_at, financial_status,
       (SELECT sum(quantity) FROM order_line_items WHERE order_id = known.id),
       state = %(shipped)s AND cancelled_at IS NULL AND NOT EXISTS (
           SELECT FROM fulfillment_fulfillmentorder AS work
             JOIN fulfillment_fulfillmentorderline AS line ON line.fulfillment_order_id = work.id
            WHERE work.order_id = known.id AND work.status = ANY(%(open)s) AND line.remaining_quantity > 0)
  FROM fulfillment_order AS known WHERE shop_id = %(shop)s AND shopify_order_id = ANY(%(ids)s)
"""

_FULFILLMENT_ORDERS = """
SELECT work.shopify_fulfillment_order_id, work.shopify_updated_at, work.status = %(closed)s AND NOT EXISTS (
           SELECT FROM fulfillment_fulfillmentorderline
            WHERE fulfillment_order_id = work.id AND remaining_quantity > 0)
  FROM fulfillment_fulfillmentorder AS work JOIN fulfillment_order AS known ON known.id = work.order_id
 WHERE known.shop_id = %(shop)s AND work.shopify_fulfillment_order_id = ANY(%(ids)s)
"""


def unknown_orders(shop: Shop, changes: Sequence[Change]) -> list[Change]:
    """Those of these changes of orders that are not known.

    After our own fulfilment, all changes but those within its second are known. Nothing else happened in that second
    if all units are sent still, and none was paid back. (What becomes of the address then has no consequence.)
    """
    known = {number: facts for number, *facts in _rows(_ORDERS, shop, changes)}

    def is_known(change: Change) -> bool:
        if change.id not in known:
            return False
        until, financial_status, units, is_all_sent = known[change.id]
        if until >= change.updated_at:
            return True
        seen = change.node
        return (
            is_all_sent
            and until >= change.updated_at - timedelta(microseconds=1)
            and (seen.cancelled_at, seen.display_fulfillment_status) == (None, FULFILLED)
            and seen.display_financial_status == financial_status
            and seen.current_subtotal_line_items_quantity == units
        )

    return [change for change in changes if not is_known(change)]


def unknown_fulfillment_orders(shop: Shop, changes: Sequence[Change]) -> list[Change]:
    """Those of these changes of fulfilment orders that are not known.

    When one is done, it asks for nothing any more: nobody can hold it, move it or change its date. Units that are to be
    sent once more are in another, or change their order too.
    """
    known = {number: facts for number, *facts in _rows(_FULFILLMENT_ORDERS, shop, changes)}

    def is_known(change: Change) -> bool:
        until, is_done = known.get(change.id, (None, False))
        is_in_time = until is not None and until >= change.updated_at
        return is_in_time or (is_done and change.node.status == CLOSED)

    return [change for change in changes if not is_known(change)]


def _rows(statement: str, shop: Shop, changes: Sequence[Change]) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {
        "shop": shop.id,
        "ids": [change.id for change in changes],
        "open": list(OPEN_STATUSES),
        "shipped": OrderState.SHIPPED,
        "closed": CLOSED,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
