"""Makes Shopify fulfilments of shipments, exactly once. Shopify takes no idempotency key, so in doubt we read first.

Without doubt, one call is made by what the last reading says. If there is any doubt, for example about an earlier
attempt, or if Shopify refuses that call, the order's fulfilments and fulfilment orders are read. A fulfilment that is
there already is adopted, and the others are created. Units that Shopify asks for are fulfilled at once, and the others
are held. Each attempt is committed with its units and its tracking before the call.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from pydantic import model_validator

from fulfillment.fulfillments import location_moves
from fulfillment.fulfillments.adoption import adopt_existing, known_ids, units_by_others
from fulfillment.fulfillments.last_reading import known_call
from fulfillment.fulfillments.recording import record, units_as_json
from fulfillment.models import Fulfillment, Order, Shipment, WmsOrder
from fulfillment.models.states import FulfillmentState, ShipmentState
from fulfillment.refs import OrderPk
from fulfillment.shipments import cancelled_fulfillments, held_shipments, kits, requested_units
from fulfillment.shipments.requested_units import Call, FulfillmentPlan, HeldUnits, RequestedUnits
from fulfillment.shipments.tracking import tracking_input
from fulfillment.shopify import our_locations, queries
from ops.errors import Permanent, Throttled, Transient, UnknownOutcome
from ops.joined_rows import JoinedRows
from ops.models import Priority
from shops.api.client import execute
from shops.api.gids import gid
from shops.api.shapes import FulfillmentGid, Payload, Shape, parse
from shops.ids import FulfillmentOrderId, ShopifyLineId
from shops.models import Shop
from wms.models import Warehouse

logger = structlog.get_logger(__name__)

SETTLE_TIME = timedelta(seconds=30)
"""After a lost answer Shopify may still work on the request. Only after this time does "not there" mean "not made"."""

_RECORD_ATTEMPT = """
WITH tried AS (
    UPDATE fulfillment_shipment SET state = 'fulfilling', attempt_at = statement_timestamp()
     WHERE id = %(shipment)s AND state = %(state)s AND attempt_at IS NOT DISTINCT FROM %(attempt_at)s
    RETURNING id, attempt_at)
INSERT INTO fulfillment_fulfillment (shipment_id, state, units, tracking)
SELECT id, 'telling', %(units)s::jsonb, %(tracking)s::jsonb FROM tried
RETURNING id, (SELECT attempt_at FROM tried)
"""


_ROWS = JoinedRows(sent=Shipment, part=WmsOrder, place=Warehouse, its=Order, shop=Shop)

_WAITING = f"""
SELECT {_ROWS.columns}, {kits.MAY_SHARE_UNITS}
  FROM wms_order_map AS part JOIN fulfillment_shipment AS sent ON sent.wms_order_id = part.id
  JOIN warehouse_locations AS place ON place.id = part.warehouse_id
  JOIN fulfillment_order AS its ON its.id = part.order_id JOIN shops_shop AS shop ON shop.id = its.shop_id
 WHERE part.order_id = %s AND sent.state IN ('received', 'fulfilling') ORDER BY sent.id
"""  # noqa: S608


class _FulfillmentRef(Shape):
    id: FulfillmentGid


class FulfillmentCreatePayload(Payload):
    """The answer of `fulfillmentCreate`."""

    fulfillment: _FulfillmentRef | None = None

    @model_validator(mode="after")
    def has_a_result(self) -> Self:
        """Refuse an answer that has neither a fulfilment nor a refusal."""
        if self.fulfillment is None and not self.user_errors:
            raise ValueError("neither a fulfilment nor a refusal")
        return self


def fulfill(order_pk: OrderPk) -> None:
    """Make fulfilments of the order's shipments, one shipment after the other.

    Raises what `shops.api.client.execute` raises, and Throttled during the settle time after a lost answer.
    """
    for shipment in _waiting(order_pk):
        assert shipment.wms_order is not None  # noqa: S101
        order = shipment.wms_order.order
        if not _fulfill_by_last_reading(order, shipment):
            _fulfill_by_new_reading(order.shop, order, shipment)


def _waiting(order_pk: OrderPk) -> list[Shipment]:
    """The shipments of an order that wait for fulfilments, the oldest first."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [order_pk])
        for *values, may_share_units in cursor.fetchall():
            shipment, row, row.warehouse, row.order, row.order.shop = _ROWS.instances(values)
            shipment.wms_order, shipment.may_share_units = row, may_share_units
            found.append(shipment)
    return found


