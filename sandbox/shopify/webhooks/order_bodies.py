"""Webhook bodies about orders and fulfilments: REST-shaped, as in the samples of 2026-07."""

from typing import Any

from sandbox.shopify.state.ids import gid
from sandbox.shopify.state.orders import Fulfillment, Line, Order
from sandbox.shopify.state.times import stamp

REST_FINANCIAL = {
    "PAID": "paid",
    "PENDING": "pending",
    "AUTHORIZED": "authorized",
    "PARTIALLY_PAID": "partially_paid",
}
REST_FULFILLMENT = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}


def money_set(amount: str) -> dict[str, Any]:
    """Returns an amount as shop money and as presentment money."""
    return {kind: {"amount": amount, "currency_code": "EUR"} for kind in ("shop_money", "presentment_money")}


def order_body(order: Order) -> dict[str, Any]:
    """Returns the body of orders/create, updated, paid, cancelled, fulfilled and partially_fulfilled."""
    total = order.total
    return {
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "app_id": None,
        "browser_ip": None,
        "buyer_accepts_marketing": False,
        "cancel_reason": order.cancel_reason and order.cancel_reason.lower(),
        "cancelled_at": stamp(order.cancelled_at),
        "closed_at": stamp(order.closed_at),
        "confirmed": True,
        "contact_email": order.email,
        "created_at": stamp(order.created_at),
        "currency": "EUR",
        "email": order.email,
        "financial_status": REST_FINANCIAL.get(order.financial_status, order.financial_status.lower()),
        "fulfillment_status": REST_FULFILLMENT.get(order.fulfillment_status),
        "location_id": None,
        "name": order.name,
        "note": order.note,
        "note_attributes": [],
        "number": order.number - 1000,
        "order_number": order.number,
        "payment_gateway_names": ["bogus"],
        "phone": order.phone,
        "presentment_currency": "EUR",
        "processed_at": stamp(order.created_at),
        "source_name": "web",
        "subtotal_price": total,
        "tags": ", ".join(order.tags),
        "taxes_included": True,
        "test": order.test,
        "total_price": total,
        "total_price_set": money_set(total),
        "current_total_price": total,
        "updated_at": stamp(order.updated_at),
        "user_id": None,
        "billing_address": order.address and address_body(order.address),
        "shipping_address": order.address and address_body(order.address),
        "customer": None,
        "discount_applications": [],
        "fulfillments": [fulfillment_body(each) for each in order.fulfillments],
        "line_items": [line_body(line) for line in order.lines],
        "payment_terms": None,
        "refunds": [],
        "shipping_lines": [
            {
                "id": order.id + 1,
                "code": "Standard",
                "title": "Standard",
                "price": "0.00",
                "source": "shopify",
            }
        ],
        "returns": [],
    }


def address_body(address: dict[str, Any]) -> dict[str, Any]:
    """Returns a shipping address."""
    return {
        "first_name": address.get("first_name"),
        "last_name": address.get("last_name"),
        "name": address.get("name"),
        "company": address.get("company"),
        "address1": address.get("address1"),
        "address2": address.get("address2"),
        "city": address.get("city"),
        "zip": address.get("zip"),
        "province": address.get("province"),
        "province_code": address.get("province_code"),
        "country": address.get("country"),
        "country_code": address.get("country_code"),
        "phone": address.get("phone"),
        "latitude": None,
        "longitude": None,
    }


def line_body(line: Line) -> dict[str, Any]:
    """Returns one line item."""
    variant = line.variant
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "current_quantity": line.current_quantity,
        "fulfillable_quantity": max(0, line.current_quantity - line.fulfilled),
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": line.is_gift_card,
        "grams": 100,
        "name": line.title,
        "price": line.price,
        "price_set": money_set(line.price),
        "product_exists": variant is not None,
        "product_id": variant and variant.product_id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sales_line_item_group_id": None,
        "sku": line.sku,
        "taxable": True,
        "title": line.title,
        "total_discount": "0.00",
        "variant_id": variant and variant.id,
        "variant_inventory_management": "shopify" if variant and variant.tracked else None,
        "variant_title": None,
        "vendor": None,
        "tax_lines": [],
        "duties": [],
        "discount_allocations": [],
    }


def fulfillment_body(each: Fulfillment) -> dict[str, Any]:
    """Returns the body of fulfillments/create and update."""
    return {
        "id": each.id,
        "admin_graphql_api_id": gid("Fulfillment", each.id),
        "order_id": each.order.id,
        "name": each.name,
        "status": each.status.lower(),
        "created_at": stamp(each.created_at),
        "updated_at": stamp(each.updated_at),
        "service": "manual",
        "shipment_status": None,
        "location_id": each.location.id,
        "origin_address": None,
        "email": each.order.email,
        "destination": each.order.address and address_body(each.order.address),
        "tracking_company": each.company,
        "tracking_number": each.numbers[0] if each.numbers else None,
        "tracking_numbers": each.numbers,
        "tracking_url": each.urls[0] if each.urls else None,
        "tracking_urls": each.urls,
        "receipt": {},
        "line_items": [{**line_body(part.line), "quantity": part.quantity} for part in each.lines],
    }


def edit_body(
    order: Order, *, edit_id: int, additions: list[tuple[Line, int]], removals: list[tuple[Line, int]]
) -> dict[str, Any]:
    """Returns the body of orders/edited. It is not an order but only lists the changes (line, units)."""
    return {
        "order_edit": {
            "id": edit_id,
            "app_id": None,
            "created_at": stamp(order.updated_at),
            "committed_at": stamp(order.updated_at),
            "notify_customer": False,
            "order_id": order.id,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [{"id": line.id, "delta": delta} for line, delta in additions],
                "removals": [{"id": line.id, "delta": delta} for line, delta in removals],
            },
            "discounts": {"line_item": {"additions": [], "removals": []}},
            "shipping_lines": {"additions": [], "removals": []},
        }
    }
