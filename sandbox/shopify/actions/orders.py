"""Orders are placed, paid, cancelled and edited. Each change is announced by webhooks."""

from typing import Any

from sandbox.shopify.actions.assignment import assign, choose_location, create_fulfillment_order
from sandbox.shopify.actions.inventory import change
from sandbox.shopify.actions.refusals import NotAllowed
from sandbox.shopify.state.ids import new_id
from sandbox.shopify.state.orders import Line, Order
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import now
from sandbox.shopify.webhooks.order_bodies import edit_body, order_body
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World

NAMES = {
    "DE": "Germany",
    "AT": "Austria",
    "GB": "United Kingdom",
    "US": "United States",
    "FR": "France",
    "NL": "Netherlands",
}
ADDRESS = {
    "name": "Ada Lovelace",
    "address1": "Hauptstr. 1",
    "city": "Berlin",
    "zip": "10115",
    "phone": "+4930123456",
}


def place(world: World, shop: Shop, spec: dict[str, Any]) -> Order:
    """Places a customer's order.

    The stock is committed at once, and the fulfilment orders become visible after the shop's delay.
    """
    number = shop.next_order_number
    shop.next_order_number += 1
    paid = "PAID" if spec.get("paid", True) else "PENDING"
    order = Order(
        id=new_id("Order"),
        name=spec.get("name") or f"#{number}",
        number=number,
        email=spec.get("email", "ada@example.com"),
        phone=spec.get("phone"),
        address=make_address(spec),
        financial_status=spec.get("financial_status") or paid,
        test=bool(spec.get("test", False)),
        note=spec.get("note"),
        tags=list(spec.get("tags", [])),
    )
    order.lines = [make_line(shop, order, each) for each in spec["lines"]]
    shop.orders[order.id] = order
    event = new_event()
    forced = {
        line: each["location_id"]
        for line, each in zip(order.lines, spec["lines"], strict=True)
        if each.get("location_id")
    }
    deliveries = {
        line: each["deliveries"]
        for line, each in zip(order.lines, spec["lines"], strict=True)
        if each.get("deliveries")
    }
    for line, parts in deliveries.items():
        if sum(int(part["quantity"]) for part in parts) != line.quantity:
            raise ValueError("the deliveries of a line must make up its quantity")
    assign(world, shop, order, order.lines, spec=spec, forced=forced, event=event, deliveries=deliveries)
    for topic in [
        "orders/create",
        *(["orders/paid"] if order.financial_status == "PAID" else []),
        "orders/updated",
    ]:
        world.announce(shop, topic, order_body(order), event=event)
    return order


