"""The HTTP interface of the simulated WMS: the generic REST contract, below /<connection slug>/."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.faults import Fault
from sandbox.httpd import Refused, Reply, Request, json_reply
from sandbox.wms import control, orders
from sandbox.wms.state import Connection, Json, Stock, WmsOrder, new_id, stamp
from sandbox.wms.world import World

PAGE = 100
MAX_PAGE = 1000


class WmsApplication:
    """All connections behind one port."""

    def __init__(self) -> None:
        self.world = World()

    def labels(self, request: Request) -> list[str]:
        """Returns no names: a fault matches a request only by its method and path."""
        return []

    def throttled(self, request: Request, fault: Fault) -> Reply:
        """Returns 429 with Retry-After."""
        return json_reply(
            429, {"error": "rate_limited", "message": "slow down"}, Retry_After=f"{fault.retry_after:g}"
        )

    def control(self, request: Request) -> Reply:
        """Answers a request below /_sandbox/."""
        return control.handle(self.world, request)

    def handle(self, request: Request) -> Reply:
        """Checks the token and answers the request."""
        slug, *path = request.path.strip("/").split("/")
        with self.world.lock:
            connection = self.world.connections.get(slug)
            if connection is None:
                return json_reply(404, {"error": "not_found", "message": f"no account {slug}"})
            if request.headers.get("authorization") != f"Bearer {connection.token}":
                connection.unauthorised += 1
                return json_reply(401, {"error": "unauthorised", "message": "unknown token"})
            try:
                return self.route(connection, request, path)
            except Refused as refusal:
                connection.refused += 1
                return json_reply(refusal.status, refusal.content)

    def route(self, connection: Connection, request: Request, path: list[str]) -> Reply:
        """Calls the function of one of the contract's calls. Raises Refused."""
        match request.method, path:
            case "POST", ["orders"]:
                return counted(connection, "POST /orders", create_order, self.world, request)
            case "GET", ["orders"] if connection.lookup:
                return counted(connection, "GET /orders", find_orders, self.world, request)
            case "PUT", ["orders", order_id]:
                return counted(connection, "PUT /orders", update_order, self.world, request, order_id)
            case "POST", ["orders", order_id, "cancel"]:
                return counted(connection, "POST /cancel", cancel_order, self.world, request, order_id)
            case "GET", ["inventory"]:
                return counted(connection, "GET /inventory", inventory, self.world, request)
            case "POST", ["returns"]:
                return counted(connection, "POST /returns", create_return, self.world, request)
        raise refused(404, "not_found", f"{request.method} /{'/'.join(path)}")


def counted(connection: Connection, name: str, call: Callable[..., Reply], *args: Any) -> Reply:
    """Counts a call by its name and carries it out."""
    connection.requests[name] += 1
    return call(connection, *args)


def refused(status: int, error: str, message: str) -> Refused:
    """Returns an error in the shape of the contract."""
    return Refused(status, {"error": error, "message": message})


def read_body(request: Request) -> Json:
    """Returns the body, which must be a JSON object. Raises Refused (400)."""
    try:
        body = request.json()
    except ValueError as problem:
        raise refused(400, "bad_json", str(problem)) from problem
    if not isinstance(body, dict):
        raise refused(400, "bad_json", "an object is expected")
    return body


def check_order(connection: Connection, body: Json) -> None:
    """Raises Refused (422) for an order that the WMS cannot accept."""
    missing = [name for name in ("externalOrderId", "warehouseCode", "lineItems") if not body.get(name)]
    if missing:
        raise refused(422, "invalid", f"missing: {', '.join(missing)}")
    if body["warehouseCode"] not in connection.warehouses:
        raise refused(422, "unknown_warehouse", f"no warehouse {body['warehouseCode']}")
    for each in body["lineItems"]:
        if not isinstance(each.get("quantity"), int) or each["quantity"] < 1:
            raise refused(422, "invalid", f"quantity of {each.get('wmsItemCode')} must be a positive integer")
        if (body["warehouseCode"], each.get("wmsItemCode")) not in connection.stock:
            raise refused(
                422, "unknown_item", f"no item {each.get('wmsItemCode')} at {body['warehouseCode']}"
            )


def shown(order: WmsOrder) -> Json:
    """Returns an order as answers show it."""
    return {"id": order.id, "status": order.status, "externalOrderId": order.external_id}


