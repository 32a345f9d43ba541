"""Keeps the rule that a variant has exactly one inventory item, and an inventory item exactly one variant.

Admin API 2026-10: `ProductVariant.inventoryItem` and `InventoryItem.variant` are one-to-one. If two variants were
mapped to one inventory item, both would set the stock of this item in turn, and one variant's own stock would never be
set.
"""

from __future__ import annotations

from django.db import connection
from django.db.models.functions import Now

from skumap.models import SkuMapping


def lock(shop_id: int) -> bool:
    """Lock the entering of the shop's mappings until this transaction ends; return False if it is locked already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('skumap:' || %s, 0))", [str(shop_id)]
        )
        return bool(cursor.fetchone()[0])


def owner(shop_id: int, *, inventory_item: int, besides: int) -> SkuMapping | None:
    """Return an active mapping of another variant than `besides` to the inventory item; None if there is none."""
    others = SkuMapping.objects.filter(
        shop_id=shop_id, shopify_inventory_item_id=inventory_item, is_active=True
    ).exclude(shopify_variant_id=besides)
    return others.select_related("warehouse__connection", "warehouse__shop").order_by("pk").first()


def conflict_text(mapping: SkuMapping) -> str:
    """Say which variant has the inventory item already, and what to do."""
    return (
        f"inventory item {mapping.shopify_inventory_item_id} is that of variant {mapping.shopify_variant_id} "
        f"(SKU {mapping.shopify_sku or 'blank'}) at {mapping.warehouse.place}: correct the number, or that mapping"
    )


def correct_other_warehouses(mapping: SkuMapping) -> int:
    """Give the variant's mappings at other warehouses the inventory item of this one; return how many had another."""
    others = SkuMapping.objects.filter(
        shop_id=mapping.shop_id, shopify_variant_id=mapping.shopify_variant_id, is_active=True
    ).exclude(shopify_inventory_item_id=mapping.shopify_inventory_item_id)
    return others.update(
        shopify_inventory_item_id=mapping.shopify_inventory_item_id,
        needs_verification=False,
        updated_at=Now(),
    )
