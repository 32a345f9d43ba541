"""Orders in the warehouse: taken in, picked, packed, shipped, cancelled; by people or by themselves (`auto`)."""

from typing import Any

from sandbox.wms.callbacks import send_order_status, send_shipment, send_stock
from sandbox.wms.state import Connection, Json, OrderLine, Stock, WmsOrder, new_id, now, stamp
from sandbox.wms.world import World

CANCELLABLE = {"accepted"}
FINAL = {"shipped", "cancelled", "rejected"}
PHASES = ["accepted", "picking", "packed", "partially_shipped", "shipped"]


class NotPossible(Exception):
    """The order's status does not allow it."""


def take_in(world: World, connection: Connection, body: Json) -> WmsOrder:
    """A new order: allocates stock, even what is not there."""
    order = WmsOrder(
        id=new_id("WO"),
        external_id=body["externalOrderId"],
        external_ref=body.get("externalRef") or "",
        warehouse=body["warehouseCode"],
        lines=read_lines(body),
        address=body.get("shippingAddress") or {},
        shipping_method=body.get("shippingMethod") or "",
    )
    order.enter("accepted")
    allocate(connection, order, +1)
    connection.orders[order.id] = order
    connection.by_external.setdefault(order.external_id, []).append(order)
    if connection.auto:
        world.timers.after(
            connection.auto.get("pick_after", 0.5), lambda: go_on(world, connection, order, "accepted")
        )
    return order


def read_lines(body: Json) -> list[OrderLine]:
    """Lines of an order's JSON."""
    return [
        OrderLine(each["wmsItemCode"], int(each["quantity"]), str(each.get("externalLineId") or ""))
        for each in body["lineItems"]
    ]


def allocate(connection: Connection, order: WmsOrder, sign: int) -> None:
    """Allocates what is left to ship, or gives it back (sign -1)."""
    for item, units in order.left().items():
        stock = connection.stock.get((order.warehouse, item))
        if stock:
            stock.change(allocated=sign * units)


def go_on(world: World, connection: Connection, order: WmsOrder, expected: str) -> None:
    """The next step of an order that moves by itself; stops when something else happened to it."""
    with world.lock:
        auto = connection.auto
        if (
            auto is None
            or order.status != expected
            or world.connections.get(connection.slug) is not connection
        ):
            return
        if expected == "accepted":
            pick(world, connection, order)
            wait = auto.get("pack_after", 0.5)
        elif expected == "picking":
            pack(world, connection, order)
            wait = auto.get("ship_after", 0.5)
        else:
            ship(world, connection, order, {"items": portion(order, auto) if expected == "packed" else None})
            wait = auto.get("ship_after", 0.5)
        status = order.status
    if status not in FINAL:
        world.timers.after(wait, lambda: go_on(world, connection, order, status))


