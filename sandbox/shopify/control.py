"""The control API of the simulated Shopify: what merchants and customers do, and what goes wrong."""

import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.control import common
from sandbox.httpd import Refused, Reply, Request, json_reply
from sandbox.shopify import fulfilment, inventory, orders, routing
from sandbox.shopify.books import order_books, shop_books
from sandbox.shopify.catalogue_bodies import item_body, product_body, uninstalled_body
from sandbox.shopify.limits import GraphqlBucket, RestBucket
from sandbox.shopify.state import FulfillmentOrder, Level, Location, Order, Shop, Variant, gid, now
from sandbox.shopify.world import CURRENT_VERSION, World, headers, new_event

if TYPE_CHECKING:
    from sandbox.shopify.server import ShopifyApplication

Json = dict[str, Any]


def handle(application: "ShopifyApplication", request: Request) -> Reply:
    """/_sandbox/..."""
    path, body = request.path.removeprefix("/_sandbox/").strip("/").split("/"), request.json()
    world = application.world
    match request.method, path:
        case "POST", ["shops"]:
            with world.lock:
                world.shops[body["domain"]] = make_shop(body)
            return json_reply(201, {"domain": body["domain"]})
        case "GET", ["counts"]:
            return json_reply(200, application.courier.books())
        case "GET", ["books"]:
            return json_reply(200, books(application, request.query.get("domain")))
        case "POST", ["webhooks", "send"]:
            return json_reply(200, send_webhook(application, body))
        case "GET", ["webhooks"]:
            return json_reply(200, newest(application, request.query))
        case _, ["settings" | "faults" | "reset" | "idle"]:
            return common(application, request, path[0], world.shops)
        case _, ["shops", domain, *rest]:
            with world.lock:
                shop = world.shops.get(domain)
                if shop is None:
                    raise Refused(404, {"error": f"no shop {domain}"})
                return of_shop(world, shop, request.method, rest, body)
        case _:
            raise Refused(404, {"error": f"no such control: {request.method} {request.path}"})


def make_shop(body: Json) -> Shop:
    """A shop from its JSON."""
    bucket, rest = body.get("bucket") or {}, body.get("rest_bucket") or {}
    model = body.get("cost_model", "recorded")
    if model not in ("recorded", "linear"):
        raise ValueError("cost_model is recorded or linear")
    shop = Shop(
        domain=body["domain"],
        name=body.get("name") or body["domain"].split(".")[0].title(),
        client_id=body.get("client_id"),
        client_secret=body.get("client_secret"),
        webhook_secret=body.get("webhook_secret") or body.get("client_secret") or "",
        webhook_url=body.get("webhook_url"),
        fo_delay=float(body.get("fo_delay", 0.3)),
        token_lifetime=int(body.get("token_lifetime", 86399)),
        bucket=GraphqlBucket(
            maximum=float(bucket.get("max", 2000)),
            restore=float(bucket.get("restore", 100)),
            points=None if bucket.get("points") is None else float(bucket["points"]),
            by_hand=bool(bucket.get("by_hand", False)),
        ),
        rest_bucket=RestBucket(maximum=float(rest.get("max", 40)), leak=float(rest.get("leak", 2))),
        cost_model=model,
    )
    if body.get("access_token"):
        shop.tokens[body["access_token"]] = None
    for each in body["locations"]:
        location = Location(
            int(each["id"]), each["name"], each.get("country", "DE"), bool(each.get("active", True))
        )
        shop.locations[location.id] = location
    for each in body.get("variants", []):
        add_variant(shop, each)
    return shop


def add_variant(shop: Shop, each: Json) -> Variant:
    """A variant with its stock."""
    variant = Variant(
        id=int(each["id"]),
        sku=each.get("sku"),
        title=each.get("title") or each.get("sku") or f"Variant {each['id']}",
        inventory_item_id=int(each["inventory_item_id"]),
        product_id=int(each.get("product_id") or each["id"]),
        requires_shipping=bool(each.get("requires_shipping", True)),
        is_gift_card=bool(each.get("is_gift_card", False)),
        tracked=bool(each.get("tracked", True)),
        price=str(each.get("price", "10.00")),
    )
    shop.variants[variant.id] = shop.items[variant.inventory_item_id] = variant
    for location_id, units in (each.get("stock") or {}).items():
        location = shop.locations[int(location_id)]
        shop.levels[variant.inventory_item_id, location.id] = Level(variant, location, int(units))
    return variant


def of_shop(world: World, shop: Shop, method: str, path: list[str], body: Json) -> Reply:
    """/_sandbox/shops/<domain>/..."""
    match method, path:
        case "POST", ["orders"]:
            return json_reply(201, order_books(orders.place(world, shop, body)))
        case "GET", ["orders", order_id]:
            return json_reply(200, order_books(order_of(shop, order_id)))
        case "POST", ["orders", order_id, action] if action in ORDER_ACTIONS:
            order = order_of(shop, order_id)
            try:
                ORDER_ACTIONS[action](world, shop, order, body)
            except (orders.NotAllowed, fulfilment.Refusal) as refusal:
                raise Refused(409, {"error": str(refusal)}) from refusal
            return json_reply(200, order_books(order))
        case "POST", ["variants"]:
            return json_reply(201, {"id": add_variant(shop, body).id})
        case "POST", ["variants", variant_id, "sku"]:
            change_sku(world, shop, shop.variants[int(variant_id)], body["sku"])
        case "POST", ["variants", variant_id, "delete"]:
            delete_variant(world, shop, shop.variants[int(variant_id)])
        case "POST", ["stock"]:
            variant, location = (
                shop.items[int(body["inventory_item_id"])],
                shop.locations[int(body["location_id"])],
            )
            inventory.put(world, shop, variant=variant, location=location, available=int(body["available"]))
        case "POST", ["bucket"]:
            shop.bucket.pass_time(float(body["seconds"]))
        case "POST", ["token"]:
            shop.tokens.clear()
            if body.get("access_token"):
                shop.tokens[body["access_token"]] = None
        case "POST", ["uninstall"]:
            world.announce(shop, "app/uninstalled", uninstalled_body(shop), event=new_event())
            shop.tokens.clear()
            shop.subscriptions.clear()
            shop.client_id = shop.webhook_url = None
        case _:
            raise Refused(404, {"error": f"no such control: {method} {'/'.join(path)}"})
    return json_reply(200, {})


