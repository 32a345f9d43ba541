"""From a Shipment to a Shopify fulfilment, exactly once: Shopify offers no idempotency key, so it is read back first.

Every attempt reads the order's fulfilments and fulfilment orders anew (their ids change), takes a fulfilment that is
there already for its own, and only else creates one. The attempt is committed before the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment import moving, reading, shipments, tracking
from fulfillment.models import Order, Shipment
from fulfillment.readiness import GOING_STATUSES, SHIPPED_METHODS
from fulfillment.snapshots import FulfillmentNode, WorkNode
from fulfillment.states import ShipmentState
from inventory.levels import mark_due
from ops.alerts import close_alert, raise_alert
from ops.errors import Throttled, Transient, UnknownOutcome
from ops.models import Priority, Severity
from shops.client import execute
from shops.gids import gid, number
from shops.models import Shop

logger = structlog.get_logger(__name__)

SETTLE = timedelta(seconds=30)
"""After a lost answer Shopify may still be at it: only after this long does "not there" mean that it was not done."""


@dataclass(frozen=True)
class Wanted:
    """A shipment as Shopify is to see it; `units` are Shopify units by Shopify order line id."""

    tracking_number: str
    units: Mapping[int, int]
    location_id: int


@dataclass(frozen=True)
class Pick:
    """Units of one fulfilment-order line that a fulfilment takes."""

    fulfillment_order_id: int
    line_id: int
    quantity: int


def existing(
    wanted: Wanted, found: Iterable[FulfillmentNode], *, taken: frozenset[int]
) -> FulfillmentNode | None:
    """The fulfilment that already is this shipment: same units, same tracking, and no other shipment's. Pure."""
    for node in found:
        same_tracking = wanted.tracking_number in node.numbers if wanted.tracking_number else not node.numbers
        if node.id not in taken and same_tracking and node.units == dict(wanted.units):
            return node
    return None


def pick(wanted: Wanted, work: Sequence[WorkNode]) -> list[Pick] | None:
    """Fulfilment-order lines that take all units, at one location (a call may name one only); None = impossible. Pure.

    The warehouse's own location is preferred, then the others in turn.
    """
    going = [node for node in work if node.status in GOING_STATUSES and node.method in SHIPPED_METHODS]
    locations = dict.fromkeys([wanted.location_id, *(node.location_id for node in going)])
    for location in locations:
        picks = _pick_at([node for node in going if node.location_id == location], wanted.units)
        if picks is not None:
            return picks
    return None


def _pick_at(work: Sequence[WorkNode], units: Mapping[int, int]) -> list[Pick] | None:
    left = dict(units)
    picks = []
    for node in work:
        for line in node.line_items.nodes:
            take = min(left.get(line.line_item.id, 0), line.remaining_quantity)
            if take:
                picks.append(Pick(node.id, line.id, take))
                left[line.line_item.id] -= take
    return picks if not any(left.values()) else None


def fulfil(order_id: int) -> None:
    """Tell Shopify of the order's shipments, one after the other.

    Raises what `shops.client.execute` raises, and Throttled while a lost answer is too fresh to be judged.
    """
    order = Order.objects.select_related("shop").get(id=order_id)
    waiting = Shipment.objects.filter(
        wms_order__order=order, state__in=[ShipmentState.RECEIVED, ShipmentState.FULFILLING]
    ).select_related("wms_order__warehouse")
    for shipment in waiting.order_by("id"):
        _fulfil_one(order.shop, order, shipment)


def _wanted(shipment: Shipment) -> Wanted:
    assert shipment.wms_order is not None  # noqa: S101
    return Wanted(
        tracking_number=shipment.tracking_number,
        units=dict(shipment.units.values_list("order_line__shopify_line_id", "quantity")),
        location_id=shipment.wms_order.warehouse.shopify_location_id,
    )


def _fulfil_one(shop: Shop, order: Order, shipment: Shipment) -> None:
    wanted = _wanted(shipment)
    others = Shipment.objects.filter(wms_order__order=order).exclude(id=shipment.id)
    taken = frozenset(n for n in others.values_list("shopify_fulfillment_id", flat=True) if n)
    found = reading.fulfillments(shop, order.shopify_order_id, expected=len(taken) + 1)
    there = existing(wanted, found, taken=taken)
    if there is not None:
        record(shipment.id, there.id)
        return
    _wait_until_settled(shipment)
    picks = _picks(shop, order, shipment, wanted)
    if picks is None:
        refuse(
            order,
            shipment,
            "Shopify no longer asks for these units (cancelled, or fulfilled by somebody else)",
        )
        return
    _begin(shipment)
    _create(shop, order, shipment, picks)


def _picks(shop: Shop, order: Order, shipment: Shipment, wanted: Wanted) -> list[Pick] | None:
    """What the fulfilment takes, at the warehouse's location: work that still lies elsewhere is moved there first.

    A parcel may overtake the move, e.g. after an outage. Where Shopify refuses the move, the other location serves.
    """
    work = reading.fulfillment_orders(shop, order.shopify_order_id)
    at_warehouse = [node for node in work if node.location_id == wanted.location_id]
    if shipment.wms_order_id and pick(wanted, at_warehouse) is None and pick(wanted, work) is not None:
        moving.move(shipment.wms_order_id)
        work = reading.fulfillment_orders(shop, order.shopify_order_id)
    return pick(wanted, work)