def _fulfill_by_last_reading(order: Order, shipment: Shipment) -> bool:
    """Make the fulfilment by what the last reading of the order says; returns False if Shopify must be read first.

    A refusal says that the reading is out of date. So it is no error, and Shopify is read then, too.
    """
    call = known_call(order, shipment)
    if call is None:
        return False
    try:
        attempt, refusal = _create(order, shipment, call, by_last_reading=True)
    except Permanent as error:
        # Shopify may refuse outdated ids like this. Whoever comes next finds the attempt, and reads.
        raise Transient("Shopify did not take what the last reading says") from error
    if refusal:
        _void_attempt(attempt)
        logger.info("fulfillment_reading_outdated", order=order.id, shipment=shipment.id, said=refusal)
        shipment.refresh_from_db()
    return not refusal


def _fulfill_by_new_reading(shop: Shop, order: Order, shipment: Shipment) -> None:
    """Adopt or create the fulfilments of one shipment, and hold the units for which there can be none."""
    taken = known_ids(order)
    known = queries.fulfillments(shop, order.shopify_order_id, expected=len(taken) + 1)
    if cancelled_fulfillments.record_cancelled(order, {node.id for node in known if not node.is_live}):
        shipment.refresh_from_db()
        if shipment.state == ShipmentState.CANCELLED:
            return
    found = [node for node in known if node.is_live]
    adopted = adopt_existing(shipment, found, taken=taken)
    if adopted is not None:
        taken.add(adopted)
    if not held_shipments.unfulfilled_units(shipment):
        return
    if adopted is None:
        _wait_until_settled(shipment)
    planned = _plan(shop, order, shipment, by_others=units_by_others(found, taken=taken))
    refused = _create_all(shop, order, shipment, planned)
    if planned.held or refused:
        held_shipments.hold_shipment(order, shipment, [*planned.held, *refused], remaining=planned.remaining)


def _requested_units(shop: Shop, order: Order) -> list[RequestedUnits]:
    found = queries.fulfillment_orders(shop, order.shopify_order_id)
    return requested_units.from_nodes(found, locations=our_locations.of(shop))


def _plan(
    shop: Shop, order: Order, shipment: Shipment, *, by_others: Mapping[ShopifyLineId, int]
) -> FulfillmentPlan:
    """The fulfilments to make, at the warehouse's location if possible.

    Fulfilment orders that are still at other locations are moved there first, because a shipment may be reported before
    its move. If Shopify refuses the move, each location gets a fulfilment of its own.
    """
    assert shipment.wms_order is not None  # noqa: S101
    location = shipment.wms_order.warehouse.shopify_location_id

    def planned() -> FulfillmentPlan:
        return requested_units.plan(
            held_shipments.unfulfilled_units(shipment),
            _requested_units(shop, order),
            location_id=location,
            by_others=by_others,
            cancelled=order.cancelled_at is not None,
        )

    first = planned()
    if all(call.location_id == location for call in first.calls):
        return first
    location_moves.move(shipment.wms_order.id)
    return planned()


def _wait_until_settled(shipment: Shipment) -> None:
    """Raise Throttled during the settle time after an attempt whose answer was lost."""
    in_doubt = shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).exists()
    if shipment.attempt_at is None or not (in_doubt or shipment.state == ShipmentState.FULFILLING):
        return
    ages = Shipment.objects.annotate(age=Now() - F("attempt_at")).values_list("age", flat=True)
    left = SETTLE_TIME - ages.get(id=shipment.id)
    if left > timedelta(0):
        raise Throttled("the answer was lost: too early to tell that it was not done", wait=left)


def _create_all(shop: Shop, order: Order, shipment: Shipment, planned: FulfillmentPlan) -> list[HeldUnits]:
    """Make the calls; returns the units that Shopify refused. A refused call is repeated for each fulfilment order."""
    calls, refused = deque(planned.calls), list[HeldUnits]()
    while calls:
        call = calls.popleft()
        attempt, refusal = _create(order, shipment, call)
        if refusal:
            _judge_refusal(shop, order, call, attempt, messages=refusal)
        shipment.refresh_from_db()
        if not refusal:
            continue
        pieces = call.by_fulfillment_order()
        if len(pieces) > 1:
            calls.extendleft(reversed(pieces))
        else:
            why = f"Shopify refused the fulfilment: {refusal}"
            refused += [HeldUnits(line, quantity, why) for line, quantity in call.units.items()]
    return refused