def order_of(shop: Shop, order_id: str) -> Order:
    """Raises Refused (404)."""
    order = shop.orders.get(int(order_id))
    if order is None:
        raise Refused(404, {"error": f"no order {order_id}"})
    return order


def change_sku(world: World, shop: Shop, variant: Variant, sku: str | None) -> None:
    """There is no variants/update topic: the product and the inventory item tell."""
    variant.sku, variant.updated_at = sku, now()
    event = new_event()
    world.announce(shop, "products/update", product_body(shop, variant.product_id), event=event)
    world.announce(shop, "inventory_items/update", item_body(variant), event=event)


def delete_variant(world: World, shop: Shop, variant: Variant) -> None:
    """The merchant deletes a variant: it and its stock are gone, and lines that were sold of it name none any more.

    Orders do not change by it: nothing tells of them.
    """
    del shop.variants[variant.id], shop.items[variant.inventory_item_id]
    for key in [key for key, level in shop.levels.items() if level.variant is variant]:
        del shop.levels[key]
    for line in (line for order in shop.orders.values() for line in order.lines):
        if line.variant is variant:
            line.variant = None
    if any(each.product_id == variant.product_id for each in shop.variants.values()):
        body = product_body(shop, variant.product_id)
        world.announce(shop, "products/update", body, event=new_event())
    else:
        world.announce(shop, "products/delete", {"id": variant.product_id}, event=new_event())


def named_or_open(shop: Shop, order: Order, body: Json, *statuses: str) -> list[FulfillmentOrder]:
    """The fulfilment order that the body names, or all in these states that ship."""
    if body.get("fulfillment_order_id"):
        return [shop.fulfillment_orders[int(body["fulfillment_order_id"])]]
    return [
        each
        for each in order.fulfillment_orders
        if each.status in statuses and each.delivery_method != "NONE"
    ]


def hold(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Somebody else holds the order's fulfilment orders."""
    given = {"reason": body.get("reason", "OTHER"), "reasonNotes": body.get("notes")}
    for each in named_or_open(shop, order, body, "OPEN", "SCHEDULED"):
        routing.hold(world, shop, each, given, by_app=False)
    orders.updated(world, shop, order, event=new_event())


def release_alone(world: World, shop: Shop, order: Order, body: Json) -> None:
    """All holds are lifted, and the order's own updatedAt stays."""
    for each in named_or_open(shop, order, body, "ON_HOLD"):
        routing.release(world, shop, each, hold_ids=None)


def release(world: World, shop: Shop, order: Order, body: Json) -> None:
    """All holds are lifted."""
    release_alone(world, shop, order, body)
    orders.updated(world, shop, order, event=new_event())


def fulfill(world: World, shop: Shop, order: Order, body: Json) -> None:
    """Somebody fulfils what is open in the admin."""
    for each in named_or_open(shop, order, body, "OPEN", "IN_PROGRESS"):
        each.visible_at = 0.0
        given = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": gid("FulfillmentOrder", each.id)}]}
        fulfilment.create(world, shop, given)


def move(world: World, shop: Shop, order: Order, body: Json) -> None:
    """A merchant moves what is open to another location."""
    for each in named_or_open(shop, order, body, "OPEN", "IN_PROGRESS", "ON_HOLD", "SCHEDULED"):
        routing.move(world, shop, each, shop.locations.get(int(body["location_id"])), None)


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


def send_webhook(application: "ShopifyApplication", body: Json) -> Json:
    """One delivery, made up: signed with the shop's secret or another, sent once, now."""
    shop = application.world.shops.get(body["domain"])
    url = body.get("url") or (shop and shop.webhook_url)
    if not url:
        raise ValueError("no url: the shop has no webhook_url, so name one")
    content = body.get("body", {})
    raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    webhook_id = body.get("webhook_id") or str(uuid.uuid4())
    secret = body.get("secret") or (shop.webhook_secret if shop else "")
    signed = headers(
        topic=body["topic"],
        domain=body["domain"],
        webhook_id=webhook_id,
        event_id=body.get("event_id") or new_event(),
        version=CURRENT_VERSION,
        secret=secret,
        body=raw,
    )
    status, text = application.courier.exchange(url, {**signed, **body.get("headers", {})}, raw)
    return {"status": status, "webhook_id": webhook_id, "body": text}


def newest(application: "ShopifyApplication", query: dict[str, str]) -> list[Json]:
    """The newest deliveries."""
    limit = int(query.get("limit", 100))
    return application.courier.newest(account=query.get("domain"), topic=query.get("topic"), limit=limit)


def books(application: "ShopifyApplication", domain: str | None) -> Json:
    """Everything that happened."""
    with application.world.lock:
        shops = {
            name: shop_books(shop) for name, shop in application.world.shops.items() if domain in (None, name)
        }
        return {"shops": shops, "webhooks": application.courier.books(), "faults": application.faults.books()}
