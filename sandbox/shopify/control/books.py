"""The books: what really happened at each shop, for those who check it."""

from typing import Any

from sandbox.shopify.state.orders import Fulfillment, FulfillmentOrder, Order
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.world import World


def world_books(world: World, domain: str | None) -> dict[str, Any]:
    """Returns everything that happened at one shop, or at all shops when no domain is given."""
    with world.lock:
        shops = {name: shop_books(shop) for name, shop in world.shops.items() if domain in (None, name)}
        return {"shops": shops, "webhooks": world.delivery_queue.books(), "faults": world.faults.books()}


def shop_books(shop: Shop) -> dict[str, Any]:
    """Returns everything about one shop."""
    log = shop.log
    return {
        "orders": [order_books(order) for order in shop.orders.values()],
        "inventory": [
            {
                "inventory_item_id": level.variant.inventory_item_id,
                "location_id": level.location.id,
                "sku": level.variant.sku,
                "active": level.is_active,
                "available": level.available,
                "committed": level.committed,
                "on_hand": level.on_hand,
                "updated_at": level.updated_at.isoformat(),
            }
            for level in shop.levels.values()
        ],
        "requests": dict(log.requests),
        "served_versions": dict(log.versions),
        "invalid": log.invalid,
        "unauthorised": log.unauthorised,
        "throttled": log.throttled,
        "rest_429": log.rest_429,
        "tokens_issued": log.tokens_issued,
        "lowest_available": shop.bucket.lowest,
        "charged": shop.bucket.charged,
        "calls": dict(log.calls),
        "charged_by": dict(log.charged),
        "errors": list(log.errors),
        "mutations": log.mutations,
        "subscriptions": [{"id": s.id, "topic": s.topic, "uri": s.uri} for s in shop.subscriptions.values()],
    }


def order_books(order: Order) -> dict[str, Any]:
    """Returns one order with its fulfilment orders and fulfilments."""
    return {
        "id": order.id,
        "name": order.name,
        "created_at": order.created_at.isoformat(),
        "updated_at": order.updated_at.isoformat(),
        "cancelled_at": order.cancelled_at and order.cancelled_at.isoformat(),
        "test": order.test,
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfillment_status,
        "tags": list(order.tags),
        "note": order.note,
        "lines": [
            {
                "id": line.id,
                "variant_id": line.variant.id if line.variant else None,
                "sku": line.sku,
                "quantity": line.quantity,
                "current_quantity": line.current_quantity,
                "fulfilled_quantity": line.fulfilled,
                "requires_shipping": line.requires_shipping,
            }
            for line in order.lines
        ],
        "fulfillment_orders": [fulfillment_order_books(each) for each in order.fulfillment_orders],
        "fulfillments": [fulfillment_books(each) for each in order.fulfillments],
    }


def fulfillment_order_books(each: FulfillmentOrder) -> dict[str, Any]:
    """Returns one fulfilment order, even when it is not visible yet."""
    return {
        "id": each.id,
        "status": each.status,
        "location_id": each.location.id,
        "delivery_method": each.delivery_method,
        "visible": each.visible,
        "fulfill_at": each.fulfill_at and each.fulfill_at.isoformat(),
        "holds": [{"id": hold.id, "reason": hold.reason, "notes": hold.notes} for hold in each.holds],
        "lines": [
            {"id": line.id, "line_id": line.line.id, "total": line.total, "remaining": line.remaining}
            for line in each.lines
        ],
    }


def fulfillment_books(each: Fulfillment) -> dict[str, Any]:
    """Returns one fulfilment with its quantities."""
    return {
        "id": each.id,
        "status": each.status,
        "created_at": each.created_at.isoformat(),
        "location_id": each.location.id,
        "notify_customer": each.notify_customer,
        "tracking": {"company": each.company, "numbers": each.numbers, "urls": each.urls},
        "lines": [
            {
                "id": part.id,
                "line_id": part.line.id,
                "quantity": part.quantity,
                "fulfillment_order_id": part.fulfillment_order_line.fulfillment_order.id,
                "fulfillment_order_line_id": part.fulfillment_order_line.id,
            }
            for part in each.lines
        ],
    }
