"""Plans a fulfilment by what the last reading of the order says, if nothing speaks against it.

Shopify itself refuses units that it does not ask for any more, and fulfilment orders that are closed, held or gone. So
a reading right before the call is only needed where it could show what a refusal would not: a fulfilment that is there
already, although its units would still fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from fulfillment.jobs.orders import READ_ORDERS
from fulfillment.jobs.shipments import COMPARE, MOVE
from fulfillment.jobs.webhooks import ORDER_CHANGED
from fulfillment.models import Order, Shipment
from fulfillment.readiness import OPEN_STATUSES
from fulfillment.shipments import requested_units
from fulfillment.shipments.requested_units import Call, RequestedUnits
from shops.ids import FulfillmentOrderId, FulfillmentOrderLineId, LocationId, ShopifyLineId

# Each line of the order with each fulfilment-order line for it, or without one. A call of which no answer is recorded,
# or work that may bring news of the order, makes the whole reading doubtful. A dead job counts too: its news was lost.
_FACTS = """
WITH doubts AS (
    SELECT EXISTS (SELECT FROM fulfillment_fulfillment AS call
                     JOIN fulfillment_shipment AS sent ON sent.id = call.shipment_id
                     JOIN wms_order_map AS part ON part.id = sent.wms_order_id
                    WHERE part.order_id = %(order)s AND call.state = 'telling')
        OR EXISTS (SELECT FROM ops_job
                    WHERE subject = %(subject)s AND state <> 'done' AND kind = ANY(%(kinds)s)) AS doubtful)
SELECT item.shopify_line_id, item.quantity,
       (SELECT COALESCE(sum(told), 0) FROM fulfillment_shipmentunit WHERE order_line_id = item.id),
       COALESCE(mine.quantity - mine.told - mine.sent_again, 0),
       work.shopify_fulfillment_order_id, line.shopify_line_id, line.remaining_quantity, work.status, work.location_id,
       work.delivery_method, work.is_ours
  FROM doubts JOIN order_line_items AS item ON item.order_id = %(order)s AND NOT doubts.doubtful
  LEFT JOIN fulfillment_shipmentunit AS mine ON mine.order_line_id = item.id AND mine.shipment_id = %(shipment)s
  LEFT JOIN fulfillment_fulfillmentorderline AS line ON line.order_line_id = item.id
  LEFT JOIN fulfillment_fulfillmentorder AS work ON work.id = line.fulfillment_order_id
 ORDER BY item.id, line.id
"""

_NEWS = [READ_ORDERS.name, COMPARE.name, MOVE.name, *(kind.name for kind in ORDER_CHANGED)]
"""Kinds of jobs that read the order, or change its fulfilment orders at Shopify, when they run."""


@dataclass(frozen=True)
class LineFacts:
    """What we know of an order line: its units, those in our fulfilments, and those that the shipment completes and
    that have no fulfilment. `asked`: a fulfilment-order line for it; None if it has none."""

    line_id: ShopifyLineId
    quantity: int
    fulfilled: int
    unfulfilled: int
    asked: RequestedUnits | None = None


def known_call(order: Order, shipment: Shipment) -> Call | None:
    """The one call that takes all unfulfilled units of a shipment by the last reading; None if Shopify must be read.

    Takes one statement. Only a shipment whose units were never tried has such a call.
    """
    assert shipment.wms_order is not None  # noqa: S101
    if shipment.attempt_at is not None or shipment.fulfilled_at is not None or order.cancelled_at is not None:
        return None
    return certain_call(_facts(order, shipment), location_id=shipment.wms_order.warehouse.shopify_location_id)


def certain_call(facts: Iterable[LineFacts], *, location_id: LocationId) -> Call | None:
    """The one call at this location that takes all units; None if there is none, or if it is not certain. Pure.

    It is certain if Shopify asks for exactly those units of each line that are in no fulfilment of ours. Otherwise
    somebody else fulfilled some of them, which may be the same goods, or a fulfilment of ours was cancelled.
    """
    lines, asked = {}, []
    for each in facts:
        lines[each.line_id] = each
        if each.asked and each.asked.status in OPEN_STATUSES and each.asked.units:
            asked.append(each.asked)
    units = {line: each.unfulfilled for line, each in lines.items() if each.unfulfilled}
    for line in units:
        open_units = sum(each.units for each in asked if each.line_id == line)
        if open_units != lines[line].quantity - lines[line].fulfilled:
            return None
    planned = requested_units.plan(units, asked, location_id=location_id, by_others={}, cancelled=False)
    only = planned.calls[0] if len(planned.calls) == 1 and not planned.held else None
    return only if only and only.location_id == location_id else None


def _facts(order: Order, shipment: Shipment) -> list[LineFacts]:
    """The facts for each line of the order; nothing if the reading is doubtful."""
    named: dict[str, Any] = {
        "order": order.id,
        "shipment": shipment.id,
        "subject": order.subject,
        "kinds": _NEWS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, named)
        return [
            LineFacts(line_id, quantity, fulfilled, unfulfilled, _asked(line_id, *asked))
            for line_id, quantity, fulfilled, unfulfilled, *asked in cursor.fetchall()
        ]


def _asked(
    line_id: ShopifyLineId,
    fulfillment_order_id: FulfillmentOrderId | None,
    fulfillment_order_line_id: FulfillmentOrderLineId,
    units: int,
    status: str,
    location_id: LocationId | None,
    method: str,
    is_ours: bool,
) -> RequestedUnits | None:
    """What a fulfilment-order line asks for; None if there is no such line."""
    if fulfillment_order_id is None:
        return None
    return RequestedUnits(
        line_id=line_id,
        units=units,
        status=status,
        location_id=location_id,
        method=method,
        ours=is_ours,
        fulfillment_order_id=fulfillment_order_id,
        fulfillment_order_line_id=fulfillment_order_line_id,
    )
