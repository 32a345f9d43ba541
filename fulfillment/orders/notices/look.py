"""Looks at what is stored of orders, and at the webhooks about them since they were last read, with one statement."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from fulfillment.models import Order, OrderLine
from fulfillment.models.order_rows import instance
from fulfillment.models.states import FulfillmentState, OrderState, ShipmentState
from fulfillment.orders.notices.judgement import KnownOrder, News, Webhook, judge
from fulfillment.orders.stored.stored_orders import CLOSED_BY_READINGS
from fulfillment.readiness import OPEN_STATUSES
from fulfillment.refs import order_subject
from ops.secrets import Sealed
from ops.text.untrusted import StoredDecoder
from shops.ids import FulfillmentId, ShopifyLineId, ShopifyOrderId, ShopPk
from shops.jobs import WEBHOOKS
from shops.models import Shop

MOST_WEBHOOKS = 20
"""An order about which more webhooks came since it was read is read again, whatever they tell."""

LARGEST_PAYLOAD = 100_000
"""In bytes, as it is stored. The body of a usual order has a tenth of that."""

_SETTLED_STATES = [
    OrderState.READY,
    OrderState.AT_WAREHOUSE,
    OrderState.PARTIALLY_SHIPPED,
    OrderState.SHIPPED,
]

# What a reading of such an order could bring about beside news: nothing. Its parts are under way or done, and each of
# our fulfilments since the last reading was taken off what that reading said.
_SETTLED = """
known.state = ANY(%(settled)s) AND known.reason = '' AND known.rest_reason = '' AND known.cancelled_at IS NULL
AND known.erased_at IS NULL AND known.owed_from IS NULL AND known.surplus IS NULL AND known.wish_words = ''
AND NOT EXISTS (SELECT FROM ops_alert WHERE subject = asked.subject AND kind = ANY(%(alerts)s) AND state = 'open')
AND NOT EXISTS (SELECT FROM wms_order_map AS part JOIN fulfillment_shipment AS sent ON sent.wms_order_id = part.id
                 WHERE part.order_id = known.id AND (sent.state = ANY(%(stuck)s)
                    OR GREATEST(sent.attempt_at, sent.counted_at, sent.fulfilled_at) > known.read_at
                   AND sent.subtracted_from IS DISTINCT FROM known.read_at))
"""

_LOOK = "".join(
    (
        """
SELECT shop.*, statement_timestamp() AS looked_at, (SELECT json_agg(seen)::text FROM (
    SELECT known.id, known.shop_id, asked.number AS shopify_order_id, known.name, known.financial_status, known.is_test,
           known.cancelled_at, known.placed_at, known.country, known.ship_to, known.shipping_method, known.read_at,
           known.shopify_updated_at,
""",
        _SETTLED,
        """
           AS is_settled,
           (SELECT json_agg(line) FROM order_line_items AS line WHERE line.order_id = known.id) AS lines,
           (SELECT json_agg(open) FROM (
                SELECT line.order_line_id, line.remaining_quantity FROM fulfillment_fulfillmentorder AS work
                  JOIN fulfillment_fulfillmentorderline AS line ON line.fulfillment_order_id = work.id
                 WHERE work.order_id = known.id AND work.status = ANY(%(open)s)) AS open) AS open,
           (SELECT json_object_agg(call.shopify_fulfillment_id, call.units) FROM wms_order_map AS part
              JOIN fulfillment_shipment AS sent ON sent.wms_order_id = part.id
              JOIN fulfillment_fulfillment AS call ON call.shipment_id = sent.id
             WHERE part.order_id = known.id AND call.state = %(made)s) AS made,
           (SELECT json_agg(told) FROM (
                SELECT substr(kind, length(%(webhooks)s) + 1) AS topic, created_at,
                       CASE WHEN pg_column_size(payload) <= %(largest)s THEN payload->'body' END AS body
                  FROM ops_job WHERE subject = asked.subject AND starts_with(kind, %(webhooks)s)
                   AND created_at > COALESCE(known.read_at, '-infinity')
                 ORDER BY id LIMIT %(most)s + 1) AS told) AS webhooks
      FROM unnest(%(numbers)s::bigint[], %(subjects)s::text[]) AS asked (number, subject)
      LEFT JOIN fulfillment_order AS known
        ON known.shop_id = shop.id AND known.shopify_order_id = asked.number
     WHERE known.id IS NOT NULL OR %(new_too)s) AS seen
    ) AS seen
  FROM shops_shop AS shop WHERE shop.id = %(shop)s
