"""Records a fulfilment that Shopify has: its units, and the new states of the shipment and the order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import structlog
from django.db import connection, transaction

from fulfillment import commitments, jobs, order_states
from fulfillment.models import Fulfillment, Order, Shipment
from fulfillment.models.states import FulfillmentState
from fulfillment.shipments import held_shipments
from fulfillment.shipments.requested_units import Pick
from fulfillment.shipments.tracking import tracking_input
from inventory.stock.levels import mark_due
from shops.ids import FulfillmentId, ShopifyLineId

logger = structlog.get_logger(__name__)

# Nothing is changed if another row has the fulfilment: then it is recorded already.
_CONFIRM = """
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
       AND item.shopify_line_id = made.line::bigint)
SELECT FROM confirmed
"""

# All units or none. A line that no longer asks for as many units as before the call was read anew meanwhile, so what is
# stored may be without the units already.
_SUBTRACT = """
WITH taken AS (
    SELECT line.id, line.fulfillment_order_id AS work_id, pick.quantity
      FROM unnest(%(works)s::bigint[], %(lines)s::bigint[], %(asked)s::int[], %(quantities)s::int[])
           AS pick (work, line, asked, quantity)
      JOIN fulfillment_fulfillmentorder AS work
        ON work.order_id = %(order)s AND work.shopify_fulfillment_order_id = pick.work
      JOIN fulfillment_fulfillmentorderline AS line
        ON line.fulfillment_order_id = work.id AND line.shopify_line_id = pick.line
       AND line.remaining_quantity = pick.asked),
complete AS (SELECT FROM taken HAVING count(*) = %(picks)s),
lowered AS (
    UPDATE fulfillment_fulfillmentorderline AS line SET remaining_quantity = line.remaining_quantity - taken.quantity
      FROM complete, taken WHERE line.id = taken.id)
UPDATE fulfillment_fulfillmentorder AS work
   SET status = CASE
       WHEN (SELECT sum(remaining_quantity) FROM fulfillment_fulfillmentorderline WHERE fulfillment_order_id = work.id)
          = (SELECT sum(quantity) FROM taken WHERE work_id = work.id) THEN 'CLOSED'
       WHEN work.status = 'OPEN' THEN 'IN_PROGRESS' ELSE work.status END
  FROM complete WHERE work.id IN (SELECT work_id FROM taken)
"""

# While units are unfulfilled, a held or cancelled shipment stays so. Once all are fulfilled, units that do not belong
# to the order keep the shipment held, for a person to decide. All items of the fulfilled lines are returned, also those
# that left in an earlier shipment: a kit is fulfilled with its last item.
_UPDATE_SHIPMENT = """
UPDATE fulfillment_shipment AS shipment
   SET state = CASE WHEN facts.more AND shipment.state IN ('cancelled', 'held') THEN shipment.state
                    WHEN facts.in_flight THEN 'fulfilling'
                    WHEN facts.more THEN 'received'
                    WHEN facts.misfits THEN 'held' ELSE 'fulfilled' END,
       reason = CASE WHEN facts.more AND shipment.state IN ('cancelled', 'held') THEN shipment.reason
                     WHEN NOT facts.more AND facts.misfits THEN shipment.reason ELSE '' END,
       shopify_fulfillment_id = COALESCE(shipment.shopify_fulfillment_id, %(fulfillment)s),
       fulfilled_at = COALESCE(shipment.fulfilled_at, statement_timestamp()),
       subtracted_from = CASE WHEN shipment.fulfilled_at IS NULL THEN %(subtracted_from)s::timestamptz END
  FROM (SELECT
        EXISTS (SELECT FROM fulfillment_shipmentunit
                 WHERE shipment_id = %(id)s AND quantity > told + sent_again) AS more,
        EXISTS (SELECT FROM fulfillment_fulfillment WHERE shipment_id = %(id)s AND state = 'telling') AS in_flight,
        EXISTS (SELECT FROM fulfillment_shipmentline WHERE shipment_id = %(id)s AND quantity > counted) AS misfits)
       AS facts,
       (SELECT reason <> '' OR held_for <> '' OR went_on_at IS NOT NULL OR fulfilled_at IS NOT NULL AS stopped
          FROM fulfillment_shipment WHERE id = %(id)s) AS before
 WHERE shipment.id = %(id)s