def _wait_until_settled(shipment: Shipment) -> None:
    if shipment.state != ShipmentState.FULFILLING or shipment.attempt_at is None:
        return
    ages = Shipment.objects.annotate(age=Now() - F("attempt_at")).values_list("age", flat=True)
    left = SETTLE - ages.get(id=shipment.id)
    if left > timedelta(0):
        raise Throttled("the answer was lost: too early to tell that it was not done", wait=left)


def _begin(shipment: Shipment) -> None:
    """Record the attempt, unless somebody changed the shipment, or began an attempt, since it was read."""
    as_read = Shipment.objects.filter(
        id=shipment.id, state=shipment.state, tracking_number=shipment.tracking_number
    )
    first = Q(attempt_at__isnull=True) if shipment.attempt_at is None else Q(attempt_at=shipment.attempt_at)
    if not as_read.filter(first).update(state=ShipmentState.FULFILLING, attempt_at=Now()):
        raise Transient("the shipment was changed while Shopify was read")
    shipment.refresh_from_db(fields=["attempt_at"])


def fulfillment_input(shipment: Shipment, picks: Sequence[Pick], *, notify: bool) -> dict[str, Any]:
    """`FulfillmentInput` of the Admin API 2026-10: by fulfilment-order lines, with tracking and the carrier's name."""
    by_order: dict[int, list[dict[str, Any]]] = {}
    for each in picks:
        line = {"id": gid("FulfillmentOrderLineItem", each.line_id), "quantity": each.quantity}
        by_order.setdefault(each.fulfillment_order_id, []).append(line)
    return {
        "lineItemsByFulfillmentOrder": [
            {"fulfillmentOrderId": gid("FulfillmentOrder", order_id), "fulfillmentOrderLineItems": lines}
            for order_id, lines in by_order.items()
        ],
        "notifyCustomer": notify,
        "trackingInfo": tracking.tracking_input(shipment) or None,
    }


def _create(shop: Shop, order: Order, shipment: Shipment, picks: Sequence[Pick]) -> None:
    variables = {"fulfillment": fulfillment_input(shipment, picks, notify=shop.notify_customer)}
    try:
        data = execute(shop, "fulfillment_create", variables, priority=Priority.HIGH)
    except UnknownOutcome:
        raise
    except (Transient, Throttled):
        _take_back(shipment)
        raise
    _conclude(shop, order, shipment, picks, payload=data.get("fulfillmentCreate") or {})


def _take_back(shipment: Shipment) -> None:
    """Nothing was sent, or it was refused: the next attempt need not wait for this one to settle."""
    this_attempt = Shipment.objects.filter(
        id=shipment.id, state=ShipmentState.FULFILLING, attempt_at=shipment.attempt_at
    )
    this_attempt.update(state=ShipmentState.RECEIVED)


def _conclude(
    shop: Shop, order: Order, shipment: Shipment, picks: Sequence[Pick], *, payload: Mapping[str, Any]
) -> None:
    """Take over Shopify's answer. A refusal of fulfilment orders that were moved meanwhile is none."""
    made = payload.get("fulfillment")
    if made:
        record(shipment.id, number(made["id"]))
        return
    messages = "; ".join(error.get("message", "") for error in payload.get("userErrors") or [])
    if pick(_wanted(shipment), reading.fulfillment_orders(shop, order.shopify_order_id)) != picks:
        _take_back(shipment)
        raise Transient(f"the fulfilment orders changed while they were fulfilled: {messages}")
    refuse(order, shipment, f"Shopify refused the fulfilment: {messages or 'without a reason'}")


@transaction.atomic
def record(shipment_id: int, fulfillment_id: int) -> bool:
    """Store which Shopify fulfilment a shipment became; False when it is stored already."""
    shipment = Shipment.objects.select_related("wms_order__warehouse").get(id=shipment_id)
    recorded = (
        Shipment.objects.filter(id=shipment_id)
        .exclude(state=ShipmentState.FULFILLED)
        .update(
            state=ShipmentState.FULFILLED,
            reason="",
            shopify_fulfillment_id=fulfillment_id,
            fulfilled_at=Now(),
        )
    )
    if not recorded:
        return False
    assert shipment.wms_order is not None  # noqa: S101
    mark_due(shipment.wms_order.warehouse_id, list(shipment.lines.values_list("item_code", flat=True)))
    close_alert("shipment_held", subject=shipments.subject_of(shipment))
    logger.info("shipment_fulfilled", shipment=shipment_id, fulfillment=fulfillment_id)
    return True


@transaction.atomic
def refuse(order: Order, shipment: Shipment, problem: str) -> None:
    """The shipment cannot become a fulfilment as things stand: held, and a person is told."""
    if not shipments.hold(shipment, problem):
        return
    cancelled = (
        " The order is cancelled in Shopify, and the parcel is on its way." if order.cancelled_at else ""
    )
    raise_alert(
        "shipment_held",
        subject=shipments.subject_of(shipment),
        severity=Severity.CRITICAL,
        title=f"A parcel of order {order.name} cannot be told to Shopify",
        meaning=f"The customer gets no tracking number. {problem}.{cancelled}",
        action="Look at the order in Shopify. When its fulfilment order is open again, choose «Look again» on the "
        "shipment. When it was fulfilled by hand, nothing else is to be done: close the alert.",
    )