""",
    )
)

# Only if no reading was stored since the look: one that is older than the webhooks would show another order.
_MOVE_DATES = """
WITH moved AS (
    SELECT known.id, new.at FROM unnest(%(ids)s::bigint[], %(read_ats)s::timestamptz[], %(dates)s::timestamptz[])
           AS new (id, read_at, at)
      JOIN fulfillment_order AS known ON known.id = new.id AND known.read_at = new.read_at
     ORDER BY known.id FOR UPDATE OF known)
UPDATE fulfillment_order AS known SET shopify_updated_at = GREATEST(known.shopify_updated_at, moved.at)
  FROM moved WHERE moved.id = known.id
RETURNING known.shopify_order_id
"""


@dataclass(frozen=True)
class Look:
    """What was found. `at`: when, by the clock of the database, which also dates the webhooks. `orders`: those that
    were read before. `news`: what the webhooks tell of each of these. `new`: the webhooks about each of the others, if
    they were looked at.
    """

    shop: Shop
    at: datetime
    orders: Mapping[ShopifyOrderId, Order]
    news: Mapping[ShopifyOrderId, News]
    new: Mapping[ShopifyOrderId, Sequence[Webhook]]

    def first_webhook_at(self, order_id: ShopifyOrderId) -> datetime | None:
        """When the first webhook came that tells of something new about an order; None if there is none."""
        return self.news[order_id].first_at if order_id in self.news else None


def look(shop_pk: ShopPk, order_ids: Sequence[ShopifyOrderId], *, new_too: bool = False) -> Look:
    """Look at these orders. A reading that begins afterwards shows what any webhook told that came before.

    `new_too`: look at the webhooks about orders that were never read, too.
    """
    asked: dict[str, Any] = {
        "shop": shop_pk,
        "numbers": list(order_ids),
        "subjects": [order_subject(shop_pk, each) for each in order_ids],
        "settled": _SETTLED_STATES,
        "stuck": [ShipmentState.HELD, ShipmentState.CANCELLED],
        "alerts": [kind.name for kind in CLOSED_BY_READINGS],
        "open": list(OPEN_STATUSES),
        "made": FulfillmentState.CONFIRMED,
        "webhooks": WEBHOOKS,
        "largest": LARGEST_PAYLOAD,
        "most": MOST_WEBHOOKS,
        "new_too": new_too,
    }
    shop = Shop.objects.raw(_LOOK, asked)[0]
    seen = json.loads(vars(shop)["seen"] or "[]", cls=StoredDecoder)
    found = [_known(row) for row in seen if row["id"]]
    return Look(
        shop,
        vars(shop)["looked_at"],
        orders={each.order.shopify_order_id: each.order for each in found},
        news={each.order.shopify_order_id: judge(each) for each in found},
        new={ShopifyOrderId(row["shopify_order_id"]): _webhooks(row) for row in seen if not row["id"]},
    )


def settle(seen: Look, order_ids: Collection[ShopifyOrderId]) -> set[ShopifyOrderId]:
    """Those of these orders that need no reading, because all that webhooks tell of them is known.

    Up to when their changes are known is stored. Shopify dates changes in whole seconds, and another one may have
    followed within the second of the last, so that one second does not count as known.
    """
    explained = [
        seen.orders[each] for each in order_ids if each in seen.news and not seen.news[each].first_at
    ]
    if not explained:
        return set()
    until = [seen.news[each.shopify_order_id].known_until for each in explained]
    values: dict[str, Any] = {
        "ids": [each.id for each in explained],
        "read_ats": [each.read_at for each in explained],
        "dates": [date and date - timedelta(microseconds=1) for date in until],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_DATES, values)
        return {ShopifyOrderId(number) for (number,) in cursor.fetchall()}


def _known(row: dict[str, Any]) -> KnownOrder:
    row["ship_to"] = Sealed(row["ship_to"]) if row["ship_to"] else ""
    webhooks = _webhooks(row)
    remaining: dict[int, int] = {}
    for each in row["open"] or ():
        line = each["order_line_id"]
        remaining[line] = remaining.get(line, 0) + each["remaining_quantity"]
    made = {
        FulfillmentId(int(number)): {ShopifyLineId(int(line)): units for line, units in given.items()}
        for number, given in (row["made"] or {}).items()
    }
    return KnownOrder(
        instance(Order, row),
        lines=[instance(OrderLine, line) for line in row["lines"] or ()],
        remaining=remaining,
        made=made,
        is_settled=row["is_settled"] and len(webhooks) <= MOST_WEBHOOKS,
        webhooks=webhooks,
    )


def _webhooks(row: dict[str, Any]) -> list[Webhook]:
    """The first that came, and one more than MOST_WEBHOOKS if there are more."""
    return [
        Webhook(each["topic"], datetime.fromisoformat(each["created_at"]), each["body"])
        for each in row["webhooks"] or ()
    ]