def make_address(spec: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the shipping address that an order's JSON describes. The address null means none."""
    if "address" in spec and spec["address"] is None:
        return None
    country = spec.get("country", "DE")
    address = {
        **ADDRESS,
        "country_code": country,
        "country": NAMES.get(country, country),
        **(spec.get("address") or {}),
    }
    first, _, last = str(address["name"]).partition(" ")
    return {"first_name": first, "last_name": last, **address}


def make_line(shop: Shop, order: Order, each: dict[str, Any]) -> Line:
    """Makes one line: a line of a variant, or a custom line."""
    variant = shop.variants[int(each["variant_id"])] if each.get("variant_id") else None
    quantity = int(each["quantity"])
    if quantity < 1:
        raise ValueError("a line's quantity must be positive")
    return Line(
        id=new_id("LineItem"),
        order=order,
        variant=variant,
        sku=variant.sku if variant else each.get("sku"),
        title=variant.title if variant else str(each["title"]),
        quantity=quantity,
        current_quantity=quantity,
        requires_shipping=variant.requires_shipping if variant else bool(each.get("requires_shipping", True)),
        is_gift_card=variant.is_gift_card if variant else False,
        price=variant.price if variant else str(each.get("price", "10.00")),
    )


def updated(world: World, shop: Shop, order: Order, *topics: str, event: str) -> None:
    """Moves the order's updatedAt, and announces the given topics and orders/updated."""
    order.updated_at = now()
    for topic in (*topics, "orders/updated"):
        world.announce(shop, topic, order_body(order), event=event)


def pay(world: World, shop: Shop, order: Order) -> None:
    """Marks the order as paid."""
    order.financial_status = "PAID"
    updated(world, shop, order, "orders/paid", event=new_event())


def touch(world: World, shop: Shop, order: Order, *, note: str | None) -> None:
    """Changes the order in a way that matters to nobody."""
    if note is not None:
        order.note = note
    updated(world, shop, order, event=new_event())


def cancel(world: World, shop: Shop, order: Order, *, reason: str, restock: bool) -> None:
    """Cancels the order. Its fulfilment orders close and keep their quantities, as recorded. Raises NotAllowed."""
    if order.cancelled_at:
        raise NotAllowed("Cannot cancel an order that has already been canceled")
    if any(each.status == "SUCCESS" for each in order.fulfillments):
        raise NotAllowed("Cannot cancel an order that has outstanding fulfillments")
    event = new_event()
    order.cancelled_at, order.cancel_reason = now(), reason
    for each in order.fulfillment_orders:
        if each.status == "CLOSED":
            continue
        for line in each.lines:
            back = line.remaining if restock else 0
            change(
                world, shop, line.line, each.location, available=back, committed=-line.remaining, event=event
            )
        each.status, each.holds, each.updated_at = "CLOSED", [], now()
    updated(world, shop, order, "orders/cancelled", event=event)


def edit(world: World, shop: Shop, order: Order, spec: dict[str, Any]) -> None:
    """Changes quantities, adds variants, or changes the address. Raises NotAllowed."""
    if order.cancelled_at:
        raise NotAllowed("The order cannot be edited.")
    event = new_event()
    additions: list[tuple[Line, int]] = []
    removals: list[tuple[Line, int]] = []
    for each in spec.get("changes", []):
        line = next(line for line in order.lines if line.id == int(each["line_id"]))
        delta = int(each["quantity"]) - line.current_quantity
        if int(each["quantity"]) < line.fulfilled:
            raise NotAllowed("Quantity cannot be lower than what was fulfilled")
        (decrease if delta < 0 else increase)(world, shop, line, abs(delta), event=event)
        line.current_quantity += delta
        if delta > 0:
            line.quantity += delta
        (removals if delta < 0 else additions).append((line, abs(delta)))
    added = [make_line(shop, order, each) for each in spec.get("additions", [])]
    order.lines += added
    if added:
        assign(world, shop, order, added, spec={}, forced={}, event=event)
        additions += [(line, line.quantity) for line in added]
    if spec.get("address") and order.address is not None:
        order.address = {**order.address, **spec["address"]}
    order.updated_at = now()
    if additions or removals:
        order.edited = True
        body = edit_body(order, edit_id=new_id("OrderEdit"), additions=additions, removals=removals)
        world.announce(shop, "orders/edited", body, event=event)
    updated(world, shop, order, event=event)


def decrease(world: World, shop: Shop, line: Line, units: int, *, event: str) -> None:
    """Takes units off the open fulfilment-order lines of a line. They keep their ids; total and remaining shrink."""
    for each in reversed(line.order.fulfillment_orders):
        for part in each.lines:
            if part.line is not line or each.status == "CLOSED" or units == 0:
                continue
            taken = min(units, part.remaining)
            part.remaining -= taken
            part.total -= taken
            units -= taken
            change(world, shop, line, each.location, available=taken, committed=-taken, event=event)
            each.updated_at = now()
            if each.remaining == 0:
                each.status, each.holds = "CLOSED", []


def increase(world: World, shop: Shop, line: Line, units: int, *, event: str) -> None:
    """Adds units to an open fulfilment-order line of a line, or in a new fulfilment order when there is none."""
    for each in line.order.fulfillment_orders:
        for part in each.lines:
            if part.line is line and each.status == "OPEN":
                part.remaining += units
                part.total += units
                each.updated_at = now()
                change(world, shop, line, each.location, available=-units, committed=units, event=event)
                return
    location = choose_location(shop, [line])
    create_fulfillment_order(
        world, shop, line.order, location, [(line, units)], method="SHIPPING", spec={}, event=event
    )
