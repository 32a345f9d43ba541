"""The resolvers of fields that need more than one expression, and the objects that exist only in the API."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from sandbox.shopify.graphql.resolvers.paging import Page, paginate
from sandbox.shopify.graphql.rules import Violation
from sandbox.shopify.state.catalogue import Level, Location, Variant
from sandbox.shopify.state.ids import gid, number
from sandbox.shopify.state.orders import (
    Fulfillment,
    FulfillmentLine,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Line,
    Order,
)
from sandbox.shopify.state.shop import Shop, Subscription
from sandbox.shopify.state.times import stamp

Resolver = Callable[..., Any]
QUANTITIES = {
    "available",
    "on_hand",
    "committed",
    "incoming",
    "reserved",
    "damaged",
    "quality_control",
    "safety_stock",
}
ACTIONS = {
    "OPEN": ["CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", "SPLIT"],
    "IN_PROGRESS": ["CREATE_FULFILLMENT", "MOVE", "HOLD"],
    "ON_HOLD": ["RELEASE_HOLD", "HOLD", "MOVE"],
    "SCHEDULED": ["MARK_AS_OPEN", "MOVE", "HOLD"],
}
KINDS: dict[type, str] = {
    Order: "Order",
    Line: "LineItem",
    FulfillmentOrder: "FulfillmentOrder",
    Location: "Location",
    Variant: "ProductVariant",
    FulfillmentOrderLine: "FulfillmentOrderLineItem",
    Fulfillment: "Fulfillment",
    FulfillmentLine: "FulfillmentLineItem",
    Subscription: "WebhookSubscription",
    Level: "InventoryLevel",
    Shop: "Shop",
}


class Item:
    """The inventory item of a variant. In memory both are one object, in the API they are two."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.id, self.sku, self.tracked = variant.inventory_item_id, variant.sku, variant.tracked
        self.requires_shipping = variant.requires_shipping
        self.created_at, self.updated_at = variant.created_at, variant.updated_at


class Product:
    """A product, which in memory is only the variants with its id."""

    def __init__(self, shop: Shop, product_id: int) -> None:
        self.id = product_id
        self.all_variants = [each for each in shop.variants.values() if each.product_id == product_id]
        first = self.all_variants[0]
        self.title, self.status, self.vendor = first.title, "ACTIVE", "Sandbox"
        self.created_at, self.updated_at = (
            first.created_at,
            max(each.updated_at for each in self.all_variants),
        )


KINDS |= {Item: "InventoryItem", Product: "Product"}


def shop_of(info: GraphQLResolveInfo) -> Shop:
    """Returns the shop that the request is about."""
    shop: Shop = info.context.shop
    return shop


def own_id(kind: str) -> Resolver:
    """Returns a resolver for the gid of the object itself."""
    return lambda each, _info: gid(kind, each.id)


def moment(name: str) -> Resolver:
    """Returns a resolver for a time of the object."""
    return lambda each, _info: stamp(getattr(each, name))


def money(text: str) -> dict[str, Any]:
    """Returns a MoneyBag in one currency."""
    amount = {"amount": text, "currencyCode": "EUR"}
    return {"shopMoney": amount, "presentmentMoney": amount}


def order_fulfillment_orders(order: Order, _info: GraphQLResolveInfo, **args: Any) -> Page:
    """Resolves the fulfilment orders of an order that are visible, even closed ones."""
    return paginate((each for each in order.fulfillment_orders if each.visible), args)


def quantities(level: Level, _info: GraphQLResolveInfo, names: list[str]) -> list[dict[str, Any]]:
    """Resolves the named quantities of a level. Raises Violation for a name that does not exist."""
    if unknown := set(names) - QUANTITIES:
        raise Violation(f"Invalid quantity names: {', '.join(sorted(unknown))}", "BAD_REQUEST")
    key = f"{level.location.id}?inventory_item_id={level.variant.inventory_item_id}"
    return [
        {
            "id": gid("InventoryQuantity", f"{key}&name={name}"),
            "name": name,
            "quantity": getattr(level, name, 0),
            "updatedAt": stamp(level.updated_at),
        }
        for name in names
    ]


def item_level(item: Item, info: GraphQLResolveInfo, **args: Any) -> Level | None:
    """Resolves the level of an item at one location; an inactive level only when the request includes them."""
    level = shop_of(info).levels.get((item.id, number(args["locationId"])))
    return level if level and (level.is_active or args.get("includeInactive")) else None


def item_levels(item: Item, info: GraphQLResolveInfo, **args: Any) -> Page:
    """Resolves the levels of an item at all locations."""
    levels = [level for level in shop_of(info).levels.values() if level.variant is item.variant]
    active = [level for level in levels if level.is_active or args.get("includeInactive")]
    return paginate(active, args, key=lambda level: [level.location.id])


def location_level(location: Location, info: GraphQLResolveInfo, **args: Any) -> Level | None:
    """Resolves the level of one item at a location."""
    level = shop_of(info).levels.get((number(args["inventoryItemId"]), location.id))
    return level if level and (level.is_active or args.get("includeInactive")) else None


def locations_for_move(each: FulfillmentOrder, info: GraphQLResolveInfo, **args: Any) -> Page:
    """Resolves every other active location. It is movable when it stocks all items."""
    shop = shop_of(info)
    others = [
        location
        for location in shop.locations.values()
        if location is not each.location and location.is_active
    ]
    page = paginate(others, args)
    wrapped = [
        {
            "location": location,
            "movable": all(shop.stocks(line.line.variant, location) for line in each.lines),
            "message": None,
        }
        for location in page.items
    ]
    return Page(wrapped, page.cursors, page.has_next_page, page.has_previous_page)


def tracking(each: Fulfillment, _info: GraphQLResolveInfo, first: int | None = None) -> list[dict[str, Any]]:
    """Resolves the tracking, with one entry per parcel."""
    parcels = max(len(each.numbers), len(each.urls), 1 if each.company else 0)
    found = [
        {
            "company": each.company,
            "number": each.numbers[index] if index < len(each.numbers) else None,
            "url": each.urls[index] if index < len(each.urls) else None,
        }
        for index in range(parcels)
    ]
    return found[:first]


def destination(each: FulfillmentOrder, _info: GraphQLResolveInfo) -> dict[str, Any]:
    """Resolves the order's address; without an address it is an object of nulls, as since 2024-10."""
    address = each.order.address or {}
    return {
        **address,
        "id": gid("FulfillmentOrderDestination", each.id),
        "email": each.order.email if address else None,
    }


def assigned_location(each: FulfillmentOrder, _info: GraphQLResolveInfo) -> dict[str, Any]:
    """Resolves the location of a fulfilment order."""
    return {"location": each.location, "name": each.location.name, "country_code": each.location.country}


def with_id(kind: str, owner: Order) -> dict[str, Any] | None:
    """Returns the address of an order as a MailingAddress."""
    if owner.address is None:
        return None
    return {**owner.address, "id": gid(kind, owner.id), "country_code_v2": owner.address.get("country_code")}
