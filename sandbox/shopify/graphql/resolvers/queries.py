"""Resolvers of the queries."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from sandbox.shopify.graphql.resolvers.fields import Item, Product, shop_of
from sandbox.shopify.graphql.resolvers.paging import Page, paginate
from sandbox.shopify.graphql.resolvers.search import Getter, matches
from sandbox.shopify.graphql.rules import parse_gid
from sandbox.shopify.state.orders import FulfillmentOrder
from sandbox.shopify.state.shop import Shop

ORDER_TERMS: dict[str, Getter] = {
    "id": lambda o: o.id,
    "name": lambda o: [o.name, o.name.lstrip("#")],
    "updated_at": lambda o: o.updated_at,
    "created_at": lambda o: o.created_at,
    "processed_at": lambda o: o.created_at,
    "test": lambda o: o.test,
    "tag": lambda o: o.tags,
    "sku": lambda o: [line.sku for line in o.lines],
    "email": lambda o: o.email,
    "status": lambda o: "cancelled" if o.cancelled_at else "closed" if o.closed_at else "open",
    "financial_status": lambda o: o.financial_status,
    "fulfillment_status": lambda o: {"FULFILLED": "shipped", "PARTIALLY_FULFILLED": "partial"}.get(
        o.fulfillment_status, "unfulfilled"
    ),
}
FULFILLMENT_ORDER_TERMS: dict[str, Getter] = {
    "id": lambda each: each.id,
    "status": lambda each: each.status,
    "updated_at": lambda each: each.updated_at,
    "assigned_location_id": lambda each: each.location.id,
}
VARIANT_TERMS: dict[str, Getter] = {
    "id": lambda v: v.id,
    "sku": lambda v: v.sku,
    "product_id": lambda v: v.product_id,
    "updated_at": lambda v: v.updated_at,
    "inventory_item_id": lambda v: v.inventory_item_id,
}
ITEM_TERMS: dict[str, Getter] = {
    "id": lambda i: i.id,
    "sku": lambda i: i.sku,
    "updated_at": lambda i: i.updated_at,
    "created_at": lambda i: i.created_at,
}
ORDER_SORT = {
    "UPDATED_AT": "updated_at",
    "CREATED_AT": "created_at",
    "PROCESSED_AT": "created_at",
    "ORDER_NUMBER": "number",
}
VERSIONS = ["2026-01", "2026-04", "2026-07", "2026-10"]
BY_KIND: dict[str, Callable[[Shop], dict[int, Any]]] = {
    "Order": lambda shop: shop.orders,
    "FulfillmentOrder": lambda shop: shop.fulfillment_orders,
    "Fulfillment": lambda shop: shop.fulfillments,
    "Location": lambda shop: shop.locations,
    "ProductVariant": lambda shop: shop.variants,
    "WebhookSubscription": lambda shop: shop.subscriptions,
}


def find(shop: Shop, kind: str, number: int) -> Any:
    """Returns the object, or None. A fulfilment order that is not visible yet counts as missing."""
    if kind == "InventoryItem":
        variant = shop.items.get(number)
        return Item(variant) if variant else None
    if kind == "Product":
        known = any(each.product_id == number for each in shop.variants.values())
        return Product(shop, number) if known else None
    if kind == "LineItem":
        return next(
            (line for order in shop.orders.values() for line in order.lines if line.id == number), None
        )
    if kind == "InventoryLevel":
        return None
    each = BY_KIND[kind](shop).get(number) if kind in BY_KIND else None
    return None if isinstance(each, FulfillmentOrder) and not each.visible else each


def level_by_gid(shop: Shop, text: str) -> Any:
    """Returns the level of gid://shopify/InventoryLevel/<location>?inventory_item_id=<item>, or None."""
    location, _, item = text.rsplit("/", 1)[-1].partition("?inventory_item_id=")
    return shop.levels.get((int(item or 0), int(location)))


