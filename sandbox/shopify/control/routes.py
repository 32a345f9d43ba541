"""The routes of the control API: what merchants and customers do, what goes wrong, and the books."""

from typing import Any

from sandbox.control import shared_control
from sandbox.httpd import Refused, Reply, Request, json_reply
from sandbox.shopify.actions import inventory, orders
from sandbox.shopify.actions.products import change_sku, delete_variant
from sandbox.shopify.actions.refusals import NotAllowed, Refusal
from sandbox.shopify.control.books import order_books, world_books
from sandbox.shopify.control.order_actions import ORDER_ACTIONS
from sandbox.shopify.control.shop_setup import add_variant, make_shop
from sandbox.shopify.control.webhooks import newest_webhooks, send_webhook
from sandbox.shopify.state.orders import Order
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.webhooks.catalogue_bodies import uninstalled_body
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World

Json = dict[str, Any]


def handle(world: World, request: Request) -> Reply:
    """Answers a request below /_sandbox/. Raises Refused, KeyError, ValueError or TypeError for a bad one."""
    path, body = request.path.removeprefix("/_sandbox/").strip("/").split("/"), request.json()
    match request.method, path:
        case "POST", ["shops"]:
            with world.lock:
                world.shops[body["domain"]] = make_shop(body)
            return json_reply(201, {"domain": body["domain"]})
        case "GET", ["counts"]:
            return json_reply(200, world.delivery_queue.books())
        case "GET", ["books"]:
            return json_reply(200, world_books(world, request.query.get("domain")))
        case "POST", ["webhooks", "send"]:
            return json_reply(200, send_webhook(world, body))
        case "GET", ["webhooks"]:
            return json_reply(200, newest_webhooks(world, request.query))
        case _, ["settings" | "faults" | "reset" | "idle"]:
            return shared_control(world, request, path[0], world.shops)
        case _, ["shops", domain, *rest]:
            with world.lock:
                shop = world.shops.get(domain)
                if shop is None:
                    raise Refused(404, {"error": f"no shop {domain}"})
                return handle_shop(world, shop, request.method, rest, body)
        case _:
            raise Refused(404, {"error": f"no such control: {request.method} {request.path}"})


def handle_shop(world: World, shop: Shop, method: str, path: list[str], body: Json) -> Reply:
    """Answers a request below /_sandbox/shops/<domain>/."""
    match method, path:
        case "POST", ["orders"]:
            return json_reply(201, order_books(orders.place(world, shop, body)))
        case "GET", ["orders", order_id]:
            return json_reply(200, order_books(order_of(shop, order_id)))
        case "POST", ["orders", order_id, action] if action in ORDER_ACTIONS:
            order = order_of(shop, order_id)
            try:
                ORDER_ACTIONS[action](world, shop, order, body)
            except (NotAllowed, Refusal) as refusal:
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
        case "POST", ["search"]:
            shop.search.set_lag(float(body["lag"]), shop.orders)
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
    """Returns the order with this number. Raises Refused (404)."""
    order = shop.orders.get(int(order_id))
    if order is None:
        raise Refused(404, {"error": f"no order {order_id}"})
    return order
