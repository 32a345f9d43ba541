"""The control API of the simulated WMS: what people in the warehouse do."""

import json
import uuid
from collections.abc import Callable

from sandbox.control import shared_control
from sandbox.httpd import Refused, Reply, Request, json_reply
from sandbox.wms import orders
from sandbox.wms.books import counts, order_books, world_books
from sandbox.wms.callbacks import send_order_status, send_shipment, send_stock
from sandbox.wms.state import Connection, Json, Stock, WmsOrder, now, stamp
from sandbox.wms.world import World, signed_headers

OPTIONS = (
    "token",
    "callback_secret",
    "callback_url",
    "cancel_in_picking",
    "lookup",
    "idempotency",
    "updatable_until",
    "auto",
)


def handle(world: World, request: Request) -> Reply:
    """Answers a request below /_sandbox/. Raises Refused, KeyError, ValueError or TypeError for a bad one."""
    path, body = request.path.removeprefix("/_sandbox/").strip("/").split("/"), request.json()
    match request.method, path:
        case "POST", ["connections"]:
            with world.lock:
                world.connections[body["slug"]] = make_connection(body)
            return json_reply(201, {"slug": body["slug"]})
        case "GET", ["books"]:
            return json_reply(200, world_books(world, request.query.get("slug")))
        case "POST", ["callbacks", "send"]:
            return json_reply(200, send_callback(world, body))
        case "GET", ["counts"]:
            return json_reply(200, {**world.delivery_queue.books(), **counts(world)})
        case "GET", ["callbacks"]:
            limit = int(request.query.get("limit", 100))
            found = world.delivery_queue.newest(
                account=request.query.get("slug"), topic=request.query.get("type"), limit=limit
            )
            return json_reply(200, found)
        case _, ["settings" | "faults" | "reset" | "idle"]:
            return shared_control(world, request, path[0], world.connections)
        case "POST", ["connections", slug, *rest]:
            with world.lock:
                if slug not in world.connections:
                    raise Refused(404, {"error": f"no connection {slug}"})
                return handle_connection(
                    world, world.connections[slug], rest, body, request.query.get("external")
                )
    raise Refused(404, {"error": f"no such control: {request.method} {request.path}"})


def make_connection(body: Json) -> Connection:
    """Makes a connection from its JSON. Raises KeyError or ValueError."""
    connection = Connection(
        slug=body["slug"],
        token=body["token"],
        callback_secret=body["callback_secret"],
        callback_url=body.get("callback_url"),
    )
    change_options(
        connection, {name: value for name, value in body.items() if name not in ("slug", "warehouses")}
    )
    for each in body["warehouses"]:
        connection.warehouses.add(each["code"])
        for item, units in (each.get("stock") or {}).items():
            connection.stock[each["code"], item] = Stock(each["code"], item, int(units))
    return connection


def change_options(connection: Connection, given: Json) -> None:
    """Changes the options of a connection. Raises ValueError for unknown options and values."""
    if unknown := set(given) - set(OPTIONS):
        raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
    if given.get("cancel_in_picking", "confirm") not in ("confirm", "decline", "ask"):
        raise ValueError("cancel_in_picking is confirm, decline or ask")
    for name, value in given.items():
        setattr(connection, name, value)


def handle_connection(
    world: World, connection: Connection, path: list[str], body: Json, external: str | None
) -> Reply:
    """Answers a request below /_sandbox/connections/<slug>/."""
    match path:
        case []:
            change_options(connection, body)
        case ["orders", *rest, action] if action in ORDER_ACTIONS and len(rest) < 2:
            order = find_order(connection, rest[0] if rest else None, external)
            try:
                ORDER_ACTIONS[action](world, connection, order, body)
            except orders.NotPossible as problem:
                raise Refused(409, {"error": str(problem)}) from problem
            return json_reply(200, order_books(order))
        case ["shipments", shipment_id, "tell"]:
            for shipment in connection.shipments:
                if shipment["id"] == shipment_id:
                    send_shipment(world, connection, shipment)
        case ["stock"]:
            set_stock(world, connection, body)
        case ["returns", return_id, "receive"] if return_id in connection.returns:
            orders.receive_return(world, connection, connection.returns[return_id], body.get("items"))
        case _:
            raise Refused(404, {"error": f"no such control: {'/'.join(path)}"})
    return json_reply(200, {})


