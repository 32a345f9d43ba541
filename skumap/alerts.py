"""The alerts about the products of a shop: variants that are not mapped, that changed, or that are gone."""

from __future__ import annotations

from ops.alerting.kinds import AlertKind, Closes
from shops.ids import VariantId
from shops.models import Shop
from skumap.models import SkuMapping
from skumap.refs import variant_subject

UNMAPPED_SKU = AlertKind("unmapped_sku", closes=Closes.ITSELF)
SKU_CHANGED = AlertKind("sku_changed", closes=Closes.ITSELF)
SKU_GONE = AlertKind("sku_gone", closes=Closes.ITSELF_OR_PERSON)


def unmapped_sku(shop: Shop, *, variant: VariantId, sku: str, hint: str, by: str) -> bool:
    """No warehouse of the shop has a mapping for a variant that was ordered; returns True when the alert is new.

    `hint`: the known SKU that is most like it. `by`: the subject of the order that needs it.
    """
    nearest = f" Nearest known: {hint}." if hint else ""
    return UNMAPPED_SKU.open(
        variant_subject(shop.domain, variant),
        shop=shop.domain,
        cause=by,
        title=f"SKU {_shown(sku)} of {shop.domain} is not mapped",
        meaning=f"We do not know which item of a warehouse variant {variant} is. Orders that contain it wait as a "
        "whole.",
        action=f"Add the mapping in the console or with import_skus. The orders then continue by themselves.{nearest}",
    )


def sku_changed(shop: Shop, mapping: SkuMapping, *, sku: str, inventory_item: int | None) -> None:
    """Shopify shows another SKU or inventory item for a variant than when it was mapped."""
    SKU_CHANGED.open(
        variant_subject(shop.domain, mapping.shopify_variant_id),
        shop=shop.domain,
        title=f"SKU {_shown(mapping.shopify_sku)} of {shop.domain} is now {_shown(sku)}",
        meaning=f"Variant {mapping.shopify_variant_id} was mapped to item {mapping.wms_item_code} when it had SKU "
        f"{_shown(mapping.shopify_sku)} and inventory item {mapping.shopify_inventory_item_id}. Shopify now shows SKU "
        f"{_shown(sku)} and inventory item {inventory_item or 'as before'}. Orders still go to the old item.",
        action="Find out which item the variant is now. If the item changed, correct the SKU mappings of the variant "
        "in the console or with import_skus. If the item is still right, select the mappings in the console and choose "
        "«Adopt what Shopify shows».",
    )


def sku_gone(shop: Shop, *, variant: VariantId, sku: str) -> None:
    """Shopify no longer has a variant that is mapped."""
    SKU_GONE.open(
        variant_subject(shop.domain, variant),
        shop=shop.domain,
        title=f"Variant {variant} (SKU {_shown(sku)}) of {shop.domain} no longer exists in Shopify",
        meaning="The variant is mapped, but Shopify no longer has it. Its stock is not sent to Shopify any more.",
        action="Map the variant that replaced it. Then switch off the SKU mappings of the old variant and close this "
        "alert.",
    )


def _shown(sku: str) -> str:
    return sku or "(blank)"