def create_order(connection: Connection, world: World, request: Request) -> Reply:
    """POST /orders: answers 201, or 200 with the existing order when the key or the external id is known."""
    body = read_body(request)
    external_id = str(body.get("externalOrderId") or "")
    connection.create_calls[external_id] += 1
    key = ("orders", request.headers.get("idempotency-key", ""))
    if connection.idempotency and key[1] and key in connection.replies:
        subject, reply = connection.replies[key]
        if subject != external_id:
            raise refused(409, "idempotency_mismatch", "this key was used for another order")
        return json_reply(200, {**reply, "status": connection.orders[reply["id"]].status})
    known = connection.by_external.get(external_id)
    if connection.idempotency and known:
        return json_reply(200, shown(known[0]))
    check_order(connection, body)
    order = orders.accept(world, connection, body)
    connection.replies[key] = (external_id, shown(order))
    return replace(json_reply(201, shown(order)), returned=lambda: setattr(order, "returned", True))


def find_orders(connection: Connection, _world: World, request: Request) -> Reply:
    """GET /orders?externalOrderId=: answers all orders with this external id."""
    found = connection.by_external.get(request.query.get("externalOrderId", ""), [])
    return json_reply(200, {"orders": [shown(order) for order in found]})


def order_of(connection: Connection, order_id: str) -> WmsOrder:
    """Returns the order with this id. Raises Refused (404)."""
    order = connection.orders.get(order_id)
    if order is None:
        raise refused(404, "not_found", f"no order {order_id}")
    return order


def update_order(connection: Connection, _world: World, request: Request, order_id: str) -> Reply:
    """PUT /orders/{id}: answers 409 when the order cannot change any more."""
    order, body = order_of(connection, order_id), read_body(request)
    check_order(connection, {"externalOrderId": order.external_id, "warehouseCode": order.warehouse, **body})
    if not orders.update(connection, order, body):
        return json_reply(409, {"status": order.status, "reason": f"the order is already {order.status}"})
    return json_reply(200, shown(order))


def cancel_order(connection: Connection, world: World, _request: Request, order_id: str) -> Reply:
    """POST /orders/{id}/cancel: answers whether the order is cancelled now."""
    return json_reply(200, orders.ask_to_cancel(world, connection, order_of(connection, order_id)))


def inventory(connection: Connection, _world: World, request: Request) -> Reply:
    """GET /inventory?updatedSince=&cursor=&limit=: answers the stock with the oldest change first.

    On the last page nextCursor is null.
    """
    try:
        limit = min(MAX_PAGE, max(1, int(request.query.get("limit", PAGE))))
        since = request.query.get("updatedSince")
        after = datetime.fromisoformat(since) if since else None
        mark = decode(request.query["cursor"]) if request.query.get("cursor") else None
    except ValueError as problem:
        raise refused(400, "bad_query", str(problem)) from problem
    if after is not None and after.tzinfo is None:
        raise refused(400, "bad_query", "updatedSince needs an offset")
    found = sorted(
        (each for each in connection.stock.values() if after is None or each.updated_at >= after),
        key=position,
    )
    rest = [each for each in found if mark is None or position(each) > mark]
    page = rest[:limit]
    cursor = encode(position(page[-1])) if len(rest) > limit else None
    return json_reply(200, {"items": [reading(each) for each in page], "nextCursor": cursor})


def position(stock: Stock) -> tuple[str, str, str]:
    """Returns what pages are sorted by: the time of the last change, then warehouse and item."""
    return stamp(stock.updated_at), stock.warehouse, stock.item


def encode(mark: tuple[str, str, str]) -> str:
    """Returns an opaque cursor."""
    return base64.urlsafe_b64encode("\n".join(mark).encode()).decode()


def decode(cursor: str) -> tuple[str, ...]:
    """Returns the position in a cursor. Raises ValueError."""
    mark = tuple(base64.urlsafe_b64decode(cursor).decode().split("\n"))
    if len(mark) != 3:
        raise ValueError("not a cursor")
    return mark


def reading(stock: Stock) -> Json:
    """Returns a stock level as answers show it."""
    return {
        "wmsItemCode": stock.item,
        "warehouseId": stock.warehouse,
        "availableQuantity": stock.available,
        "onHandQuantity": stock.on_hand,
        "updatedAt": stamp(stock.updated_at),
    }


def create_return(connection: Connection, _world: World, request: Request) -> Reply:
    """POST /returns: answers the id and the label of the announced return."""
    body = read_body(request)
    key = ("returns", request.headers.get("idempotency-key", ""))
    if connection.idempotency and key[1] and key in connection.replies:
        return json_reply(200, connection.replies[key][1])
    order = order_of(connection, str(body.get("wmsOrderId") or ""))
    return_id = new_id("RET")
    made: Json = {
        "id": return_id,
        "externalOrderId": body.get("externalOrderId"),
        "wmsOrderId": order.id,
        "warehouse": order.warehouse,
        "reason": body.get("reason"),
        "items": body.get("lineItems") or [],
        "received_at": None,
    }
    connection.returns[return_id] = made
    reply = {"id": return_id, "labelUrl": f"https://labels.example/{return_id}.pdf"}
    connection.replies[key] = (order.id, reply)
    return json_reply(201, reply)
