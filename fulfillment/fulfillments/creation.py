"""From a Shipment to Shopify fulfilments, exactly once: Shopify offers no idempotency key, so it is read back first.

Every attempt reads the order's fulfilments and fulfilment orders anew (their ids change), takes a fulfilment that is
there already for its own, and only else creates one: what Shopify asks for is told at once, the rest is held. Each
attempt is committed with its units and its tracking before the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from pydantic import model_validator

from fulfillment.fulfillments import location_moves
from fulfillment.fulfillments.recording import record
from fulfillment.models import Fulfillment, Order, Shipment
from fulfillment.models.states import FulfillmentState, ShipmentState
from fulfillment.refs import OrderPk
from fulfillment.shipments import cancelled_fulfillments, held_shipments, requested_units
from fulfillment.shipments.requested_units import Call, FulfillmentPlan, HeldUnits, RequestedUnits
from fulfillment.shipments.tracking import numbers_in, tracking_input
from fulfillment.shopify import our_locations, queries
from fulfillment.shopify.snapshots import FulfillmentNode
from ops.errors import Throttled, Transient, UnknownOutcome
from ops.models import Priority
from shops.api.client import execute
from shops.api.gids import gid
from shops.api.shapes import FulfillmentGid, Payload, Shape, parse
from shops.ids import FulfillmentId, FulfillmentOrderId, ShopifyLineId
from shops.models import Shop

SETTLE = timedelta(seconds=30)
"""After a lost answer Shopify may still be at it: only after this long does "not there" mean that it was not done."""


class _FulfillmentRef(Shape):
    id: FulfillmentGid


class Created(Payload):
    """What `fulfillmentCreate` answers."""

    fulfillment: _FulfillmentRef | None = None

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Neither made nor refused is no answer."""
        if self.fulfillment is None and not self.user_errors:
            raise ValueError("neither a fulfilment nor a refusal")
        return self


@dataclass(frozen=True)
class Wanted:
    """A fulfilment as Shopify is to have it; `units` are Shopify units by Shopify order line id."""

    numbers: frozenset[str]
    units: Mapping[ShopifyLineId, int]


def existing(
    wanted: Wanted, found: Iterable[FulfillmentNode], *, taken: Collection[FulfillmentId]
) -> FulfillmentNode | None:
    """The fulfilment that already is this one: same units, its tracking numbers, and no other call's. Pure."""
    for node in found:
        same_tracking = wanted.numbers <= node.numbers if wanted.numbers else not node.numbers
        if node.id not in taken and same_tracking and node.units == dict(wanted.units):
            return node
    return None


def fulfil(order_pk: OrderPk) -> None:
    """Tell Shopify of the order's shipments, one after the other.

    Raises what `shops.api.client.execute` raises, and Throttled while a lost answer is too fresh to be judged.
    """
    order = Order.objects.select_related("shop").get(id=order_pk)
    waiting = Shipment.objects.filter(
        wms_order__order=order, state__in=[ShipmentState.RECEIVED, ShipmentState.FULFILLING]
    ).select_related("wms_order__warehouse")
    for shipment in waiting.order_by("id"):
        _tell(order.shop, order, shipment)


def _taken(order: Order) -> set[FulfillmentId]:
    """Fulfilments that are known as some call's."""
    of_calls = Fulfillment.objects.filter(shipment__wms_order__order=order).order_by()
    of_shipments = Shipment.objects.filter(wms_order__order=order).order_by()
    ids = of_calls.values_list("shopify_fulfillment_id").union(
        of_shipments.values_list("shopify_fulfillment_id")
    )
    return {FulfillmentId(found) for (found,) in ids if found}


def _tell(shop: Shop, order: Order, shipment: Shipment) -> None:
    taken = _taken(order)
    known = queries.fulfillments(shop, order.shopify_order_id, expected=len(taken) + 1)
    if cancelled_fulfillments.record_cancelled(order, {node.id for node in known if not node.is_live}):
        shipment.refresh_from_db()
        if shipment.state == ShipmentState.CANCELLED:
            return
    found = [node for node in known if node.is_live]
    if (there := _read_back(shipment, found, taken=taken)) is not None:
        taken.add(there)
    units = held_shipments.unfulfilled_units(shipment)
    if not units:
        return
    if there is None:
        _wait_until_settled(shipment)
    by_others: dict[ShopifyLineId, int] = {}
    for node in found:
        for line, quantity in node.units.items() if node.id not in taken else ():
            by_others[line] = by_others.get(line, 0) + quantity
    planned = _plan(shop, order, shipment, by_others=by_others)
    refused = _carry_out(shop, order, shipment, planned)
    if planned.held or refused:
        held_shipments.hold_shipment(order, shipment, [*planned.held, *refused], remaining=planned.remaining)


