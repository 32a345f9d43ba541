"""Orders in the warehouse are accepted, picked, packed, shipped and cancelled, by people or automatically (`auto`)."""

from typing import Any

from sandbox.wms.callbacks import send_order_status, send_shipment, send_stock
from sandbox.wms.state import Connection, Json, OrderLine, Stock, WmsOrder, new_id, now, stamp
from sandbox.wms.world import World

CANCELLABLE = {"accepted"}
FINAL = {"shipped", "cancelled", "rejected"}
PHASES = ["accepted", "picking", "packed", "partially_shipped", "shipped"]


class NotPossible(Exception):
    """Raised when the status of the order does not allow an action."""


def accept(world: World, connection: Connection, body: Json) -> WmsOrder:
    """Accepts a new order and allocates its stock, even more than there is."""
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
            connection.auto.get("pick_after", 0.5), lambda: advance(world, connection, order, "accepted")
        )
    return order


def read_lines(body: Json) -> list[OrderLine]:
    """Returns the lines that an order's JSON describes."""
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


def advance(world: World, connection: Connection, order: WmsOrder, expected: str) -> None:
    """Takes the next step of an automatic order, unless something else happened to it."""
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
            ship(
                world, connection, order, {"items": first_part(order, auto) if expected == "packed" else None}
            )
            wait = auto.get("ship_after", 0.5)
        status = order.status
    if status not in FINAL:
        world.timers.after(wait, lambda: advance(world, connection, order, status))


def first_part(order: WmsOrder, auto: Json) -> list[Json] | None:
    """Returns what the first of two shipments contains; None means everything, because there is nothing to split."""
    left = [item for item, units in order.left().items() for _ in range(units)]
    if int(auto.get("parts", 1)) < 2 or len(left) < 2:
        return None
    first = left[: len(left) // 2]
    return [{"wmsItemCode": item, "quantity": first.count(item)} for item in dict.fromkeys(first)]


def pick(world: World, connection: Connection, order: WmsOrder) -> None:
    """Begins to pick."""
    require_status(order, "accepted")
    order.enter("picking")
    send_order_status(world, connection, order)


def pack(world: World, connection: Connection, order: WmsOrder) -> None:
    """Packs the goods. A cancellation that was asked for comes too late then."""
    require_status(order, "accepted", "picking")
    order.enter("packed")
    asked, order.cancel_asked = order.cancel_asked, False
    send_order_status(world, connection, order, "cancellation declined: already packed" if asked else "")


def require_status(order: WmsOrder, *statuses: str) -> None:
    """Raises NotPossible when the order has none of these statuses."""
    if order.status not in statuses:
        raise NotPossible(f"order {order.id} is {order.status}")


def ship(world: World, connection: Connection, order: WmsOrder, body: Json) -> None:
    """Sends one shipment.

    Unknown items and too many units are reported as they are, because the other side must cope with them.
    """
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
    moved = [
        stock for item, units in items.items() if (stock := book_shipped(connection, order, item, units))
    ]
    order.enter("partially_shipped" if order.left() else "shipped")
    order.cancel_asked = False
    if body.get("callback", True):
        send_shipment(world, connection, shipment)
        for stock in moved:
            send_stock(world, connection, stock, "pick_confirm")


def book_shipped(connection: Connection, order: WmsOrder, item: str, units: int) -> Stock | None:
    """Books shipped units on the order's lines and takes them out of stock.

    Returns the stock, or None when the warehouse has no such item.
    """
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


def end_unshipped(world: World, connection: Connection, order: WmsOrder, status: str, reason: str) -> None:
    """Ends an order without a shipment: cancelled or rejected. Raises NotPossible when it has ended already."""
    if order.status in FINAL:
        raise NotPossible(f"order {order.id} is {order.status}")
    allocate(connection, order, -1)
    order.enter(status)
    order.cancel_asked = False
    send_order_status(world, connection, order, reason)


def ask_to_cancel(world: World, connection: Connection, order: WmsOrder) -> Json:
    """Answers POST /orders/{id}/cancel according to the phase of the order."""
    if order.status == "cancelled":
        return {"cancelled": True, "status": "cancelled", "reason": ""}
    if order.status in CANCELLABLE or (
        order.status == "picking" and connection.cancel_in_picking == "confirm"
    ):
        end_unshipped(world, connection, order, "cancelled", "cancelled on request")
        return {"cancelled": True, "status": "cancelled", "reason": ""}
    if order.status == "picking" and connection.cancel_in_picking == "ask":
        order.cancel_asked = True
        return {"cancelled": False, "status": "cancel_requested", "reason": "the warehouse has been asked"}
    return {"cancelled": False, "status": order.status, "reason": f"the order is already {order.status}"}


def answer_cancellation(
    world: World, connection: Connection, order: WmsOrder, *, confirmed: bool, reason: str
) -> None:
    """Gives the warehouse's answer to a cancellation that was asked for. Raises NotPossible when nobody asked."""
    if not order.cancel_asked:
        raise NotPossible(f"nobody asked to cancel {order.id}")
    if confirmed:
        end_unshipped(world, connection, order, "cancelled", reason or "cancelled on request")
        return
    order.cancel_asked = False
    send_order_status(world, connection, order, reason or "cancellation declined")


def update(connection: Connection, order: WmsOrder, body: Json) -> bool:
    """Changes an order as PUT /orders/{id} asks. Returns False when it is too late."""
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
    """Receives a return. Sellable goods go back to stock."""
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
