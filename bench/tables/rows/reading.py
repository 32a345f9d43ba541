"""Builds the answer of Shopify to the reading of an order."""

from __future__ import annotations

from django.utils import timezone

from fulfillment.shopify.snapshots import OrderNode, parse


def ready_order(order_id: int) -> OrderNode:
    """Return an order of two lines that may be sent, as Shopify answers."""
    lines = [
        {
            "id": f"gid://shopify/LineItem/{order_id * 10 + n}",
            "sku": f"SKU-{n}",
            "title": "A product",
            "currentQuantity": 1,
            "requiresShipping": True,
            "isGiftCard": False,
            "variant": {"id": f"gid://shopify/ProductVariant/{n}"},
        }
        for n in (1, 2)
    ]
    work = [
        {
            "id": f"gid://shopify/FulfillmentOrderLineItem/{order_id * 10 + n}",
            "totalQuantity": 1,
            "remainingQuantity": 1,
            "lineItem": {"id": line["id"]},
        }
        for n, line in enumerate(lines)
    ]
    no_more = {"hasNextPage": False}
    address = {"name": "Ada Lovelace", "address1": "Main Street 1", "countryCodeV2": "DE"}
    whole = {
        "id": f"gid://shopify/Order/{order_id}",
        "name": "#1",
        "updatedAt": timezone.now().isoformat(),
        "test": False,
        "displayFinancialStatus": "PAID",
        "shippingAddress": address,
        "lineItems": {"nodes": lines, "pageInfo": no_more},
        "fulfillmentOrders": {
            "nodes": [
                {
                    "id": f"gid://shopify/FulfillmentOrder/{order_id}",
                    "status": "OPEN",
                    "updatedAt": timezone.now().isoformat(),
                    "lineItems": {"nodes": work, "pageInfo": no_more},
                }
            ],
            "pageInfo": no_more,
        },
    }
    return parse(OrderNode, whole)
