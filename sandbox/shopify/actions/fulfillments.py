"""Fulfilments are created and cancelled, and their tracking changes.

The messages were recorded from the Admin API 2026-04.
"""

from typing import Any

from sandbox.shopify.actions.assignment import choose_location, create_fulfillment_order
from sandbox.shopify.actions.inventory import change
from sandbox.shopify.actions.orders import updated
from sandbox.shopify.actions.refusals import Refusal
from sandbox.shopify.state.catalogue import Location
from sandbox.shopify.state.ids import new_id, number
from sandbox.shopify.state.orders import Fulfillment, FulfillmentLine, FulfillmentOrder, FulfillmentOrderLine
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import now
from sandbox.shopify.webhooks.order_bodies import fulfillment_body
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World

FULFILLABLE = {"OPEN", "IN_PROGRESS"}


def create(world: World, shop: Shop, given: dict[str, Any]) -> Fulfillment:
    """fulfillmentCreate: it carries out everything or nothing. Raises Refusal."""
    parts = requested_parts(shop, given["lineItemsByFulfillmentOrder"])
    involved = list(dict.fromkeys(line.fulfillment_order for line, _ in parts))
    order = involved[0].order
    tracking = given.get("trackingInfo") or {}
    numbers = tracking.get("numbers") or ([tracking["number"]] if tracking.get("number") else [])
    urls = tracking.get("urls") or ([tracking["url"]] if tracking.get("url") else [])
    each = Fulfillment(
        id=new_id("Fulfillment"),
        order=order,
        name=f"{order.name}-F{len(order.fulfillments) + 1}",
        location=involved[0].location,
        notify_customer=bool(given.get("notifyCustomer", False)),
        company=tracking.get("company"),
        numbers=list(numbers),
        urls=list(urls),
        lines=[
            FulfillmentLine(new_id("FulfillmentLineItem"), line.line, line, units) for line, units in parts
        ],
    )
    for line, units in parts:
        line.remaining -= units
        change(world, shop, line.line, each.location, committed=-units, event="")
    for fulfillment_order in involved:
        fulfillment_order.status = "IN_PROGRESS" if fulfillment_order.remaining else "CLOSED"
        fulfillment_order.updated_at = now()
    order.fulfillments.append(each)
    shop.fulfillments[each.id] = each
    event = new_event()
    world.announce(shop, "fulfillments/create", fulfillment_body(each), event=event)
    done = order.fulfillment_status == "FULFILLED"
    updated(world, shop, order, "orders/fulfilled" if done else "orders/partially_fulfilled", event=event)
    return each


def requested_parts(shop: Shop, groups: list[dict[str, Any]]) -> list[tuple[FulfillmentOrderLine, int]]:
    """Returns the fulfilment-order lines and the units that a call asks for. Raises Refusal."""
    if not groups:
        raise Refusal("Fulfillment order does not exist.", field=["fulfillment"])
    parts: list[tuple[FulfillmentOrderLine, int]] = []
    involved: list[FulfillmentOrder] = []
    for index, group in enumerate(groups):
        each = shop.fulfillment_orders.get(number(group["fulfillmentOrderId"]))
        if each is None or not each.visible:
            raise Refusal("Fulfillment order does not exist.", field=["fulfillment"])
        involved.append(each)
        wanted = group.get("fulfillmentOrderLineItems")
        if wanted:
            parts += named_lines(each, wanted, index=index)
        else:
            parts += [(line, line.remaining) for line in each.lines if line.remaining]
    check_together(involved)
    for each in involved:
        if each.status not in FULFILLABLE:
            message = f"Fulfillment order {each.id} has an unfulfillable status= {each.status.lower()}."
            raise Refusal(message, field=["fulfillment"])
    asked: dict[FulfillmentOrderLine, int] = {}
    for line, units in parts:
        asked[line] = asked.get(line, 0) + units
        if asked[line] > line.remaining:
            raise Refusal("Invalid fulfillment order line item quantity requested.", field=["fulfillment"])
    return parts


def named_lines(
    each: FulfillmentOrder, wanted: list[dict[str, Any]], *, index: int
) -> list[tuple[FulfillmentOrderLine, int]]:
    """Returns the lines of one fulfilment order that a call names. Raises Refusal."""
    by_id = {line.id: line for line in each.lines}
    parts = []
    for position, item in enumerate(wanted):
        if item["quantity"] <= 0:
            where = [
                "fulfillment",
                "lineItemsByFulfillmentOrder",
                str(index),
                "fulfillmentOrderLineItems",
                str(position),
                "quantity",
            ]
            raise Refusal("Quantity must be greater than 0", field=where)
        line = by_id.get(number(item["id"]))
        if line is None:
            raise Refusal("Fulfillment order line item does not exist.", field=["fulfillment"])
        parts.append((line, int(item["quantity"])))
    return parts


def check_together(involved: list[FulfillmentOrder]) -> None:
    """Checks that a call is about one order and one location. Raises Refusal."""
    orders = sorted({each.order.id for each in involved})
    if len(orders) > 1:
        message = f"All fulfillment orders must belong to the same order. Multiple orders with ids {orders} were found."
        raise Refusal(message, field=["fulfillment"])
    locations = sorted({each.location.id for each in involved})
    if len(locations) > 1:
        message = (
            "All fulfillment orders must be assigned to a single location."
            f" Multiple locations with ids {locations} were found."
        )
        raise Refusal(message, field=["fulfillment"])


def cancel(world: World, shop: Shop, each: Fulfillment) -> None:
    """fulfillmentCancel: the units go back into their fulfilment order, or into a new one when it is closed.

    Raises Refusal.
    """
    if each.status == "CANCELLED":
        raise Refusal("Fulfillment cannot be cancelled.", field=["id"])
    event = new_event()
    each.status, each.updated_at = "CANCELLED", now()
    reopened: list[tuple[Any, int]] = []
    for part in each.lines:
        line = part.fulfillment_order_line
        if line.fulfillment_order.status == "CLOSED":
            reopened.append((part.line, part.quantity))
            change(world, shop, part.line, each.location, available=part.quantity, event=event)
        else:
            line.remaining += part.quantity
            change(world, shop, part.line, each.location, committed=part.quantity, event=event)
    if reopened:
        create_fulfillment_order(
            world,
            shop,
            each.order,
            stocking_location(shop, each, reopened),
            reopened,
            method="SHIPPING",
            spec={},
            event=event,
            delay=0.0,
        )
    world.announce(shop, "fulfillments/update", fulfillment_body(each), event=event)
    updated(world, shop, each.order, event=event)


def stocking_location(shop: Shop, each: Fulfillment, lines: list[tuple[Any, int]]) -> Location:
    """Returns the location of a fulfilment if it still stocks the items, else another location."""
    if each.location.is_active and all(shop.stocks(line.variant, each.location) for line, _ in lines):
        return each.location
    return choose_location(shop, [line for line, _ in lines])


def update_tracking(world: World, shop: Shop, each: Fulfillment, given: dict[str, Any]) -> None:
    """fulfillmentTrackingInfoUpdate: the given values replace the old ones."""
    each.company = given.get("company", each.company)
    each.numbers = list(given.get("numbers") or ([given["number"]] if given.get("number") else each.numbers))
    each.urls = list(given.get("urls") or ([given["url"]] if given.get("url") else each.urls))
    each.updated_at = now()
    event = new_event()
    world.announce(shop, "fulfillments/update", fulfillment_body(each), event=event)
    updated(world, shop, each.order, event=event)
