"""Translates sold variants to WMS items at warehouses, and items back to mappings. One query each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shops.ids import VariantId
from skumap.models import SkuMapping


@dataclass(frozen=True)
class Component:
    """One sold unit needs `quantity` units of this item."""

    wms_item_code: str
    quantity: int
    mapping_id: int


@dataclass(frozen=True)
class Resolution:
    """The items of the given variants at the given warehouses, as far as they are mapped."""

    warehouses: frozenset[int]
    mapped: Mapping[tuple[int, int], tuple[Component, ...]]  # by (variant, warehouse id)

    def components(self, variant: int, warehouse_id: int) -> tuple[Component, ...]:
        """Return the items of one sold unit there, by item code; () if it is not mapped there. Several are a kit."""
        return self.mapped.get((variant, warehouse_id), ())

    def unmapped(self, variants: Iterable[int]) -> frozenset[int]:
        """Return those of the variants that are mapped at none of the warehouses."""
        return frozenset(variants) - {variant for variant, _ in self.mapped}


def resolve(shop_id: int, *, variants: Iterable[int], warehouses: Iterable[int]) -> Resolution:
    """Look up all variants at all warehouses with one query.

    Inactive mappings do not count. Those that need verification do: they are alerted, but do not block orders.
    """
    chosen = frozenset(warehouses)
    rows = SkuMapping.objects.filter(
        shop_id=shop_id, shopify_variant_id__in=set(variants), warehouse_id__in=chosen, is_active=True
    ).order_by("shopify_variant_id", "warehouse_id", "wms_item_code")
    found: defaultdict[tuple[int, int], list[Component]] = defaultdict(list)
    for variant, warehouse_id, item, quantity, pk in rows.values_list(
        "shopify_variant_id", "warehouse_id", "wms_item_code", "quantity", "pk"
    ):
        found[variant, warehouse_id].append(Component(item, quantity, pk))
    return Resolution(chosen, {key: tuple(components) for key, components in found.items()})


def variants_of_skus(shop_id: int, skus: Iterable[str]) -> dict[str, VariantId]:
    """The variant that each SKU means, by the active mappings of the shop; only where it is exactly one."""
    wanted = {sku for sku in skus if sku}
    if not wanted:
        return {}
    rows = SkuMapping.objects.filter(shop_id=shop_id, shopify_sku__in=wanted, is_active=True)
    found: defaultdict[str, set[VariantId]] = defaultdict(set)
    for sku, variant in rows.values_list("shopify_sku", "shopify_variant_id").distinct():
        found[sku].add(variant)
    return {sku: variants.pop() for sku, variants in found.items() if len(variants) == 1}


def mappings_for_items(warehouses: int | Iterable[int], item_codes: Iterable[str]) -> list[SkuMapping]:
    """Return the active mappings that use any of the items at those warehouses, with one query.

    Of a kit these are only the rows with such an item; `resolve` returns all components of a variant.
    """
    chosen = {warehouses} if isinstance(warehouses, int) else set(warehouses)
    return list(
        SkuMapping.objects.filter(
            warehouse_id__in=chosen, wms_item_code__in=set(item_codes), is_active=True
        ).order_by("pk")
    )


def mappings_sharing(warehouse_id: int, variants: Iterable[int]) -> list[SkuMapping]:
    """Return the active mappings at a warehouse that use any item of these variants, with one query.

    So the mappings of the variants themselves are all there.
    """
    there = SkuMapping.objects.filter(warehouse_id=warehouse_id, is_active=True)
    items = there.filter(shopify_variant_id__in=set(variants)).values("wms_item_code")
    return list(there.filter(wms_item_code__in=items).order_by("pk"))
