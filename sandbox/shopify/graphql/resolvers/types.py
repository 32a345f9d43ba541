"""Resolvers of the fields of each object type.

A field that is not listed reads the attribute or key of the same name in snake case.
"""

from sandbox.shopify.graphql.resolvers.fields import (
    ACTIONS,
    Item,
    Product,
    Resolver,
    assigned_location,
    destination,
    item_level,
    item_levels,
    location_level,
    locations_for_move,
    moment,
    money,
    order_fulfillment_orders,
    own_id,
    quantities,
    shop_of,
    tracking,
    with_id,
)
from sandbox.shopify.graphql.resolvers.paging import paginate
from sandbox.shopify.state.ids import gid
from sandbox.shopify.state.times import stamp

TYPES: dict[str, dict[str, Resolver]] = {
    "Shop": {
        "id": own_id("Shop"),
        "myshopifyDomain": lambda s, _i: s.domain,
        "currencyCode": lambda *_: "EUR",
        "email": lambda *_: "owner@example.com",
        "ianaTimezone": lambda *_: "Europe/Berlin",
        "updatedAt": moment("created_at"),
    },
    "Order": {
        "processedAt": moment("created_at"),
        "closed": lambda o, _i: o.closed_at is not None,
        "confirmed": lambda *_: True,
        "displayFinancialStatus": lambda o, _i: o.financial_status,
        "displayFulfillmentStatus": lambda o, _i: o.fulfillment_status,
        "fullyPaid": lambda o, _i: o.financial_status == "PAID",
        "unpaid": lambda o, _i: o.financial_status != "PAID",
        "requiresShipping": lambda o, _i: any(line.requires_shipping for line in o.lines),
        "returnStatus": lambda *_: "NO_RETURN",
        "currencyCode": lambda *_: "EUR",
        "sourceName": lambda *_: "web",
        "totalPriceSet": lambda o, _i: money(o.total),
        "shippingAddress": lambda o, _i: with_id("MailingAddress", o),
        "billingAddress": lambda o, _i: with_id("MailingAddress", o),
        "shippingLine": lambda o, _i: {
            "id": gid("ShippingLine", o.id),
            "title": "Standard",
            "code": "standard",
            "source": "shopify",
        },
        "lineItems": lambda o, _i, **args: paginate(o.lines, args),
        "fulfillmentOrders": order_fulfillment_orders,
        "fulfillments": lambda o, _i, first=None, query=None: o.fulfillments[:first],
        "subtotalLineItemsQuantity": lambda o, _i: sum(line.quantity for line in o.lines),
        "currentSubtotalLineItemsQuantity": lambda o, _i: sum(line.current_quantity for line in o.lines),
        "returns": lambda _o, _i, **args: paginate([], args),
    },
    "LineItem": {
        "name": lambda line, _i: line.title,
        "unfulfilledQuantity": lambda line, _i: line.current_quantity - line.fulfilled,
        "nonFulfillableQuantity": lambda line, _i: line.quantity - line.current_quantity,
        "originalUnitPriceSet": lambda line, _i: money(line.price),
        "product": lambda line, info: (
            Product(shop_of(info), line.variant.product_id) if line.variant else None
        ),
    },
    "FulfillmentOrder": {
        "orderId": lambda each, _i: gid("Order", each.order.id),
        "orderName": lambda each, _i: each.order.name,
        "orderProcessedAt": lambda each, _i: stamp(each.order.created_at),
        "assignedLocation": assigned_location,
        "deliveryMethod": lambda each, _i: {
            "id": gid("DeliveryMethod", each.id),
            "methodType": each.delivery_method,
        },
        "destination": destination,
        "fulfillmentHolds": lambda each, _i: each.holds,
        "locationsForMove": locations_for_move,
        "supportedActions": lambda each, _i: [{"action": action} for action in ACTIONS.get(each.status, [])],
        "lineItems": lambda each, _i, **args: paginate(each.lines, args),
        "fulfillments": lambda each, _i, **args: paginate(
            [
                f
                for f in each.order.fulfillments
                if any(p.fulfillment_order_line.fulfillment_order is each for p in f.lines)
            ],
            args,
        ),
    },
    "FulfillmentHold": {
        "id": own_id("FulfillmentHold"),
        "reasonNotes": lambda hold, _i: hold.notes,
        "displayReason": lambda hold, _i: hold.reason.capitalize(),
        "heldByRequestingApp": lambda hold, _i: hold.by_app,
        "heldByApp": lambda *_: None,
    },
    "FulfillmentOrderLineItem": {
        "totalQuantity": lambda part, _i: part.total,
        "remainingQuantity": lambda part, _i: part.remaining,
        "lineItem": lambda part, _i: part.line,
        "variant": lambda part, _i: part.line.variant,
        "sku": lambda part, _i: part.line.sku,
        "requiresShipping": lambda part, _i: part.line.requires_shipping,
        "productTitle": lambda part, _i: part.line.title,
        "inventoryItemId": lambda part, _i: (
            part.line.variant and gid("InventoryItem", part.line.variant.inventory_item_id)
        ),
    },
    "Fulfillment": {
        "displayStatus": lambda each, _i: "CANCELED" if each.status == "CANCELLED" else "FULFILLED",
        "requiresShipping": lambda *_: True,
        "totalQuantity": lambda each, _i: sum(part.quantity for part in each.lines),
        "trackingInfo": tracking,
        "fulfillmentLineItems": lambda each, _i, **args: paginate(each.lines, args),
        "fulfillmentOrders": lambda each, _i, **args: paginate(
            {part.fulfillment_order_line.fulfillment_order for part in each.lines}, args
        ),
    },
    "FulfillmentLineItem": {"lineItem": lambda part, _i: part.line},
    "Location": {
        "fulfillsOnlineOrders": lambda *_: True,
        "shipsInventory": lambda *_: True,
        "isFulfillmentService": lambda *_: False,
        "address": lambda location, _i: {"country_code": location.country, "country": location.country},
        "updatedAt": moment("created_at"),
        "inventoryLevel": location_level,
    },
    "Product": {"variants": lambda each, _i, **args: paginate(each.all_variants, args)},
    "ProductVariant": {
        "displayName": lambda variant, _i: variant.title,
        "product": lambda variant, info: Product(shop_of(info), variant.product_id),
        "inventoryItem": lambda variant, _i: Item(variant),
        "position": lambda *_: 1,
        "inventoryQuantity": lambda variant, info: sum(
            level.available for level in shop_of(info).levels.values() if level.variant is variant
        ),
    },
    "InventoryItem": {
        "duplicateSkuCount": lambda item, info: (
            sum(v.sku == item.sku for v in shop_of(info).variants.values()) - 1
        ),
        "inventoryLevel": item_level,
        "inventoryLevels": item_levels,
        "variants": lambda item, _i, **args: paginate([item.variant], {"first": 1, **args}),
    },
    "InventoryLevel": {
        "id": lambda level, _i: gid(
            "InventoryLevel", f"{level.location.id}?inventory_item_id={level.variant.inventory_item_id}"
        ),
        "canDeactivate": lambda *_: True,
        "item": lambda level, _i: Item(level.variant),
        "quantities": quantities,
    },
    "InventoryAdjustmentGroup": {
        "createdAt": lambda group, _i: stamp(group["created_at"]),
        "changes": lambda group, _i, **_a: group["changes"],
    },
    "InventoryChange": {"item": lambda each, _i: Item(each["variant"])},
    "WebhookSubscription": {
        "callbackUrl": lambda each, _i: each.uri,
        "endpoint": lambda each, _i: {"callbackUrl": each.uri},
        "apiVersion": lambda each, _i: {
            "handle": each.api_version,
            "displayName": each.api_version,
            "supported": True,
        },
    },
}