def node(_root: Any, info: GraphQLResolveInfo, id: str) -> Any:
    """Returns any object by its gid; None when it does not exist. Raises Violation when the gid is malformed."""
    kind, number = parse_gid(id, info.field_nodes[0])
    if kind == "InventoryLevel":
        return level_by_gid(shop_of(info), id)
    return find(shop_of(info), kind, number)


def of_kind(kind: str) -> Callable[..., Any]:
    """Returns a resolver that finds one object of the given kind by its gid."""

    def resolve(_root: Any, info: GraphQLResolveInfo, id: str | None = None) -> Any:
        if id is None:
            return next(iter(shop_of(info).locations.values()))
        given, number = parse_gid(id, info.field_nodes[0])
        return find(shop_of(info), kind, number) if given == kind else None

    return resolve


def orders(_root: Any, info: GraphQLResolveInfo, **args: Any) -> Page:
    """Resolves orders(query, sortKey)."""
    attribute = ORDER_SORT.get(args.get("sortKey") or "", "id")

    def key(order: Any) -> list[Any]:
        value = getattr(order, attribute)
        return [value.isoformat() if hasattr(value, "isoformat") else value, order.id]

    shop = shop_of(info)
    searched = shop.search.orders(shop.orders)
    return paginate(filter(matches(args.get("query"), ORDER_TERMS), searched), args, key=key)


def fulfillment_orders(_root: Any, info: GraphQLResolveInfo, **args: Any) -> Page:
    """Resolves fulfillmentOrders(includeClosed, query, sortKey)."""
    found = [
        each
        for each in shop_of(info).fulfillment_orders.values()
        if each.visible and (args.get("includeClosed") or each.status not in ("CLOSED", "CANCELLED"))
    ]
    by_time = args.get("sortKey") == "UPDATED_AT"
    return paginate(
        filter(matches(args.get("query"), FULFILLMENT_ORDER_TERMS), found),
        args,
        key=lambda each: [each.updated_at.isoformat() if by_time else "", each.id],
    )


def subscriptions(_root: Any, info: GraphQLResolveInfo, **args: Any) -> Page:
    """Resolves webhookSubscriptions(topics, uri)."""
    topics, uri = args.get("topics"), args.get("uri") or args.get("callbackUrl")
    found = [
        each
        for each in shop_of(info).subscriptions.values()
        if (not topics or each.topic in topics) and (not uri or each.uri == uri)
    ]
    return paginate(found, args)


QUERIES: dict[str, Callable[..., Any]] = {
    "node": node,
    "nodes": lambda root, info, ids: [node(root, info, each) for each in ids],
    "shop": lambda _r, info: shop_of(info),
    "order": of_kind("Order"),
    "fulfillment": of_kind("Fulfillment"),
    "fulfillmentOrder": of_kind("FulfillmentOrder"),
    "inventoryItem": of_kind("InventoryItem"),
    "productVariant": of_kind("ProductVariant"),
    "location": of_kind("Location"),
    "webhookSubscription": of_kind("WebhookSubscription"),
    "return": lambda *_a, **_k: None,
    "job": lambda _r, _i, id: {"id": id, "done": True},
    "orders": orders,
    "fulfillmentOrders": fulfillment_orders,
    "webhookSubscriptions": subscriptions,
    "locations": lambda _r, info, **args: paginate(
        [each for each in shop_of(info).locations.values() if each.is_active or args.get("includeInactive")],
        args,
    ),
    "productVariants": lambda _r, info, **args: paginate(
        filter(matches(args.get("query"), VARIANT_TERMS), shop_of(info).variants.values()), args
    ),
    "inventoryItems": lambda _r, info, **args: paginate(
        filter(matches(args.get("query"), ITEM_TERMS), map(Item, shop_of(info).variants.values())), args
    ),
    "publicApiVersions": lambda *_: [
        {"handle": each, "displayName": each, "supported": True} for each in VERSIONS
    ],
}
