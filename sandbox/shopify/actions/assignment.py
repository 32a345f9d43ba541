"""How Shopify assigns an order: which location gets which lines, and when the fulfilment orders become visible."""

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sandbox.shopify.actions.inventory import change
from sandbox.shopify.state.catalogue import Location
from sandbox.shopify.state.ids import new_id
from sandbox.shopify.state.orders import FulfillmentOrder, FulfillmentOrderLine, Hold, Line, Order
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import now
from sandbox.shopify.webhooks.fulfillment_order_bodies import fulfillment_order_body, placed_on_hold_body
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World


def assign(
    world: World,
    shop: Shop,
    order: Order,
    lines: Iterable[Line],
    *,
    spec: dict[str, Any],
    forced: dict[Line, int],
    event: str,
    deliveries: dict[Line, list[dict[str, Any]]] | None = None,
) -> None:
    """Creates one fulfilment order per location, delivery method, date and hold.

    Gift cards and digital goods get a fulfilment order of their own. `deliveries` names the lines that are sent in
    several deliveries (a prepaid subscription); each delivery has a quantity and may have a date.
    """
    shippable = [line for line in lines if line.requires_shipping and not line.is_gift_card]
    chosen = choose_location(shop, [line for line in shippable if line not in forced])
    groups: dict[tuple[int, str, str, str], list[tuple[Line, int]]] = defaultdict(list)
    for line in lines:
        if line not in shippable:
            groups[next(iter(shop.locations)), "NONE", "", ""].append((line, line.current_quantity))
            continue
        location, method = int(forced.get(line, chosen.id)), spec.get("delivery_method", "SHIPPING")
        for delivery in (deliveries or {}).get(line) or [{"quantity": line.current_quantity}]:
            when, held = (delivery.get(key) or spec.get(key) or "" for key in ("fulfill_at", "hold"))
            place = int(delivery.get("location_id") or location)
            groups[place, method, when, held].append((line, int(delivery["quantity"])))
    for (location_id, method, when, held), quantities in groups.items():
        own = {**spec, "fulfill_at": when, "hold": held}
        create_fulfillment_order(
            world, shop, order, shop.locations[location_id], quantities, method=method, spec=own, event=event
        )


def choose_location(shop: Shop, lines: list[Line]) -> Location:
    """Returns the first active location that has enough of everything.

    When there is none, it is the first location that stocks everything, and else the first location.
    """
    active = [each for each in shop.locations.values() if each.is_active] or list(shop.locations.values())
    tracked = [
        (line.variant, line.current_quantity) for line in lines if line.variant and line.variant.tracked
    ]
    for wanted in (lambda level, units: level.available >= units, lambda level, units: True):
        for location in active:
            levels = [(shop.level(variant, location), units) for variant, units in tracked]
            if all(level and level.is_active and wanted(level, units) for level, units in levels):
                return location
    return active[0]


def create_fulfillment_order(
    world: World,
    shop: Shop,
    order: Order,
    location: Location,
    quantities: list[tuple[Line, int]],
    *,
    method: str,
    spec: dict[str, Any],
    event: str,
    delay: float | None = None,
) -> FulfillmentOrder:
    """Creates a fulfilment order, commits its stock, and schedules when it becomes visible."""
    wait = shop.fo_delay if delay is None else delay
    fulfill_at = (
        datetime.fromisoformat(spec["fulfill_at"]) if spec.get("fulfill_at") and method != "NONE" else None
    )
    each = FulfillmentOrder(
        id=new_id("FulfillmentOrder"),
        order=order,
        location=location,
        status="SCHEDULED" if fulfill_at and fulfill_at > now() else "OPEN",
        delivery_method=method,
        fulfill_at=fulfill_at,
        visible_at=time.monotonic() + wait,
    )
    for line, units in quantities:
        each.lines.append(FulfillmentOrderLine(new_id("FulfillmentOrderLineItem"), each, line, units, units))
        change(world, shop, line, location, available=-units, committed=units, event=event)
    if spec.get("hold") and method != "NONE":
        each.holds.append(
            Hold(new_id("FulfillmentHold"), spec["hold"], spec.get("hold_notes"), None, by_app=False)
        )
        each.status = "ON_HOLD"
    order.fulfillment_orders.append(each)
    shop.fulfillment_orders[each.id] = each
    world.timers.after(wait, lambda: make_visible(world, shop, each, event=event))
    if each.status == "SCHEDULED" and fulfill_at:
        wait_until_due = max(wait, (fulfill_at - now()).total_seconds())
        world.timers.after(wait_until_due, lambda: open_scheduled(world, shop, each))
    return each


def make_visible(world: World, shop: Shop, each: FulfillmentOrder, *, event: str) -> None:
    """Makes a fulfilment order visible, because Shopify has routed it now."""
    with world.lock:
        if world.shops.get(shop.domain) is not shop:
            return
        each.visible_at = 0.0
        each.created_at = each.updated_at = now()
        if each.order.cancelled_at or not any(
            line.total for line in each.lines
        ):  # it ended before it was routed
            return
        world.announce(
            shop, "fulfillment_orders/order_routing_complete", fulfillment_order_body(each), event=event
        )
        if each.status == "ON_HOLD":
            body = placed_on_hold_body(each, remaining=None)
            world.announce(shop, "fulfillment_orders/placed_on_hold", body, event=event)


def open_scheduled(world: World, shop: Shop, each: FulfillmentOrder) -> None:
    """Opens a scheduled fulfilment order, because its date has come."""
    with world.lock:
        if world.shops.get(shop.domain) is shop and each.status == "SCHEDULED":
            each.status = "OPEN"
            each.updated_at = now()
            topic = "fulfillment_orders/scheduled_fulfillment_order_ready"
            world.announce(shop, topic, fulfillment_order_body(each), event=new_event())
