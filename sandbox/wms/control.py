"""The control API of the simulated WMS: what people in the warehouse do; and its books."""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.control import common
from sandbox.httpd import Refused, Reply, Request, json_reply
from sandbox.wms import orders
from sandbox.wms.state import Connection, Depot, Json, Stock, WmsOrder, now, signed_headers, stamp

if TYPE_CHECKING:
    from sandbox.wms.server import WmsApplication

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


def handle(application: "WmsApplication", request: Request) -> Reply:
    """/_sandbox/..."""
    path, body = request.path.removeprefix("/_sandbox/").strip("/").split("/"), request.json()
    depot = application.depot
    match request.method, path:
        case "POST", ["connections"]:
            with depot.lock:
                depot.connections[body["slug"]] = make_connection(body)
            return json_reply(201, {"slug": body["slug"]})
        case "GET", ["books"]:
            return json_reply(200, books(application, request.query.get("slug")))
        case "POST", ["callbacks", "send"]:
            return json_reply(200, send_callback(application, body))
        case "GET", ["counts"]:
            return json_reply(200, {**application.courier.books(), **counts(depot)})
        case "GET", ["callbacks"]:
            limit = int(request.query.get("limit", 100))
            found = application.courier.newest(
                account=request.query.get("slug"), topic=request.query.get("type"), limit=limit
            )
            return json_reply(200, found)
        case _, ["settings" | "faults" | "reset" | "idle"]:
            return common(application, request, path[0], depot.connections)
        case "POST", ["connections", slug, *rest]:
            with depot.lock:
                if slug not in depot.connections:
                    raise Refused(404, {"error": f"no connection {slug}"})
                return of_connection(
                    depot, depot.connections[slug], rest, body, request.query.get("external")
                )
    raise Refused(404, {"error": f"no such control: {request.method} {request.path}"})


def make_connection(body: Json) -> Connection:
    """A connection from its JSON."""
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
    """Raises ValueError for unknown options."""
    if unknown := set(given) - set(OPTIONS):
        raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
    if given.get("cancel_in_picking", "confirm") not in ("confirm", "decline", "ask"):
        raise ValueError("cancel_in_picking is confirm, decline or ask")
    for name, value in given.items():
        setattr(connection, name, value)


def of_connection(
    depot: Depot, connection: Connection, path: list[str], body: Json, external: str | None
) -> Reply:
    """/_sandbox/connections/<slug>/..."""
    match path:
        case []:
            change_options(connection, body)
        case ["orders", *rest, action] if action in ORDER_ACTIONS and len(rest) < 2:
            order = find_order(connection, rest[0] if rest else None, external)
            try:
                ORDER_ACTIONS[action](depot, connection, order, body)
            except orders.NotPossible as problem:
                raise Refused(409, {"error": str(problem)}) from problem
            return json_reply(200, order_books(order))
        case ["shipments", shipment_id, "tell"]:
            for shipment in connection.shipments:
                if shipment["id"] == shipment_id:
                    orders.tell_shipment(depot, connection, shipment)
        case ["stock"]:
            set_stock(depot, connection, body)
        case ["returns", return_id, "receive"] if return_id in connection.returns:
            orders.receive_return(depot, connection, connection.returns[return_id], body.get("items"))
        case _:
            raise Refused(404, {"error": f"no such control: {'/'.join(path)}"})
    return json_reply(200, {})


def find_order(connection: Connection, order_id: str | None, external: str | None) -> WmsOrder:
    """By the WMS's id, or the newest one of an external id. Raises Refused (404)."""
    by_external = connection.by_external.get(external or "", [])
    order = connection.orders.get(order_id) if order_id else by_external[-1] if by_external else None
    if order is None:
        raise Refused(404, {"error": f"no order {order_id or external}"})
    return order


def set_stock(depot: Depot, connection: Connection, body: Json) -> None:
    """A count or a delivery; an item not seen before begins to exist."""
    key = (body["warehouse"], body["item"])
    if key[0] not in connection.warehouses:
        raise ValueError(f"no warehouse {key[0]}")
    stock = connection.stock.setdefault(key, Stock(*key, 0))
    stock.change(on_hand=int(body["delta"]) if "delta" in body else int(body["on_hand"]) - stock.on_hand)
    if body.get("callback", True):
        orders.tell_stock(depot, connection, stock, body.get("event_type", "adjustment"))


