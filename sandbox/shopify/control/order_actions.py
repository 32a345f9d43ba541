"""What customers and merchants do with an order, as the control API names it."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.actions import fulfillment_orders, fulfillments, orders
from sandbox.shopify.state.ids import gid
from sandbox.shopify.state.orders import FulfillmentOrder, Order
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World

Json = dict[str, Any]


def named_or_open(shop: Shop, order: Order, body: Json, *statuses: str) -> list[FulfillmentOrder]:
    """Returns the fulfilment order that the body names, else all that are shipped and have one of these statuses."""
    if body.get("fulfillment_order_id"):
        return [shop.fulfillment_orders[int(body["fulfillment_order_id"])]]
    return [
        each
        for each in order.fulfillment_orders
        if each.status in statuses and each.delivery_method != "NONE"
    ]


def hold(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Puts fulfilment orders on hold, as another app or a merchant does."""
    given = {"reason": body.get("reason", "OTHER"), "reasonNotes": body.get("notes")}
    for each in named_or_open(shop, order, body, "OPEN", "SCHEDULED"):
        fulfillment_orders.hold(world, shop, each, given, by_app=False)
    orders.updated(world, shop, order, event=new_event())


def release_alone(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Releases all holds and leaves the order's own updatedAt as it is."""
    for each in named_or_open(shop, order, body, "ON_HOLD"):
        fulfillment_orders.release(world, shop, each, hold_ids=None)


def release(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Releases all holds."""
    release_alone(world, shop, order, body)
    orders.updated(world, shop, order, event=new_event())


def fulfill(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Fulfils everything that is open, as a merchant does in the admin."""
    for each in named_or_open(shop, order, body, "OPEN", "IN_PROGRESS"):
        each.visible_at = 0.0
        given = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": gid("FulfillmentOrder", each.id)}]}
        fulfillments.create(world, shop, given)


def move(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Moves everything that is open to another location, as a merchant does."""
    for each in named_or_open(shop, order, body, "OPEN", "IN_PROGRESS", "ON_HOLD", "SCHEDULED"):
        fulfillment_orders.move(world, shop, each, shop.locations.get(int(body["location_id"])), None)


ORDER_ACTIONS: dict[str, Callable[[World, Shop, Order, Json], None]] = {
    "pay": lambda world, shop, order, _body: orders.pay(world, shop, order),
    "cancel": lambda world, shop, order, body: orders.cancel(
        world, shop, order, reason=body.get("reason", "CUSTOMER"), restock=body.get("restock", True)
    ),
    "edit": orders.edit,
    "touch": lambda world, shop, order, body: orders.touch(world, shop, order, note=body.get("note")),
    "hold": hold,
    "release": release,
    "release_alone": release_alone,
    "fulfill": fulfill,
    "move": move,
}
