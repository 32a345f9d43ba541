"""Records a fulfilment that Shopify has: its units, and the new states of the shipment and the order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction

from fulfillment import commitments, jobs, order_states
from fulfillment.models import Fulfillment, Order, Shipment, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import FulfillmentState
from fulfillment.shipments import held_shipments
from fulfillment.shipments.requested_units import Call, Pick
from fulfillment.shipments.tracking import tracking_input
from inventory.stock import levels
from shops.ids import FulfillmentId, ShopifyLineId

logger = structlog.get_logger(__name__)

# Nothing is changed if another row has the fulfilment: then it is recorded already.
_CONFIRMED = """
WITH confirmed AS (
    UPDATE fulfillment_fulfillment SET state = 'told', shopify_fulfillment_id = %(fulfillment)s
     WHERE id = %(attempt)s
       AND NOT EXISTS (SELECT FROM fulfillment_fulfillment WHERE shopify_fulfillment_id = %(fulfillment)s)
    RETURNING shipment_id, units),
counted AS (
    UPDATE fulfillment_shipmentunit AS unit
       SET told = LEAST(unit.told + made.quantity::int, unit.quantity - unit.sent_again)
      FROM confirmed, jsonb_each_text(confirmed.units) AS made (line, quantity), order_line_items AS item
     WHERE unit.shipment_id = confirmed.shipment_id AND item.id = unit.order_line_id
       AND item.shopify_line_id = made.line::bigint
    RETURNING unit.id, unit.told),
"""

# What the call took is taken off what the order asked for at its last reading: all units or none. If a line asks for
# another number of units than the call was planned with, that reading was out of date.
_SUBTRACTED = """
taken AS (
    SELECT line.id, line.fulfillment_order_id AS work_id, pick.quantity
      FROM confirmed, unnest(%(works)s::bigint[], %(lines)s::bigint[], %(asked)s::int[], %(quantities)s::int[])
           AS pick (work, line, asked, quantity)
      JOIN fulfillment_fulfillmentorder AS work
        ON work.order_id = %(order)s AND work.shopify_fulfillment_order_id = pick.work
      JOIN fulfillment_fulfillmentorderline AS line
        ON line.fulfillment_order_id = work.id AND line.shopify_line_id = pick.line
       AND line.remaining_quantity = pick.asked),
complete AS (SELECT FROM taken HAVING count(*) = %(picks)s),
lowered AS (
    UPDATE fulfillment_fulfillmentorderline AS line SET remaining_quantity = line.remaining_quantity - taken.quantity
      FROM complete, taken WHERE line.id = taken.id),
subtracted AS (
    UPDATE fulfillment_fulfillmentorder AS work
       SET status = CASE
           WHEN (SELECT sum(remaining_quantity) FROM fulfillment_fulfillmentorderline
                  WHERE fulfillment_order_id = work.id)
              = (SELECT sum(quantity) FROM taken WHERE work_id = work.id) THEN 'CLOSED'
           WHEN work.status = 'OPEN' THEN 'IN_PROGRESS' ELSE work.status END
      FROM complete WHERE work.id IN (SELECT work_id FROM taken)
    RETURNING work.id),
"""

# While units are unfulfilled, a held or cancelled shipment stays so. Once all are fulfilled, units that do not belong
# to the order keep the shipment held, for a person to decide. All items of the fulfilled lines are returned, also those
# that left in an earlier shipment: a kit is fulfilled with its last item.
_UPDATE_SHIPMENT = """
facts AS (
    SELECT EXISTS (SELECT FROM fulfillment_shipmentunit AS unit LEFT JOIN counted ON counted.id = unit.id
                    WHERE unit.shipment_id = %(id)s
                      AND unit.quantity > COALESCE(counted.told, unit.told) + unit.sent_again) AS more,
           EXISTS (SELECT FROM fulfillment_fulfillment
                    WHERE shipment_id = %(id)s AND state = 'telling' AND id <> %(attempt)s) AS in_flight,
           EXISTS (SELECT FROM fulfillment_shipmentline WHERE shipment_id = %(id)s AND quantity > counted) AS misfits,
           EXISTS (SELECT FROM subtracted) AS subtracted,
           reason <> '' OR held_for <> '' OR went_on_at IS NOT NULL OR fulfilled_at IS NOT NULL AS stopped
      FROM confirmed JOIN fulfillment_shipment AS before ON before.id = %(id)s)
UPDATE fulfillment_shipment AS shipment
   SET state = CASE WHEN facts.more AND shipment.state IN ('cancelled', 'held') THEN shipment.state
                    WHEN facts.in_flight THEN 'fulfilling'
                    WHEN facts.more THEN 'received'
                    WHEN facts.misfits THEN 'held' ELSE 'fulfilled' END,
       reason = CASE WHEN facts.more AND shipment.state IN ('cancelled', 'held') THEN shipment.reason
                     WHEN NOT facts.more AND facts.misfits THEN shipment.reason ELSE '' END,
       shopify_fulfillment_id = COALESCE(shipment.shopify_fulfillment_id, %(fulfillment)s),
       fulfilled_at = COALESCE(shipment.fulfilled_at, statement_timestamp()),
       counted_at = statement_timestamp(),
       subtracted_from = CASE WHEN shipment.fulfilled_at IS NULL AND facts.subtracted THEN %(read_at)s END
  FROM facts WHERE shipment.id = %(id)s