def portion(order: WmsOrder, auto: Json) -> list[Json] | None:
    """What the first of two shipments contains; None = all, when there is nothing to split."""
    left = [item for item, units in order.left().items() for _ in range(units)]
    if int(auto.get("parts", 1)) < 2 or len(left) < 2:
        return None
    first = left[: len(left) // 2]
    return [{"wmsItemCode": item, "quantity": first.count(item)} for item in dict.fromkeys(first)]


def pick(world: World, connection: Connection, order: WmsOrder) -> None:
    """Picking begins."""
    expect(order, "accepted")
    order.enter("picking")
    send_order_status(world, connection, order)


def pack(world: World, connection: Connection, order: WmsOrder) -> None:
    """The goods are in the box: a cancellation that was asked for is too late."""
    expect(order, "accepted", "picking")
    order.enter("packed")
    asked, order.cancel_asked = order.cancel_asked, False
    send_order_status(world, connection, order, "cancellation declined: already packed" if asked else "")


def expect(order: WmsOrder, *statuses: str) -> None:
    """Raises NotPossible."""
    if order.status not in statuses:
        raise NotPossible(f"order {order.id} is {order.status}")


def ship(world: World, connection: Connection, order: WmsOrder, body: Json) -> None:
    """One shipment. Unknown items and too many units are reported as they come: the other side must bear them."""
    if order.status in FINAL and not body.get("items"):
        raise NotPossible(f"order {order.id} is {order.status}")
    given = body.get("items")
    items = order.left() if given is None else {each["wmsItemCode"]: int(each["quantity"]) for each in given}
    shipment = {
        "id": new_id("SH"),
        "order_id": order.id,
        "externalOrderId": order.external_id,
        "warehouse": order.warehouse,
        "items": [{"wmsItemCode": item, "quantity": units} for item, units in items.items()],
        "trackingNumber": body.get("trackingNumber") or new_id("TRACK"),
        "carrierCode": body.get("carrierCode") or "dhl",
        "shipped_at": stamp(now()),
    }
    connection.shipments.append(shipment)
    moved = [stock for item, units in items.items() if (stock := take_out(connection, order, item, units))]
    order.enter("partially_shipped" if order.left() else "shipped")
    order.cancel_asked = False
    if body.get("callback", True):
        send_shipment(world, connection, shipment)
        for stock in moved:
            send_stock(world, connection, stock, "pick_confirm")


def take_out(connection: Connection, order: WmsOrder, item: str, units: int) -> Stock | None:
    """Books shipped units on the order's lines and out of stock; None: the warehouse knows no such item."""
    open_units = units
    for line in order.lines:
        if line.item == item and open_units:
            taken = min(open_units, line.quantity - line.shipped)
            line.shipped += taken
            open_units -= taken
    stock = connection.stock.get((order.warehouse, item))
    if stock:
        stock.change(on_hand=-units, allocated=-(units - open_units))
    return stock


def drop(world: World, connection: Connection, order: WmsOrder, status: str, reason: str) -> None:
    """The order ends without a shipment: cancelled or rejected."""
    if order.status in FINAL:
        raise NotPossible(f"order {order.id} is {order.status}")
    allocate(connection, order, -1)
    order.enter(status)
    order.cancel_asked = False
    send_order_status(world, connection, order, reason)


def ask_to_cancel(world: World, connection: Connection, order: WmsOrder) -> Json:
    """POST /orders/{id}/cancel, by phase."""
    if order.status == "cancelled":
        return {"cancelled": True, "status": "cancelled", "reason": ""}
    if order.status in CANCELLABLE or (
        order.status == "picking" and connection.cancel_in_picking == "confirm"
    ):
        drop(world, connection, order, "cancelled", "cancelled on request")
        return {"cancelled": True, "status": "cancelled", "reason": ""}
    if order.status == "picking" and connection.cancel_in_picking == "ask":
        order.cancel_asked = True
        return {"cancelled": False, "status": "cancel_requested", "reason": "the warehouse has been asked"}
    return {"cancelled": False, "status": order.status, "reason": f"the order is already {order.status}"}


def answer_cancellation(
    world: World, connection: Connection, order: WmsOrder, *, confirmed: bool, reason: str
) -> None:
    """The warehouse answers a cancellation that was asked for. Raises NotPossible when none was."""
    if not order.cancel_asked:
        raise NotPossible(f"nobody asked to cancel {order.id}")
    if confirmed:
        drop(world, connection, order, "cancelled", reason or "cancelled on request")
        return
    order.cancel_asked = False
    send_order_status(world, connection, order, reason or "cancellation declined")


def update(connection: Connection, order: WmsOrder, body: Json) -> bool:
    """PUT /orders/{id}: False when it is too late."""
    if order.status not in PHASES or PHASES.index(order.status) >= PHASES.index(connection.updatable_until):
        return False
    allocate(connection, order, -1)
    order.lines = read_lines(body)
    order.address = body.get("shippingAddress") or order.address
    order.shipping_method = body.get("shippingMethod") or order.shipping_method
    allocate(connection, order, +1)
    order.history.append({"status": "updated", "at": stamp(now())})
    return True


def receive_return(world: World, connection: Connection, given: Json, items: list[Json] | None) -> None:
    """Goods come back: sellable ones go to stock."""
    warehouse = given["warehouse"]
    items = items or [
        {"wmsItemCode": each["wmsItemCode"], "quantity": each["quantity"]} for each in given["items"]
    ]
    received: list[Json] = [{"condition": "sellable", **each} for each in items]
    given["received_at"] = stamp(now())
    given["received"] = received
    data: dict[str, Any] = {
        "wmsReturnId": given["id"],
        "wmsOrderId": given["wmsOrderId"],
        "warehouseId": warehouse,
        "items": received,
        "receivedAt": given["received_at"],
    }
    world.call_back(connection, "return_receipt", data)
    for each in received:
        stock = connection.stock.get((warehouse, each["wmsItemCode"]))
        if stock and each["condition"] == "sellable":
            stock.change(on_hand=int(each["quantity"]))
            send_stock(world, connection, stock, "receive")
