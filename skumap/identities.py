"""A variant has one inventory item and an inventory item one variant: what staff enter must keep to that.

Admin API 2026-10: `ProductVariant.inventoryItem` and `InventoryItem.variant` are one-to-one. Two variants with one item
would take turns in setting its stock, and the other's would never be set.
"""

from __future__ import annotations

from django.db import connection
from django.db.models.functions import Now

from skumap.models import SkuMapping


def lock(shop_id: int) -> bool:
    """Keep others from entering mappings of the shop until this transaction ends; False when somebody else does now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('skumap:' || %s, 0))", [str(shop_id)]
        )
        return bool(cursor.fetchone()[0])


def owner(shop_id: int, *, inventory_item: int, besides: int) -> SkuMapping | None:
    """The active mapping by which the inventory item is another variant's than `besides`; None = it is free."""
    claims = SkuMapping.objects.filter(
        shop_id=shop_id, shopify_inventory_item_id=inventory_item, is_active=True
    ).exclude(shopify_variant_id=besides)
    return claims.select_related("warehouse__connection", "warehouse__shop").order_by("pk").first()


def claim_in_words(mapping: SkuMapping) -> str:
    """Whose inventory item it is, and the way out."""
    return (
        f"inventory item {mapping.shopify_inventory_item_id} is that of variant {mapping.shopify_variant_id} "
        f"(SKU {mapping.shopify_sku or 'blank'}) at {mapping.warehouse.place}: correct the number, or that mapping"
    )


def carry(mapping: SkuMapping) -> int:
    """Give the variant's mappings at other warehouses the inventory item of this one; returns how many had another."""
    others = SkuMapping.objects.filter(
        shop_id=mapping.shop_id, shopify_variant_id=mapping.shopify_variant_id, is_active=True
    ).exclude(shopify_inventory_item_id=mapping.shopify_inventory_item_id)
    return others.update(
        shopify_inventory_item_id=mapping.shopify_inventory_item_id,
        needs_verification=False,
        updated_at=Now(),
    )