def set_status(depot: Depot, connection: Connection, order: WmsOrder, body: Json) -> None:
    """Any word the vendor may use."""
    order.enter(body["status"])
    orders.tell_status(depot, connection, order, body.get("reason", ""))


def answer(*, confirmed: bool) -> Callable[[Depot, Connection, WmsOrder, Json], None]:
    """The warehouse's answer to an asked cancellation."""

    def act(depot: Depot, connection: Connection, order: WmsOrder, body: Json) -> None:
        orders.answer_cancellation(
            depot, connection, order, confirmed=confirmed, reason=body.get("reason", "")
        )

    return act


def ending(status: str) -> Callable[[Depot, Connection, WmsOrder, Json], None]:
    """The warehouse ends the order by itself."""

    def act(depot: Depot, connection: Connection, order: WmsOrder, body: Json) -> None:
        orders.drop(depot, connection, order, status, body.get("reason", ""))

    return act


ORDER_ACTIONS: dict[str, Callable[[Depot, Connection, WmsOrder, Json], None]] = {
    "pick": lambda depot, connection, order, _body: orders.pick(depot, connection, order),
    "pack": lambda depot, connection, order, _body: orders.pack(depot, connection, order),
    "ship": orders.ship,
    "cancel": ending("cancelled"),
    "reject": ending("rejected"),
    "confirm_cancel": answer(confirmed=True),
    "decline_cancel": answer(confirmed=False),
    "status": set_status,
}


def send_callback(application: "WmsApplication", body: Json) -> Json:
    """One callback, made up: sent once, now."""
    connection = application.depot.connections.get(body["slug"])
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
    status, text = application.courier.exchange(
        url, {**signed_headers(secret, raw), **body.get("headers", {})}, raw
    )
    return {"status": status, "event_id": event_id, "body": text}


def order_books(order: WmsOrder) -> Json:
    """One order."""
    return {
        "id": order.id,
        "externalOrderId": order.external_id,
        "externalRef": order.external_ref,
        "warehouseCode": order.warehouse,
        "status": order.status,
        "history": order.history,
        "cancel_asked": order.cancel_asked,
        "lines": [
            {
                "wmsItemCode": line.item,
                "quantity": line.quantity,
                "externalLineId": line.external_id,
                "shipped": line.shipped,
            }
            for line in order.lines
        ],
        "shippingAddress": order.address,
        "shippingMethod": order.shipping_method,
        "created_at": stamp(order.created_at),
    }


def connection_books(connection: Connection) -> Json:
    """Everything about one connection."""
    creates = {external: len(made) for external, made in connection.by_external.items()}
    return {
        "orders": [order_books(order) for order in connection.orders.values()],
        "creates": creates,
        "create_calls": dict(connection.create_calls),
        "duplicates": [external for external, count in creates.items() if count > 1],
        "shipments": connection.shipments,
        "returns": list(connection.returns.values()),
        "stock": [
            {
                "warehouse": each.warehouse,
                "item": each.item,
                "on_hand": each.on_hand,
                "allocated": each.allocated,
                "available": each.available,
                "updated_at": stamp(each.updated_at),
                "sequence": each.sequence,
            }
            for each in connection.stock.values()
        ],
        "early": dict(connection.early),
        "requests": dict(connection.requests),
        "unauthorised": connection.unauthorised,
        "refused": connection.refused,
    }


def counts(depot: Depot) -> Json:
    """How many orders are not at their end, and the callbacks that were taken before their order's call returned."""
    with depot.lock:
        every = [order for each in depot.connections.values() for order in each.orders.values()]
        early = sum((each.early for each in depot.connections.values()), Counter())
    return {"moving": sum(order.status not in orders.FINAL for order in every), "early": dict(early)}


def books(application: "WmsApplication", slug: str | None) -> Json:
    """Everything that happened."""
    with application.depot.lock:
        connections = {
            name: connection_books(each)
            for name, each in application.depot.connections.items()
            if slug in (None, name)
        }
    return {
        "connections": connections,
        "callbacks": application.courier.books(),
        "faults": application.faults.books(),
    }
