"""Makes Shopify fulfilments of shipments, exactly once. Shopify takes no idempotency key, so we read before we write.

Every attempt reads the order's fulfilments and fulfilment orders again, because their ids change. If the fulfilment is
there already, it is adopted; otherwise it is created. Units that Shopify asks for are fulfilled at once, and the others
are held. Each attempt is committed with its units and its tracking before the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from pydantic import model_validator

from fulfillment.fulfillments import location_moves
from fulfillment.fulfillments.adoption import adopt_existing, known_ids, units_by_others
from fulfillment.fulfillments.recording import record, units_as_json
from fulfillment.models import Fulfillment, Order, Shipment
from fulfillment.models.states import FulfillmentState, ShipmentState
from fulfillment.refs import OrderPk
from fulfillment.shipments import cancelled_fulfillments, held_shipments, requested_units
from fulfillment.shipments.requested_units import Call, FulfillmentPlan, HeldUnits, RequestedUnits
from fulfillment.shipments.tracking import tracking_input
from fulfillment.shopify import our_locations, queries
from ops.errors import Throttled, Transient, UnknownOutcome
from ops.models import Priority
from shops.api.client import execute
from shops.api.gids import gid
from shops.api.shapes import FulfillmentGid, Payload, Shape, parse
from shops.ids import FulfillmentOrderId, ShopifyLineId
from shops.models import Shop

SETTLE_TIME = timedelta(seconds=30)
"""After a lost answer Shopify may still work on the request. Only after this time does "not there" mean "not made"."""


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
    order = Order.objects.select_related("shop").get(id=order_pk)
    waiting = Shipment.objects.filter(
        wms_order__order=order, state__in=[ShipmentState.RECEIVED, ShipmentState.FULFILLING]
    ).select_related("wms_order__warehouse")
    for shipment in waiting.order_by("id"):
        _fulfill_shipment(order.shop, order, shipment)


def _fulfill_shipment(shop: Shop, order: Order, shipment: Shipment) -> None:
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
        refusal = _create(shop, order, shipment, call)
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


@transaction.atomic
def _record_attempt(shipment: Shipment, call: Call) -> Fulfillment:
    """Record the attempt. Raises Transient if another attempt began or ended since the shipment was read."""
    first = Q(attempt_at__isnull=True) if shipment.attempt_at is None else Q(attempt_at=shipment.attempt_at)
    as_read = Shipment.objects.filter(first, id=shipment.id, state=shipment.state)
    if not as_read.update(state=ShipmentState.FULFILLING, attempt_at=Now()):
        raise Transient("the shipment was changed while Shopify was read")
    shipment.refresh_from_db()
    shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).update(state=FulfillmentState.VOID)
    return Fulfillment.objects.create(
        shipment=shipment, units=units_as_json(call.units), tracking=tracking_input(shipment)
    )


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


def _create(shop: Shop, order: Order, shipment: Shipment, call: Call) -> str:
    """Make one fulfilment; returns why Shopify refused it, "" if it was made."""
    attempt = _record_attempt(shipment, call)
    given = fulfillment_input(call, attempt.tracking, notify=shop.notify_customer)
    try:
        data = execute(shop, "fulfillment_create", {"fulfillment": given}, priority=Priority.HIGH).data
    except UnknownOutcome:
        raise
    except (Transient, Throttled):
        _void_attempt(shipment, attempt)
        raise
    payload = parse(FulfillmentCreatePayload, data.get("fulfillmentCreate"), changes=True)
    if payload.fulfillment:
        record(attempt, payload.fulfillment.id)
        return ""
    return _judge_refusal(shop, order, shipment, call, attempt, messages=payload.messages)


def _judge_refusal(
    shop: Shop,
    order: Order,
    shipment: Shipment,
    call: Call,
    attempt: Fulfillment,
    *,
    messages: str,
) -> str:
    """Why Shopify refused the call. Raises Transient if the cause is that its fulfilment orders changed meanwhile."""
    requested = _requested_units(shop, order)
    _void_attempt(shipment, attempt)
    if not requested_units.is_still_open(call, requested):
        raise Transient(f"the fulfilment orders changed while they were fulfilled: {messages}")
    return messages or "without a reason"


@transaction.atomic
def _void_attempt(shipment: Shipment, attempt: Fulfillment) -> None:
    """Record that nothing came of the attempt, so that the next one need not wait for the settle time."""
    this_attempt = Shipment.objects.filter(
        id=shipment.id, state=ShipmentState.FULFILLING, attempt_at=shipment.attempt_at
    )
    this_attempt.update(state=ShipmentState.RECEIVED)
    Fulfillment.objects.filter(id=attempt.id, state=FulfillmentState.IN_FLIGHT).update(
        state=FulfillmentState.VOID
    )
