"""Mappings that need verification: a SKU changed or vanished at Shopify, or was never mapped. And how that ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from ops.alerting.kinds import close_kinds
from ops.queue.jobs import wake as wake_parked
from shops.api import gids
from shops.ids import InventoryItemId, ShopPk, VariantId
from shops.models import Shop
from skumap import alerts, jobs
from skumap.models import SkuMapping
from skumap.refs import sku_key, variant_key, variant_subject
from skumap.verification.suggestions import suggest

PAGE = 100
"""Variants that one query reads at Shopify; a webhook also carries this many in full."""
WAKE_AT_ONCE = 500
"""The most keys woken in one transaction: each takes a lock, and Postgres has room for some thousands."""
AFTER_DELETION = timedelta(minutes=5)
"""How long a verification waits after a deletion: products are deleted in bulk, and one verification serves all."""


@dataclass(frozen=True)
class ShopifyVariant:
    """A variant as Shopify shows it; None = Shopify did not send the field."""

    variant: VariantId
    sku: str | None
    inventory_item: int | None


def sku_changed_in_product(shop: Shop, body: Mapping[str, Any]) -> int:
    """Compare the body of products/update with our mappings; return how many newly need verification.

    Beyond the first 100 variants the body only has ids and times. A job reads those of them that we map.
    """
    seen = {one.variant: one for one in map(_variant_in_product, _dicts(body.get("variants"))) if one}
    named = {
        gids.number_or_none(one.get("admin_graphql_api_id")): one for one in _dicts(body.get("variant_gids"))
    }
    beyond = {variant: _time(one) for variant, one in named.items() if variant and variant not in seen}
    with transaction.atomic():
        mappings = list(_active(shop).filter(shopify_variant_id__in=[*seen, *beyond]))
        full = [mapping for mapping in mappings if mapping.shopify_variant_id in seen]
        unread = {
            mapping.shopify_variant_id
            for mapping in mappings
            if mapping.shopify_variant_id in beyond
            and not _older(beyond[mapping.shopify_variant_id], mapping)
        }
        ask(shop, variants=unread)
        return _compare(shop, full, seen, updated_at=_time(body))


def sku_changed_in_item(shop: Shop, body: Mapping[str, Any]) -> int:
    """Compare the body of inventory_items/update with our mappings; return how many newly need verification."""
    item = gids.id_in(body)
    if item is None or "sku" not in body:
        return 0
    with transaction.atomic():
        mappings = list(_active(shop).filter(shopify_inventory_item_id=item))
        sku = _text(body["sku"])
        seen = {
            m.shopify_variant_id: ShopifyVariant(m.shopify_variant_id, sku, InventoryItemId(item))
            for m in mappings
        }
        return _compare(shop, mappings, seen, updated_at=_time(body))


def ask(shop: Shop, *, variants: Iterable[VariantId]) -> None:
    """Have these variants compared with Shopify, by jobs."""
    for page in _pages(variants):
        jobs.verify(shop, page)


def ask_to_adopt(shop: Shop, *, variants: Iterable[VariantId]) -> None:
    """Have what Shopify shows of these variants written to their mappings, by jobs: a person said that it is right."""
    for page in _pages(variants):
        jobs.adopt(shop, page)


def _pages(variants: Iterable[VariantId]) -> list[list[VariantId]]:
    wanted = sorted(set(variants))
    return [wanted[start : start + PAGE] for start in range(0, len(wanted), PAGE)]


def report_unmapped(shop: Shop, unmapped: Mapping[VariantId, str], *, by: str = "") -> int:
    """Raise an alert for each variant (-> SKU) without a mapping, with the nearest known name; return the new ones.

    `by` is the subject of the order that needs them. Each order is counted once, however often it is processed.
    """
    nearest = suggest(shop.pk, skus={sku for sku in unmapped.values() if sku})
    with transaction.atomic():
        return sum(
            alerts.unmapped_sku(shop, variant=variant, sku=sku, hint=nearest.get(sku, ""), by=by)
            for variant, sku in sorted(unmapped.items())
        )


def mapping_saved(mappings: Iterable[SkuMapping]) -> None:
    """Close the alerts of saved mappings, push their stock, and wake what waits for them.

    Call it last in the transaction that saved them. A mapping that was switched off closes no alert. Its stock is
    pushed and waiting jobs are woken all the same, because the variant's other mappings may now give another result.
    """
    by_shop = sorted(mappings, key=lambda mapping: mapping.shop_id)
    for _, group in groupby(by_shop, key=lambda mapping: mapping.shop_id):
        saved = list(group)
        active = {mapping.shopify_variant_id for mapping in saved if mapping.is_active}
        switched_off = {mapping.shopify_variant_id for mapping in saved} - active
        if active:
            variants_mapped(saved[0].shop, variants=active)
        if switched_off:
            _follow_up(saved[0].shop, sorted(switched_off))


def variants_mapped(shop: Shop, *, variants: Iterable[VariantId]) -> None:
    """Do the same for many variants of one shop that were mapped."""
    mapped = sorted(set(variants))
    unverified = set(
        _active(shop)
        .filter(shopify_variant_id__in=mapped, needs_verification=True)
        .values_list("shopify_variant_id", flat=True)
    )
    alerts.UNMAPPED_SKU.close(*[variant_subject(shop.domain, variant) for variant in mapped])
    close_verification_alerts(shop, variants=[variant for variant in mapped if variant not in unverified])
    _follow_up(shop, mapped)


def _follow_up(shop: Shop, mapped: list[VariantId]) -> None:
    """Request a push of the variants' stock, and wake what waits for them: many variants in jobs of their own."""
    pages = [mapped[start : start + WAKE_AT_ONCE] for start in range(0, len(mapped), WAKE_AT_ONCE)]
    for page in pages:
        jobs.mapped(shop, page)
    if len(pages) <= 1:
        wake(shop.id, variants=mapped)
        return
    for page in pages:
        jobs.wake(shop, page)