RETURNING facts.subtracted, facts.stopped AND NOT (facts.more OR facts.misfits),
          ARRAY(SELECT item_code FROM fulfillment_wmsorderline
                 WHERE wms_order_id = shipment.wms_order_id AND order_line_id IN (
                       SELECT order_line_id FROM fulfillment_shipmentunit WHERE shipment_id = %(id)s)
                 UNION SELECT item_code FROM fulfillment_shipmentline WHERE shipment_id = %(id)s),
          shipment.tracking_number, shipment.tracking_numbers, shipment.tracking_urls, shipment.carrier_code
"""

_RECORD = "".join((_CONFIRMED, _SUBTRACTED, _UPDATE_SHIPMENT))


def record(
    attempt: Fulfillment,
    shopify_fulfillment_id: FulfillmentId,
    *,
    call: Call | None = None,
    read_at: datetime | None = None,
) -> bool:
    """Store which Shopify fulfilment an attempt became; returns False if that is stored already.

    It is stored even if the attempt was voided meanwhile: Shopify has the fulfilment, so it counts. What the `call`
    took at the warehouse's location is taken off the stored fulfilment orders, so that they need not be read for that.
    What it took at another one changed stock there, which the next reading must show, so that it is compared.

    `read_at`: the time of the order's last reading before the call. A later one may show the fulfilment or not, and so
    may any one if the fulfilment was not made by a call of now. Then the order is read again.
    """
    with transaction.atomic():
        shipment = attempt.shipment
        assert shipment.wms_order is not None  # noqa: S101
        order = order_states.lock_of(shipment.wms_order)
        if attempt.pk is None:
            _store_adopted(attempt)
        location = shipment.wms_order.warehouse.shopify_location_id
        is_unread = call is not None and order.read_at == read_at
        picks = call.picks if call and is_unread and call.location_id == location else ()
        told = _store(order, attempt, shopify_fulfillment_id, picks=picks)
        if told is None:
            # An adopted fulfilment that is known needs no row of its own.
            transaction.set_rollback(True)
            return False
        rows = order_rows.read(order)
        _have_stock_compared(shipment, told, rows)
        commitments.recompute(order, rows)
        order_states.derive_state(order, rows)
        if not is_unread:
            jobs.orders.read_once_echoed(order.shop, order.shopify_order_id)
        if attempt.tracking != tracking_input(shipment):
            jobs.shipments.update_tracking(shipment, order)
    logger.info("shipment_fulfilled", shipment=shipment.id, fulfillment=shopify_fulfillment_id)
    return True


def _store_adopted(attempt: Fulfillment) -> None:
    """An adopted fulfilment had no attempt: it gets a row, and voids the attempt in flight."""
    in_flight = Fulfillment.objects.filter(shipment=attempt.shipment, state=FulfillmentState.IN_FLIGHT)
    in_flight.update(state=FulfillmentState.VOID)
    attempt.save()


@dataclass(frozen=True)
class _Told:
    """What was stored: the items whose stock Shopify changed by itself, and whether what the call took was taken off
    the fulfilment orders."""

    items: Collection[str]
    subtracted: bool


def _store(
    order: Order, attempt: Fulfillment, shopify_fulfillment_id: FulfillmentId, *, picks: Collection[Pick]
) -> _Told | None:
    """Confirm the attempt, count its units as fulfilled, and set the shipment's state; its present tracking is read.

    Returns None if the fulfilment is known already.
    """
    shipment = attempt.shipment
    named: dict[str, Any] = {
        "order": order.id,
        "read_at": order.read_at,
        "id": shipment.id,
        "attempt": attempt.pk,
        "fulfillment": shopify_fulfillment_id,
        "works": [each.fulfillment_order_id for each in picks],
        "lines": [each.fulfillment_order_line_id for each in picks],
        "asked": [each.asked for each in picks],
        "quantities": [each.quantity for each in picks],
        "picks": len(picks),
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, named)
        stored = cursor.fetchone()
    if stored is None:
        return None
    subtracted, was_stopped, items, *tracking = stored
    (
        shipment.tracking_number,
        shipment.tracking_numbers,
        shipment.tracking_urls,
        shipment.carrier_code,
    ) = tracking
    if was_stopped:
        held_shipments.close_held_alert(shipment)
    return _Told(items, subtracted=subtracted)


def _have_stock_compared(shipment: Shipment, told: _Told, rows: OrderRows) -> None:
    """Have Shopify's stock compared, unless the fulfilment certainly took as much off both sides.

    It did if its units were taken off what the order asked the warehouse's location for, and if no other part of the
    order is given some of what Shopify has committed for it.
    """
    row, since = shipment.wms_order, shipment.attempt_at
    assert row is not None  # noqa: S101
    if told.subtracted and since is not None and len(rows.wms_orders) == 1:
        levels.mark_fulfilled(row.warehouse_id, told.items, since=since)
    else:
        levels.mark_due(row.warehouse_id, told.items)


def units_as_json(units: Mapping[ShopifyLineId, int]) -> dict[str, int]:
    """Units by order line id as they are stored: JSON has only texts as keys."""
    return {str(line): quantity for line, quantity in units.items()}