def _read_back(
    shipment: Shipment, found: Sequence[FulfillmentNode], *, taken: Collection[FulfillmentId]
) -> FulfillmentId | None:
    """Take over a fulfilment that is there: the last attempt's, whose answer was lost; or one of all that is untold."""
    attempt = shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).first()
    if attempt is not None:
        units = {ShopifyLineId(int(line)): quantity for line, quantity in attempt.units.items()}
        there = existing(Wanted(numbers_in(attempt.tracking), units), found, taken=taken)
        if there is not None:
            record(attempt, there.id)
            shipment.refresh_from_db()
            return there.id
    given = tracking_input(shipment)
    units = held_shipments.unfulfilled_units(shipment)
    there = existing(Wanted(numbers_in(given), units), found, taken=taken) if units else None
    if there is None:
        return None
    record(Fulfillment(shipment=shipment, units=_keyed(units), tracking=given), there.id)
    shipment.refresh_from_db()
    return there.id


def _keyed(units: Mapping[ShopifyLineId, int]) -> dict[str, int]:
    return {str(line): quantity for line, quantity in units.items()}


def _work(shop: Shop, order: Order) -> list[RequestedUnits]:
    work = queries.fulfillment_orders(shop, order.shopify_order_id)
    return requested_units.from_nodes(work, locations=our_locations.of(shop))


def _plan(
    shop: Shop, order: Order, shipment: Shipment, *, by_others: Mapping[ShopifyLineId, int]
) -> FulfillmentPlan:
    """What the fulfilments take, at the warehouse's location: work that still lies elsewhere is moved there first.

    A parcel may overtake the move, e.g. after an outage. Where Shopify refuses the move, the other locations serve: one
    fulfilment for each.
    """
    assert shipment.wms_order is not None  # noqa: S101
    location = shipment.wms_order.warehouse.shopify_location_id

    def planned() -> FulfillmentPlan:
        return requested_units.plan(
            held_shipments.unfulfilled_units(shipment),
            _work(shop, order),
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
    in_doubt = shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).exists()
    if shipment.attempt_at is None or not (in_doubt or shipment.state == ShipmentState.FULFILLING):
        return
    ages = Shipment.objects.annotate(age=Now() - F("attempt_at")).values_list("age", flat=True)
    left = SETTLE - ages.get(id=shipment.id)
    if left > timedelta(0):
        raise Throttled("the answer was lost: too early to tell that it was not done", wait=left)


def _carry_out(shop: Shop, order: Order, shipment: Shipment, planned: FulfillmentPlan) -> list[HeldUnits]:
    """Make the calls; returns what Shopify refused. A call that is refused as a whole is tried in its pieces."""
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
def _begin(shipment: Shipment, call: Call) -> Fulfillment:
    """Record the attempt, unless somebody began or ended one since the shipment was read."""
    first = Q(attempt_at__isnull=True) if shipment.attempt_at is None else Q(attempt_at=shipment.attempt_at)
    as_read = Shipment.objects.filter(first, id=shipment.id, state=shipment.state)
    if not as_read.update(state=ShipmentState.FULFILLING, attempt_at=Now()):
        raise Transient("the shipment was changed while Shopify was read")
    shipment.refresh_from_db()
    shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).update(state=FulfillmentState.VOID)
    return Fulfillment.objects.create(
        shipment=shipment, units=_keyed(call.units), tracking=tracking_input(shipment)
    )


def fulfillment_input(call: Call, tracking: Mapping[str, Any], *, notify: bool) -> dict[str, Any]:
    """`FulfillmentInput` of the Admin API 2026-10: by fulfilment-order lines, with tracking and the carrier's name."""
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
    """Make one fulfilment; returns why Shopify refused it ("" = it is made)."""
    attempt = _begin(shipment, call)
    given = fulfillment_input(call, attempt.tracking, notify=shop.notify_customer)
    try:
        data = execute(shop, "fulfillment_create", {"fulfillment": given}, priority=Priority.HIGH).data
    except UnknownOutcome:
        raise
    except (Transient, Throttled):
        _take_back(shipment, attempt)
        raise
    payload = parse(Created, data.get("fulfillmentCreate"), changes=True)
    if payload.fulfillment:
        record(attempt, payload.fulfillment.id)
        return ""
    return _refused(shop, order, shipment, call, attempt, messages=payload.messages)


def _refused(
    shop: Shop,
    order: Order,
    shipment: Shipment,
    call: Call,
    attempt: Fulfillment,
    *,
    messages: str,
) -> str:
    """Why. A refusal of fulfilment orders that were moved meanwhile is none: raises Transient."""
    work = _work(shop, order)
    _take_back(shipment, attempt)
    if not requested_units.is_still_open(call, work):
        raise Transient(f"the fulfilment orders changed while they were fulfilled: {messages}")
    return messages or "without a reason"


@transaction.atomic
def _take_back(shipment: Shipment, attempt: Fulfillment) -> None:
    """Nothing was sent, or it was refused: the next attempt need not wait for this one to settle."""
    this_attempt = Shipment.objects.filter(
        id=shipment.id, state=ShipmentState.FULFILLING, attempt_at=shipment.attempt_at
    )
    this_attempt.update(state=ShipmentState.RECEIVED)
    Fulfillment.objects.filter(id=attempt.id, state=FulfillmentState.IN_FLIGHT).update(
        state=FulfillmentState.VOID
    )
