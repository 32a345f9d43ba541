"""What really happened at a shop, for whoever checks."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.shopify.state import Fulfillment, FulfillmentOrder, Order, Shop


@dataclass
class ShopBooks:
    """Counters and logs of one shop."""

    requests: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    unauthorised: int = 0
    throttled: int = 0
    rest_429: int = 0
    tokens_issued: int = 0
    errors: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    mutations: list[dict[str, Any]] = field(default_factory=list)

    def error(self, messages: list[str], query: str) -> None:
        """A refused request."""
        self.errors.append({"at": datetime.now(UTC).isoformat(), "messages": messages, "query": query})

    def mutation(
        self, *, field_name: str, arguments: Any, key: str | None, replayed: bool, user_errors: list[Any]
    ) -> None:
        """A mutation that was carried out (or replayed)."""
        self.mutations.append(
            {
                "at": datetime.now(UTC).isoformat(),
                "field": field_name,
                "arguments": arguments,
                "idempotency_key": key,
                "replayed": replayed,
                "user_errors": user_errors,
            }
        )


def shop_books(shop: "Shop") -> dict[str, Any]:
    """Everything about one shop."""
    books = shop.books
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
        "requests": dict(books.requests),
        "served_versions": dict(books.versions),
        "invalid": books.invalid,
        "unauthorised": books.unauthorised,
        "throttled": books.throttled,
        "rest_429": books.rest_429,
        "tokens_issued": books.tokens_issued,
        "lowest_available": shop.bucket.lowest,
        "charged": shop.bucket.charged,
        "errors": list(books.errors),
        "mutations": books.mutations,
        "subscriptions": [{"id": s.id, "topic": s.topic, "uri": s.uri} for s in shop.subscriptions.values()],
    }


def order_books(order: "Order") -> dict[str, Any]:
    """One order with its fulfilment orders and fulfilments."""
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


def fulfillment_order_books(each: "FulfillmentOrder") -> dict[str, Any]:
    """One fulfilment order, seen or not yet."""
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


def fulfillment_books(each: "Fulfillment") -> dict[str, Any]:
    """One fulfilment with its quantities."""
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
