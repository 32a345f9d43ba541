"""Webhook bodies about fulfilment orders. They carry gids only."""

from typing import Any

from sandbox.shopify.state.ids import gid
from sandbox.shopify.state.orders import FulfillmentOrder, Hold


def fulfillment_order_body(each: FulfillmentOrder) -> dict[str, Any]:
    """Returns the body of order_routing_complete, hold_released and scheduled_fulfillment_order_ready."""
    return {"fulfillment_order": {"id": gid("FulfillmentOrder", each.id), "status": each.status.lower()}}


def hold_body(hold: Hold) -> dict[str, Any]:
    """Returns one hold."""
    return {
        "id": gid("FulfillmentHold", hold.id),
        "reason": hold.reason.lower(),
        "reason_notes": hold.notes,
        "held_by_requesting_app": hold.by_app,
        "handle": hold.handle,
        "held_by_app": None,
    }


def placed_on_hold_body(each: FulfillmentOrder, *, remaining: FulfillmentOrder | None) -> dict[str, Any]:
    """Returns the body of fulfillment_orders/placed_on_hold."""
    body = fulfillment_order_body(each)
    body["fulfillment_order"]["fulfillment_holds"] = [hold_body(hold) for hold in each.holds]
    return {
        **body,
        "remaining_fulfillment_order": remaining and fulfillment_order_body(remaining)["fulfillment_order"],
        "held_fulfillment_order_line_items": line_quantities(each),
        "created_fulfillment_hold": hold_body(each.holds[-1]),
    }


def moved_body(*, original: FulfillmentOrder, moved: FulfillmentOrder, source_id: int) -> dict[str, Any]:
    """Returns the body of fulfillment_orders/moved."""

    def side(each: FulfillmentOrder) -> dict[str, Any]:
        return {
            **fulfillment_order_body(each)["fulfillment_order"],
            "assigned_location_id": gid("Location", each.location.id),
        }

    return {
        "original_fulfillment_order": side(original),
        "moved_fulfillment_order": side(moved),
        "destination_location_id": gid("Location", moved.location.id),
        "fulfillment_order_line_items_requested": line_quantities(moved),
        "source_location": {"id": gid("Location", source_id)},
    }


def line_quantities(each: FulfillmentOrder) -> list[dict[str, Any]]:
    """Returns the lines of a fulfilment order with what remains of each."""
    return [
        {"id": gid("FulfillmentOrderLineItem", line.id), "quantity": line.remaining} for line in each.lines
    ]
