"""Webhook bodies about stock, items, products and the shop: REST-shaped, as in the samples of 2026-07."""

from typing import Any

from sandbox.shopify.state.catalogue import Level, Variant
from sandbox.shopify.state.ids import gid
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import stamp


def level_body(level: Level) -> dict[str, Any]:
    """Returns the body of inventory_levels/update."""
    item, location = level.variant.inventory_item_id, level.location.id
    return {
        "inventory_item_id": item,
        "location_id": location,
        "available": level.available,
        "updated_at": stamp(level.updated_at),
        "admin_graphql_api_id": gid("InventoryLevel", f"{location}?inventory_item_id={item}"),
    }


def item_body(variant: Variant) -> dict[str, Any]:
    """Returns the body of inventory_items/update."""
    return {
        "id": variant.inventory_item_id,
        "sku": variant.sku,
        "created_at": stamp(variant.created_at),
        "updated_at": stamp(variant.updated_at),
        "requires_shipping": variant.requires_shipping,
        "cost": None,
        "country_code_of_origin": None,
        "province_code_of_origin": None,
        "harmonized_system_code": None,
        "tracked": variant.tracked,
        "country_harmonized_system_codes": [],
        "weight_value": 0.1,
        "weight_unit": "kg",
        "admin_graphql_api_id": gid("InventoryItem", variant.inventory_item_id),
    }


def product_body(shop: Shop, product_id: int) -> dict[str, Any]:
    """Returns the body of products/update, with full data of the first 100 variants and the gids of all."""
    variants = [each for each in shop.variants.values() if each.product_id == product_id]
    newest = max(each.updated_at for each in variants)
    return {
        "admin_graphql_api_id": gid("Product", product_id),
        "id": product_id,
        "title": variants[0].title,
        "body_html": "",
        "created_at": stamp(variants[0].created_at),
        "updated_at": stamp(newest),
        "handle": f"product-{product_id}",
        "product_type": "",
        "vendor": "Sandbox",
        "status": "active",
        "published_scope": "web",
        "tags": "",
        "options": [],
        "images": [],
        "image": None,
        "variants": [
            {
                "admin_graphql_api_id": gid("ProductVariant", each.id),
                "id": each.id,
                "product_id": product_id,
                "inventory_item_id": each.inventory_item_id,
                "sku": each.sku,
                "title": each.title,
                "price": each.price,
                "barcode": None,
                "position": position,
                "created_at": stamp(each.created_at),
                "updated_at": stamp(each.updated_at),
                "inventory_policy": "deny",
                "taxable": True,
                "inventory_quantity": sum(
                    level.available for level in shop.levels.values() if level.variant is each
                ),
                "old_inventory_quantity": 0,
            }
            for position, each in enumerate(variants[:100], start=1)
        ],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", each.id), "updated_at": stamp(each.updated_at)}
            for each in variants
        ],
    }


def uninstalled_body(shop: Shop) -> dict[str, Any]:
    """Returns the body of app/uninstalled, which is the shop."""
    return {
        "id": shop.id,
        "name": shop.name,
        "domain": shop.domain,
        "myshopify_domain": shop.domain,
        "email": None,
        "currency": "EUR",
        "plan_name": "basic",
        "created_at": stamp(shop.created_at),
        "updated_at": None,
    }
