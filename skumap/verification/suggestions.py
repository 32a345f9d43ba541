"""Finds the known name that is nearest to an unmapped SKU, because most unmapped SKUs are misspelt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rapidfuzz import fuzz, process, utils

from skumap.models import SkuMapping

NEAR_ENOUGH = 75
"""The least score (rapidfuzz's WRatio, 0 to 100) of a suggestion; below it a suggestion misleads more than it helps."""
MOST_NAMES = 20_000


def suggest(shop_id: int, *, skus: Iterable[str]) -> dict[str, str]:
    """Return a text about the shop's nearest mapping for each SKU; SKUs without a near one are missing. One query."""
    known = (
        SkuMapping.objects.filter(shop_id=shop_id, is_active=True)
        .order_by("shopify_sku", "wms_item_code")
        .values_list("shopify_sku", "wms_item_code")
        .distinct()[:MOST_NAMES]
    )
    names: dict[str, str] = {}
    for sku, item in known:
        text = f"SKU {sku} (item {item})" if sku else f"item {item}"
        names.setdefault(item, text)
        if sku:
            names.setdefault(sku, text)
    found = {sku: nearest(sku, names=names) for sku in skus}
    return {sku: text for sku, text in found.items() if text}


def nearest(sku: str, *, names: Mapping[str, str]) -> str:
    """Return the text of the name that is nearest to the SKU; "" if none is near enough."""
    best = process.extractOne(
        sku, names.keys(), scorer=fuzz.WRatio, processor=utils.default_process, score_cutoff=NEAR_ENOUGH
    )
    return names[best[0]] if best else ""