def wake(shop_pk: ShopPk, *, variants: Iterable[VariantId]) -> int:
    """Wake jobs that wait for a mapping of these variants or of their SKUs; return how many became due."""
    mapped = list(variants)
    found = SkuMapping.objects.filter(shop_id=shop_pk, shopify_variant_id__in=mapped).exclude(shopify_sku="")
    skus = found.values_list("shopify_sku", flat=True).order_by("shopify_sku").distinct()
    return wake_parked(
        *(variant_key(shop_pk, variant) for variant in mapped), *(sku_key(shop_pk, sku) for sku in skus)
    )


def mark_needs_verification(shop: Shop, differing: Mapping[SkuMapping, ShopifyVariant]) -> int:
    """Mark and alert mappings that differ from Shopify; return how many are newly marked.

    The mapping keeps the SKU for which it was made, and is compared with this SKU again later.
    """
    marked = SkuMapping.objects.filter(pk__in=[m.pk for m in differing], needs_verification=False).update(
        needs_verification=True, updated_at=Now()
    )
    for mapping, seen in {m.shopify_variant_id: (m, seen) for m, seen in differing.items()}.values():
        alerts.sku_changed(shop, mapping, sku=seen.sku or "", inventory_item=seen.inventory_item)
    return marked


def differs(mapping: SkuMapping, seen: ShopifyVariant) -> bool:
    """Whether Shopify shows another SKU or inventory item than the one for which the mapping was made."""
    other_sku = seen.sku is not None and seen.sku != mapping.shopify_sku
    return other_sku or seen.inventory_item not in (None, mapping.shopify_inventory_item_id)


def close_verification_alerts(shop: Shop, *, variants: Iterable[VariantId]) -> None:
    """Close the alerts of variants that agree with their mappings."""
    subjects = [variant_subject(shop.domain, variant) for variant in variants]
    close_kinds([alerts.SKU_CHANGED, alerts.SKU_GONE], *subjects)


def _compare(
    shop: Shop,
    mappings: Iterable[SkuMapping],
    seen: Mapping[VariantId, ShopifyVariant],
    *,
    updated_at: datetime | None,
) -> int:
    """Mark the mappings that differ from what a webhook shows, unless a later reading confirmed them.

    A marked mapping that no longer differs is read at Shopify: a webhook may be late, so it does not clear the mark.
    """
    current = [mapping for mapping in mappings if not _older(updated_at, mapping)]
    differing = {m: seen[m.shopify_variant_id] for m in current if differs(m, seen[m.shopify_variant_id])}
    ask(shop, variants=[m.shopify_variant_id for m in current if m.needs_verification and m not in differing])
    return mark_needs_verification(shop, differing) if differing else 0


def _older(updated_at: datetime | None, mapping: SkuMapping) -> bool:
    """Whether the variant was read at Shopify after the webhook's time."""
    return bool(updated_at and mapping.last_verified_at and updated_at < mapping.last_verified_at)


def _active(shop: Shop) -> QuerySet[SkuMapping]:
    return SkuMapping.objects.filter(shop=shop, is_active=True).order_by("pk")


def _dicts(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list in a webhook's body, and nothing if it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _variant_in_product(variant: dict[str, Any]) -> ShopifyVariant | None:
    """Read a variant of a products/update body; None if it has no usable id."""
    number = gids.id_in(variant)
    if number is None:
        return None
    sku = _text(variant["sku"]) if "sku" in variant else None
    item = gids.number_or_none(variant.get("inventory_item_id"))
    return ShopifyVariant(VariantId(number), sku, InventoryItemId(item) if item else None)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _time(body: Mapping[str, Any]) -> datetime | None:
    """Return the body's `updated_at`; None if it is no time with a zone."""
    try:
        updated_at = parse_datetime(str(body.get("updated_at")))
    except ValueError:
        return None
    return updated_at if updated_at and updated_at.tzinfo else None
