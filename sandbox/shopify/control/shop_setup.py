"""Shops and variants as the control API describes them."""

from typing import Any

from sandbox.shopify.state.catalogue import Level, Location, Variant
from sandbox.shopify.state.limits import GraphqlBucket, RestBucket
from sandbox.shopify.state.search_index import SearchIndex
from sandbox.shopify.state.shop import Shop

Json = dict[str, Any]


def make_shop(body: Json) -> Shop:
    """Makes a shop from its JSON. Raises KeyError or ValueError."""
    bucket, rest = body.get("bucket") or {}, body.get("rest_bucket") or {}
    model = body.get("cost_model", "recorded")
    if model not in ("recorded", "linear"):
        raise ValueError("cost_model is recorded or linear")
    shop = Shop(
        domain=body["domain"],
        name=body.get("name") or body["domain"].split(".")[0].title(),
        client_id=body.get("client_id"),
        client_secret=body.get("client_secret"),
        webhook_secret=body.get("webhook_secret") or body.get("client_secret") or "",
        webhook_url=body.get("webhook_url"),
        fo_delay=float(body.get("fo_delay", 0.3)),
        token_lifetime=int(body.get("token_lifetime", 86399)),
        bucket=GraphqlBucket(
            maximum=float(bucket.get("max", 2000)),
            restore=float(bucket.get("restore", 100)),
            points=None if bucket.get("points") is None else float(bucket["points"]),
            by_hand=bool(bucket.get("by_hand", False)),
        ),
        rest_bucket=RestBucket(maximum=float(rest.get("max", 40)), leak=float(rest.get("leak", 2))),
        cost_model=model,
        search=SearchIndex(float(body.get("search_lag", 0))),
    )
    if body.get("access_token"):
        shop.tokens[body["access_token"]] = None
    for each in body["locations"]:
        location = Location(
            int(each["id"]), each["name"], each.get("country", "DE"), bool(each.get("active", True))
        )
        shop.locations[location.id] = location
    for each in body.get("variants", []):
        add_variant(shop, each)
    return shop


def add_variant(shop: Shop, each: Json) -> Variant:
    """Adds a variant with its stock to a shop."""
    variant = Variant(
        id=int(each["id"]),
        sku=each.get("sku"),
        title=each.get("title") or each.get("sku") or f"Variant {each['id']}",
        inventory_item_id=int(each["inventory_item_id"]),
        product_id=int(each.get("product_id") or each["id"]),
        requires_shipping=bool(each.get("requires_shipping", True)),
        is_gift_card=bool(each.get("is_gift_card", False)),
        tracked=bool(each.get("tracked", True)),
        price=str(each.get("price", "10.00")),
    )
    shop.variants[variant.id] = shop.items[variant.inventory_item_id] = variant
    for location_id, units in (each.get("stock") or {}).items():
        location = shop.locations[int(location_id)]
        shop.levels[variant.inventory_item_id, location.id] = Level(variant, location, int(units))
    return variant