def find_order(connection: Connection, order_id: str | None, external: str | None) -> WmsOrder:
    """Returns the order with the WMS's id, or the newest order with the external id. Raises Refused (404)."""
    by_external = connection.by_external.get(external or "", [])
    order = connection.orders.get(order_id) if order_id else by_external[-1] if by_external else None
    if order is None:
        raise Refused(404, {"error": f"no order {order_id or external}"})
    return order


def set_stock(world: World, connection: Connection, body: Json) -> None:
    """Changes the stock of an item as a count or a delivery does. An unknown item is created."""
    key = (body["warehouse"], body["item"])
    if key[0] not in connection.warehouses:
        raise ValueError(f"no warehouse {key[0]}")
    stock = connection.stock.setdefault(key, Stock(*key, 0))
    stock.change(on_hand=int(body["delta"]) if "delta" in body else int(body["on_hand"]) - stock.on_hand)
    if body.get("callback", True):
        send_stock(world, connection, stock, body.get("event_type", "adjustment"))


def set_status(world: World, connection: Connection, order: WmsOrder, body: Json) -> None:
    """Sets any status, since a vendor may use any word."""
    order.enter(body["status"])
    send_order_status(world, connection, order, body.get("reason", ""))


def answer_to_cancellation(*, confirmed: bool) -> Callable[[World, Connection, WmsOrder, Json], None]:
    """Returns the action by which the warehouse answers a cancellation that was asked for."""

    def act(world: World, connection: Connection, order: WmsOrder, body: Json) -> None:
        orders.answer_cancellation(
            world, connection, order, confirmed=confirmed, reason=body.get("reason", "")
        )

    return act


def ending(status: str) -> Callable[[World, Connection, WmsOrder, Json], None]:
    """Returns the action by which the warehouse itself ends an order."""

    def act(world: World, connection: Connection, order: WmsOrder, body: Json) -> None:
        orders.end_unshipped(world, connection, order, status, body.get("reason", ""))

    return act


ORDER_ACTIONS: dict[str, Callable[[World, Connection, WmsOrder, Json], None]] = {
    "pick": lambda world, connection, order, _body: orders.pick(world, connection, order),
    "pack": lambda world, connection, order, _body: orders.pack(world, connection, order),
    "ship": orders.ship,
    "cancel": ending("cancelled"),
    "reject": ending("rejected"),
    "confirm_cancel": answer_to_cancellation(confirmed=True),
    "decline_cancel": answer_to_cancellation(confirmed=False),
    "status": set_status,
}


def send_callback(world: World, body: Json) -> Json:
    """Sends one made-up callback at once and only once."""
    connection = world.connections.get(body["slug"])
    url = body.get("url") or (connection and connection.callback_url)
    if not url:
        raise ValueError("no url: the connection has no callback_url, so name one")
    event_id = body.get("event_id") or str(uuid.uuid4())
    if "raw" in body:
        raw = str(body["raw"]).encode()
    else:
        occurred_at = body.get("occurred_at") or stamp(now())
        content = {
            "eventId": event_id,
            "type": body["type"],
            "occurredAt": occurred_at,
            "data": body.get("data", {}),
        }
        raw = json.dumps(content).encode()
    secret = body.get("secret") or (connection.callback_secret if connection else "")
    status, text = world.delivery_queue.exchange(
        url, {**signed_headers(secret, raw), **body.get("headers", {})}, raw
    )
    return {"status": status, "event_id": event_id, "body": text}