def _begin_attempt(shipment: Shipment, call: Call, *, by_last_reading: bool) -> Fulfillment:
    """Record the attempt. After a new reading, by which an earlier one came to nothing, that one is void. Raises
    Transient as `_record_attempt` does.
    """
    if by_last_reading:
        return _record_attempt(shipment, call)
    with transaction.atomic():
        shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).update(state=FulfillmentState.VOID)
        return _record_attempt(shipment, call)


def _record_attempt(shipment: Shipment, call: Call) -> Fulfillment:
    """Record the attempt, with one statement. Raises Transient if another one began or ended since the shipment was
    read."""
    units, tracking = units_as_json(call.units), tracking_input(shipment)
    row: dict[str, Any] = {
        "shipment": shipment.id,
        "state": shipment.state,
        "attempt_at": shipment.attempt_at,
        "units": json.dumps(units),
        "tracking": json.dumps(tracking),
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_ATTEMPT, row)
        recorded = cursor.fetchone()
    if recorded is None:
        raise Transient("the shipment was changed while Shopify was read")
    number, shipment.attempt_at = recorded
    shipment.state = ShipmentState.FULFILLING
    return Fulfillment(id=number, shipment=shipment, units=units, tracking=tracking)


def fulfillment_input(call: Call, tracking: Mapping[str, Any], *, notify: bool) -> dict[str, Any]:
    """The `FulfillmentInput` of a call (Admin API 2026-10)."""
    by_order: dict[FulfillmentOrderId, list[dict[str, Any]]] = {}
    for each in call.picks:
        line = {
            "id": gid("FulfillmentOrderLineItem", each.fulfillment_order_line_id),
            "quantity": each.quantity,
        }
        by_order.setdefault(each.fulfillment_order_id, []).append(line)
    return {
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": gid("FulfillmentOrder", fulfillment_order_id),
                "fulfillmentOrderLineItems": lines,
            }
            for fulfillment_order_id, lines in by_order.items()
        ],
        "notifyCustomer": notify,
        "trackingInfo": tracking or None,
    }


def _create(
    order: Order, shipment: Shipment, call: Call, *, by_last_reading: bool = False
) -> tuple[Fulfillment, str]:
    """Make one fulfilment; returns the attempt, and why Shopify refused it, "" if it was made."""
    shop, tried_before = order.shop, shipment.attempt_at
    attempt = _begin_attempt(shipment, call, by_last_reading=by_last_reading)
    given = fulfillment_input(call, attempt.tracking, notify=shop.notify_customer)
    try:
        data = execute(shop, "fulfillment_create", {"fulfillment": given}, priority=Priority.HIGH).data
    except UnknownOutcome:
        raise
    except (Transient, Throttled):
        _void_attempt(attempt, never_tried=tried_before is None)
        raise
    payload = parse(FulfillmentCreatePayload, data.get("fulfillmentCreate"), changes=True)
    if payload.fulfillment is None:
        return attempt, payload.messages or "without a reason"
    record(attempt, payload.fulfillment.id, call=call, read_at=order.read_at)
    return attempt, ""


def _judge_refusal(shop: Shop, order: Order, call: Call, attempt: Fulfillment, *, messages: str) -> None:
    """Record that Shopify refused the call. Raises Transient if its fulfilment orders changed meanwhile."""
    requested = _requested_units(shop, order)
    _void_attempt(attempt)
    if not requested_units.is_still_open(call, requested):
        raise Transient(f"the fulfilment orders changed while they were fulfilled: {messages}")


@transaction.atomic
def _void_attempt(attempt: Fulfillment, *, never_tried: bool = False) -> None:
    """Record that nothing came of the attempt, so that the next one need not wait for the settle time.

    `never_tried`: it was the first one and was not sent, so the shipment is as it was before.
    """
    this_attempt = Shipment.objects.filter(
        id=attempt.shipment_id, state=ShipmentState.FULFILLING, attempt_at=attempt.shipment.attempt_at
    )
    this_attempt.update(state=ShipmentState.RECEIVED, **({"attempt_at": None} if never_tried else {}))
    Fulfillment.objects.filter(id=attempt.id, state=FulfillmentState.IN_FLIGHT).update(
        state=FulfillmentState.VOID
    )
