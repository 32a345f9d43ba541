"""Resolvers of the mutations: they check the rules, carry out the action, and note it in the log."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from sandbox.shopify.actions import fulfillment_orders, fulfillments, inventory, orders, subscriptions
from sandbox.shopify.actions.refusals import NotAllowed, Refusal
from sandbox.shopify.graphql.rules import (
    Violation,
    parse_gid,
    raw_arguments,
    remember,
    remembered,
    require_change_from,
    require_key,
)
from sandbox.shopify.state.ids import gid, new_id, number
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.world import World

Payload = dict[str, Any]
Action = Callable[[World, Shop, dict[str, Any], GraphQLResolveInfo], Payload]
MISMATCH = "The same idempotency key cannot be used with different operation parameters."


def resolver_of(name: str, action: Action) -> Callable[..., Payload]:
    """Returns the resolver of a mutation: it replays a known idempotency key, else it carries out the action."""

    def resolve(_root: Any, info: GraphQLResolveInfo, **args: Any) -> Payload:
        world, shop = info.context.world, info.context.shop
        field_node, variables = info.field_nodes[0], info.context.variables
        key = require_key(field_node, variables)
        if name == "inventorySetQuantities":
            require_change_from(field_node, variables)
        written = raw_arguments(field_node, variables)
        replayed, payload = remembered(shop, name, key, written)
        if not replayed:
            payload = action(world, shop, args, info)
            remember(shop, name, key, written, payload)
        elif payload is None:
            payload = {
                "userErrors": [
                    {"field": None, "message": MISMATCH, "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"}
                ]
            }
        errors = payload.get("orderCancelUserErrors") or payload["userErrors"]
        shop.log.add_mutation(
            field_name=name, arguments=written, key=key, replayed=replayed, user_errors=errors
        )
        answer: Payload = payload
        return answer

    return resolve


def refusable(action: Action) -> Action:
    """Returns an action whose refusals become the userErrors of its payload."""

    def guarded(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
        try:
            return {**action(world, shop, args, info), "userErrors": []}
        except Refusal as refusal:
            return {"userErrors": [refusal.error()]}

    return guarded


def existing(info: GraphQLResolveInfo, table: dict[int, Any], text: str) -> Any:
    """Returns an object that must exist. Raises Violation (RESOURCE_NOT_FOUND), as recorded."""
    _, own_id = parse_gid(text, info.field_nodes[0])
    if own_id not in table or not getattr(table[own_id], "visible", True):
        raise Violation(f"Invalid id: {text}", "RESOURCE_NOT_FOUND", info.field_nodes[0])
    return table[own_id]


def fulfillment_create(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    """Creates a fulfilment. A malformed id is a top-level error, and an unknown id is a user error."""
    for group in args["fulfillment"]["lineItemsByFulfillmentOrder"]:
        parse_gid(group["fulfillmentOrderId"], info.field_nodes[0])
        for item in group.get("fulfillmentOrderLineItems") or []:
            parse_gid(item["id"], info.field_nodes[0])
    return {"fulfillment": fulfillments.create(world, shop, args["fulfillment"])}


def fulfillment_cancel(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    each = existing(info, shop.fulfillments, args["id"])
    fulfillments.cancel(world, shop, each)
    return {"fulfillment": each}


def tracking_update(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    each = existing(info, shop.fulfillments, args["fulfillmentId"])
    fulfillments.update_tracking(world, shop, each, args["trackingInfoInput"])
    return {"fulfillment": each}


def move(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    each = existing(info, shop.fulfillment_orders, args["id"])
    location = shop.locations.get(number(args["newLocationId"]))
    moved, original, rest = fulfillment_orders.move(
        world, shop, each, location, args.get("fulfillmentOrderLineItems")
    )
    return {
        "movedFulfillmentOrder": moved,
        "originalFulfillmentOrder": original,
        "remainingFulfillmentOrder": rest,
    }


def hold(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    each = existing(info, shop.fulfillment_orders, args["id"])
    one, rest = fulfillment_orders.hold(world, shop, each, args["fulfillmentHold"], by_app=True)
    return {"fulfillmentHold": one, "fulfillmentOrder": each, "remainingFulfillmentOrder": rest}


def release(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    each = existing(info, shop.fulfillment_orders, args["id"])
    given = args.get("holdIds")
    fulfillment_orders.release(world, shop, each, hold_ids=[number(one) for one in given] if given else None)
    return {"fulfillmentOrder": each}


def set_quantities(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    group, errors = inventory.set_quantities(world, shop, args["input"], version=info.context.version)
    return {"inventoryAdjustmentGroup": group, "userErrors": errors}


def activate(world: World, shop: Shop, args: dict[str, Any], _info: GraphQLResolveInfo) -> Payload:
    level, errors = inventory.activate(world, shop, args)
    return {"inventoryLevel": level, "userErrors": errors}


def order_cancel(world: World, shop: Shop, args: dict[str, Any], _info: GraphQLResolveInfo) -> Payload:
    """Cancels an order at once. As at Shopify there is a job, which says that it is done only when it is read."""
    errors: list[dict[str, Any]] = []
    order = shop.orders.get(number(args["orderId"]))
    if order is None:
        errors = [{"field": ["orderId"], "message": "Order does not exist", "code": "NOT_FOUND"}]
    else:
        try:
            orders.cancel(world, shop, order, reason=args["reason"], restock=args["restock"])
        except NotAllowed as refusal:
            errors = [{"field": ["orderId"], "message": str(refusal), "code": "INVALID"}]
    job = None if errors else {"id": gid("Job", f"cancel-{new_id('OrderEdit')}"), "done": False}
    result = job and {**job, "status": "STARTED", "errors": [], "order": order}
    return {"job": job, "jobResult": result, "orderCancelUserErrors": errors, "userErrors": errors}


def order_update(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    given = args["input"]
    order = existing(info, shop.orders, given["id"])
    for name in ("note", "email", "phone"):
        if name in given:
            setattr(order, name, given[name])
    if "tags" in given:
        order.tags = list(given["tags"] or [])
    if given.get("shippingAddress"):
        order.address = {**(order.address or {}), **order_address(given["shippingAddress"])}
    orders.touch(world, shop, order, note=None)
    return {"order": order, "userErrors": []}


def order_address(given: dict[str, Any]) -> dict[str, Any]:
    """Returns a MailingAddressInput as the address of an order."""
    names = {
        "firstName": "first_name",
        "lastName": "last_name",
        "countryCode": "country_code",
        "provinceCode": "province_code",
    }
    address = {names.get(name, name): value for name, value in given.items()}
    if "first_name" in address or "last_name" in address:
        address["name"] = f"{address.get('first_name', '')} {address.get('last_name', '')}".strip()
    return address


def tags_add(world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    order = existing(info, shop.orders, args["id"])
    order.tags = sorted({*order.tags, *args["tags"]})
    orders.touch(world, shop, order, note=None)
    return {"node": order, "userErrors": []}


def subscribe(_world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    return {"webhookSubscription": subscriptions.subscribe(shop, args, version=info.context.version)}


def update_subscription(_world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> Payload:
    return {"webhookSubscription": subscriptions.update(shop, args, version=info.context.version)}


def unsubscribe(_world: World, shop: Shop, args: dict[str, Any], _info: GraphQLResolveInfo) -> Payload:
    each = subscriptions.unsubscribe(shop, args["id"])
    return {"deletedWebhookSubscriptionId": gid("WebhookSubscription", each.id)}


ACTIONS: dict[str, Action] = {
    "fulfillmentCreate": refusable(fulfillment_create),
    "fulfillmentCancel": refusable(fulfillment_cancel),
    "fulfillmentTrackingInfoUpdate": refusable(tracking_update),
    "fulfillmentOrderMove": refusable(move),
    "fulfillmentOrderHold": refusable(hold),
    "fulfillmentOrderReleaseHold": refusable(release),
    "inventorySetQuantities": set_quantities,
    "inventoryActivate": activate,
    "orderCancel": order_cancel,
    "orderUpdate": order_update,
    "tagsAdd": tags_add,
    "webhookSubscriptionCreate": refusable(subscribe),
    "webhookSubscriptionUpdate": refusable(update_subscription),
    "webhookSubscriptionDelete": refusable(unsubscribe),
}
MUTATIONS = {name: resolver_of(name, action) for name, action in ACTIONS.items()}