RETURNING facts.more OR facts.misfits, before.stopped,
          ARRAY(SELECT item_code FROM fulfillment_wmsorderline
                 WHERE wms_order_id = shipment.wms_order_id AND order_line_id IN (
                       SELECT order_line_id FROM fulfillment_shipmentunit WHERE shipment_id = %(id)s)
                 UNION SELECT item_code FROM fulfillment_shipmentline WHERE shipment_id = %(id)s),
          shipment.tracking_number, shipment.tracking_numbers, shipment.tracking_urls, shipment.carrier_code
"""


def record(
    attempt: Fulfillment, shopify_fulfillment_id: FulfillmentId, *, picks: Collection[Pick] = ()
) -> bool:
    """Store which Shopify fulfilment an attempt became; returns False if that is stored already.

    It is stored even if the attempt was voided meanwhile: Shopify has the fulfilment, so it counts. `picks`: what it
    took, which is then taken off the stored fulfilment orders, so that they need not be read for that.
    """
    with transaction.atomic():
        shipment = attempt.shipment
        assert shipment.wms_order is not None  # noqa: S101
        order = order_states.lock_of(shipment.wms_order)
        if attempt.pk is None:
            _store_adopted(attempt)
        if not _confirm(attempt, shopify_fulfillment_id):
            # An adopted fulfilment that is known needs no row of its own.
            transaction.set_rollback(True)
            return False
        subtracted = bool(picks) and _subtract(order, picks)
        items = _update_shipment(order, shipment, shopify_fulfillment_id, subtracted=subtracted)
        mark_due(shipment.wms_order.warehouse_id, items)
        commitments.recompute(order)
        order_states.derive_state(order)
        if attempt.tracking != tracking_input(shipment):
            jobs.shipments.update_tracking(shipment, order)
    logger.info("shipment_fulfilled", shipment=shipment.id, fulfillment=shopify_fulfillment_id)
    return True


def _store_adopted(attempt: Fulfillment) -> None:
    """An adopted fulfilment had no attempt: it gets a row, and voids the attempt in flight."""
    in_flight = Fulfillment.objects.filter(shipment=attempt.shipment, state=FulfillmentState.IN_FLIGHT)
    in_flight.update(state=FulfillmentState.VOID)
    attempt.save()


def _confirm(attempt: Fulfillment, shopify_fulfillment_id: FulfillmentId) -> bool:
    """Confirm the attempt, and count its units as fulfilled; returns False if the fulfilment is known already."""
    with connection.cursor() as cursor:
        cursor.execute(_CONFIRM, {"attempt": attempt.pk, "fulfillment": shopify_fulfillment_id})
        return cursor.fetchone() is not None


def _subtract(order: Order, picks: Collection[Pick]) -> bool:
    """Take the fulfilled units off what the order asked for at its last reading; returns whether that was done."""
    named: dict[str, Any] = {
        "order": order.id,
        "works": [each.fulfillment_order_id for each in picks],
        "lines": [each.fulfillment_order_line_id for each in picks],
        "asked": [each.asked for each in picks],
        "quantities": [each.quantity for each in picks],
        "picks": len(picks),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUBTRACT, named)
        return bool(cursor.rowcount)


def _update_shipment(
    order: Order, shipment: Shipment, shopify_fulfillment_id: FulfillmentId, *, subtracted: bool
) -> list[str]:
    """Set the shipment's state after a fulfilment of some of its units, and read its present tracking.

    Returns the items whose stock Shopify changed by itself.
    """
    named = {
        "id": shipment.id,
        "fulfillment": shopify_fulfillment_id,
        "subtracted_from": order.read_at if subtracted else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE_SHIPMENT, named)
        unfinished, was_stopped, items, *tracking = cursor.fetchone()
    (
        shipment.tracking_number,
        shipment.tracking_numbers,
        shipment.tracking_urls,
        shipment.carrier_code,
    ) = tracking
    if was_stopped and not unfinished:
        held_shipments.close_held_alert(shipment)
    return list(items)


def units_as_json(units: Mapping[ShopifyLineId, int]) -> dict[str, int]:
    """Units by order line id as they are stored: JSON has only texts as keys."""
    return {str(line): quantity for line, quantity in units.items()}
