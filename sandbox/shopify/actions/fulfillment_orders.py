"""Fulfilment orders are split, moved, held and released.

The messages were recorded from the Admin API 2026-04.
"""

import time
from typing import Any

from sandbox.shopify.actions.inventory import change
from sandbox.shopify.actions.refusals import Refusal
from sandbox.shopify.state.catalogue import Location
from sandbox.shopify.state.ids import new_id, number
from sandbox.shopify.state.orders import FulfillmentOrder, FulfillmentOrderLine, Hold
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import now
from sandbox.shopify.webhooks.fulfillment_order_bodies import (
    fulfillment_order_body,
    moved_body,
    placed_on_hold_body,
)
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World

REPORTED_PROGRESS = (
    "Cannot move a fulfillment order that has had progress reported. To move a fulfillment order that has had progress"
    " reported, the fulfillment order must first be marked as open resolving the ongoing progress state."
)


def split(shop: Shop, each: FulfillmentOrder, wanted: list[dict[str, Any]]) -> FulfillmentOrder | None:
    """Keeps the wanted units in `each` and puts the rest, if there is any, into a new fulfilment order.

    Raises Refusal.
    """
    kept = {number(item["id"]): int(item["quantity"]) for item in wanted}
    by_id = {line.id: line for line in each.lines}
    for line_id, units in kept.items():
        if line_id not in by_id:
            raise Refusal("Fulfillment order line item does not exist.", field=["fulfillmentOrderLineItems"])
        if not 0 < units <= by_id[line_id].remaining:
            raise Refusal(
                "Invalid fulfillment order line item quantity requested.", field=["fulfillmentOrderLineItems"]
            )
    rest = [
        (line, line.remaining - kept.get(line.id, 0))
        for line in each.lines
        if line.remaining > kept.get(line.id, 0)
    ]
    if not rest:
        return None
    other = create_empty(shop, each)
    for line, units in rest:
        line.total -= units
        line.remaining -= units
        other.lines.append(
            FulfillmentOrderLine(new_id("FulfillmentOrderLineItem"), other, line.line, units, units)
        )
    each.lines = [line for line in each.lines if line.total]
    return other


def create_empty(shop: Shop, each: FulfillmentOrder) -> FulfillmentOrder:
    """Creates an empty fulfilment order of the same order, location and date."""
    other = FulfillmentOrder(
        id=new_id("FulfillmentOrder"),
        order=each.order,
        location=each.location,
        status="OPEN",
        delivery_method=each.delivery_method,
        fulfill_at=each.fulfill_at,
        visible_at=time.monotonic(),
    )
    each.order.fulfillment_orders.append(other)
    shop.fulfillment_orders[other.id] = other
    return other


def move(
    world: World,
    shop: Shop,
    each: FulfillmentOrder,
    location: Location | None,
    wanted: list[dict[str, Any]] | None,
) -> tuple[FulfillmentOrder, FulfillmentOrder, FulfillmentOrder | None]:
    """fulfillmentOrderMove: returns (moved, original, remaining). Raises Refusal.

    A fulfilment order of which nothing was fulfilled moves and keeps its id, as recorded; what the call did not name
    stays behind in a new one. When a part was fulfilled, the rest moves in a new one and the original closes.
    """
    check_movable(shop, each, location)
    assert location
    source = each.location
    rest = split(shop, each, wanted) if wanted else None
    moved = each
    if any(line.remaining < line.total for line in each.lines):
        moved = split_off_remaining(shop, each)
        each.status = "CLOSED"
    event = new_event()
    for line in moved.lines:
        change(
            world, shop, line.line, source, available=line.remaining, committed=-line.remaining, event=event
        )
        change(
            world, shop, line.line, location, available=-line.remaining, committed=line.remaining, event=event
        )
    moved.location = location
    each.updated_at = moved.updated_at = now()
    body = moved_body(original=each, moved=moved, source_id=source.id)
    world.announce(shop, "fulfillment_orders/moved", body, event=event)
    return moved, each, rest


def check_movable(shop: Shop, each: FulfillmentOrder, location: Location | None) -> None:
    """Checks that the fulfilment order may move to the location. Raises Refusal."""
    if each.status in ("CLOSED", "CANCELLED", "INCOMPLETE"):
        raise Refusal("Cannot change location.")
    if each.progress_reported:
        raise Refusal(
            REPORTED_PROGRESS, field=["id"], code="CANNOT_MOVE_FULFILLMENT_ORDER_WITH_REPORTED_PROGRESS"
        )
    if location is None or not location.is_active:
        raise Refusal("Location not found.", field=["newLocationId"])
    if not all(shop.stocks(line.line.variant, location) for line in each.lines):
        message = "The fulfillment order cannot be moved to a location that does not stock its items."
        raise Refusal(message, field=["newLocationId"])


def split_off_remaining(shop: Shop, each: FulfillmentOrder) -> FulfillmentOrder:
    """Moves everything that remains into a new fulfilment order."""
    other = create_empty(shop, each)
    for line in each.lines:
        if line.remaining:
            units, line.total, line.remaining = line.remaining, line.total - line.remaining, 0
            other.lines.append(
                FulfillmentOrderLine(new_id("FulfillmentOrderLineItem"), other, line.line, units, units)
            )
    return other


def hold(
    world: World, shop: Shop, each: FulfillmentOrder, given: dict[str, Any], *, by_app: bool
) -> tuple[Hold, FulfillmentOrder | None]:
    """fulfillmentOrderHold: returns (hold, remaining fulfilment order of a partial hold). Raises Refusal."""
    if each.status not in ("OPEN", "SCHEDULED", "ON_HOLD"):
        raise Refusal("The fulfillment order is not in a state that can be put on hold.", field=["id"])
    handle = given.get("handle") or ""
    if by_app and len([one for one in each.holds if one.by_app]) >= 10:
        raise Refusal(
            "The fulfillment order has reached the hold limit.",
            field=["id"],
            code="FULFILLMENT_ORDER_HOLD_LIMIT_REACHED",
        )
    if by_app and any(one.by_app and one.handle == handle for one in each.holds):
        message = (
            "The handle provided for the fulfillment hold is already in use by this app for another hold on this"
            " fulfillment order."
        )
        raise Refusal(message, field=["fulfillmentHold", "handle"], code="DUPLICATE_FULFILLMENT_HOLD_HANDLE")
    rest = (
        split(shop, each, given["fulfillmentOrderLineItems"])
        if given.get("fulfillmentOrderLineItems")
        else None
    )
    one = Hold(new_id("FulfillmentHold"), given["reason"], given.get("reasonNotes"), handle, by_app=by_app)
    first = not each.holds
    each.holds.append(one)
    each.status, each.updated_at = "ON_HOLD", now()
    if first and each.visible:
        body = placed_on_hold_body(each, remaining=rest)
        world.announce(shop, "fulfillment_orders/placed_on_hold", body, event=new_event())
    return one, rest


def release(world: World, shop: Shop, each: FulfillmentOrder, *, hold_ids: list[int] | None) -> None:
    """fulfillmentOrderReleaseHold: releases the named holds, or all holds of everybody. Raises Refusal."""
    if not each.holds:
        raise Refusal("The fulfillment order is not on hold.", field=["id"])
    each.holds = [one for one in each.holds if hold_ids and one.id not in hold_ids]
    each.updated_at = now()
    if each.holds:
        return
    each.status = "SCHEDULED" if each.fulfill_at and each.fulfill_at > now() else "OPEN"
    world.announce(shop, "fulfillment_orders/hold_released", fulfillment_order_body(each), event=new_event())
