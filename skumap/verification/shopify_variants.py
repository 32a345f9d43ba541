"""Reads mapped variants from Shopify, and updates their mappings by what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from ops.models import Priority
from shops.api import gids
from shops.api.client import execute
from shops.api.shapes import InventoryItemGid, Shape, Text, VariantGid, parse
from shops.ids import VariantId
from shops.models import Shop
from skumap import alerts
from skumap.models import SkuMapping
from skumap.verification import review
from skumap.verification.review import PAGE, ShopifyVariant

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Change:
    """A mapped variant that differs at Shopify from its mapping, or is gone there."""

    variant: int
    mapped_sku: str
    mapped_item: int
    sku: str | None = None
    item: int | None = None


@dataclass(frozen=True)
class _Compared:
    """Mappings beside what Shopify shows of their variants."""

    same: list[SkuMapping] = field(default_factory=list)
    differing: dict[SkuMapping, ShopifyVariant] = field(default_factory=dict)
    gone: list[SkuMapping] = field(default_factory=list)


@dataclass(frozen=True)
class Findings:
    """The result of verifying one page of variants."""

    checked: int
    gone: tuple[Change, ...]
    changed: tuple[Change, ...]


def page(shop: Shop, *, after: int) -> list[VariantId]:
    """The next mapped variants of the shop by id, at most PAGE."""
    return list(
        SkuMapping.objects.filter(shop=shop, is_active=True, shopify_variant_id__gt=after)
        .order_by("shopify_variant_id")
        .values_list("shopify_variant_id", flat=True)
        .distinct()[:PAGE]
    )


def verify(shop: Shop, *, variants: Sequence[VariantId]) -> Findings:
    """Read up to PAGE variants and record what was found. Raises the errors of `shops.api.client.execute`."""
    asked_at = timezone.now()
    return record(shop, variants=variants, seen=fetch(shop, variants), asked_at=asked_at)


def adopt(shop: Shop, *, variants: Sequence[VariantId]) -> Findings:
    """Read up to PAGE variants and write what Shopify shows to their mappings: a person said that it is right.

    Raises the errors of `shops.api.client.execute`.
    """
    asked_at = timezone.now()
    seen = fetch(shop, variants)
    with transaction.atomic():
        compared = _compare(shop, variants=variants, seen=seen, asked_at=asked_at)
        _mark_gone(shop, compared.gone)
        _take_over(compared.differing)
        _confirm(shop, [*compared.same, *compared.differing])
    return _findings(shop, compared, variants=variants)


def fetch(shop: Shop, variants: Sequence[VariantId]) -> dict[VariantId, ShopifyVariant]:
    """The variants that there are (Admin API 2026-10 `nodes(ids:)`: null for one that is gone)."""
    ids = [gids.gid("ProductVariant", variant) for variant in variants]
    data = execute(shop, "variants_by_id", {"ids": ids}, priority=Priority.LOW).data
    found = (_seen(node) for node in parse(_Variants, data).nodes if node)
    return {one.variant: one for one in found}


def record(
    shop: Shop, *, variants: Sequence[VariantId], seen: Mapping[VariantId, ShopifyVariant], asked_at: datetime
) -> Findings:
    """Mark and alert mappings whose variant differs or is gone, and confirm the others.

    Mappings that changed since `asked_at` are left alone.
    """
    with transaction.atomic():
        compared = _compare(shop, variants=variants, seen=seen, asked_at=asked_at)
        _mark_gone(shop, compared.gone)
        review.mark_needs_verification(shop, compared.differing)
        _confirm(shop, compared.same)
    return _findings(shop, compared, variants=variants)


def _compare(
    shop: Shop, *, variants: Sequence[VariantId], seen: Mapping[VariantId, ShopifyVariant], asked_at: datetime
) -> _Compared:
    """Compare what Shopify shows with the mappings that did not change since `asked_at`."""
    mappings = SkuMapping.objects.filter(
        shop=shop, shopify_variant_id__in=variants, is_active=True, updated_at__lte=asked_at
    ).order_by("pk")
    compared = _Compared()
    for mapping in mappings:
        shown = seen.get(mapping.shopify_variant_id)
        if shown is None:
            compared.gone.append(mapping)
        elif review.differs(mapping, shown):
            compared.differing[mapping] = shown
        else:
            compared.same.append(mapping)
    return compared


def _findings(shop: Shop, compared: _Compared, *, variants: Sequence[VariantId]) -> Findings:
    """Sum up what was found, and log it."""
    findings = Findings(
        len(set(variants)), _changes(dict.fromkeys(compared.gone)), _changes({**compared.differing})
    )
    logger.info(
        "skus_verified",
        shop=shop.domain,
        checked=findings.checked,
        gone=len(findings.gone),
        changed=len(compared.differing),
    )
    return findings


def _mark_gone(shop: Shop, mappings: list[SkuMapping]) -> None:
    SkuMapping.objects.filter(pk__in=[m.pk for m in mappings]).update(
        needs_verification=True, updated_at=Now()
    )
    for variant, sku in {m.shopify_variant_id: m.shopify_sku for m in mappings}.items():
        alerts.sku_gone(shop, variant=variant, sku=sku)


def _take_over(differing: Mapping[SkuMapping, ShopifyVariant]) -> None:
    """Write the SKU and the inventory item that Shopify shows to the mappings."""
    for mapping, seen in differing.items():
        SkuMapping.objects.filter(pk=mapping.pk).update(
            shopify_sku=seen.sku or "",
            shopify_inventory_item_id=seen.inventory_item or mapping.shopify_inventory_item_id,
            updated_at=Now(),
        )


def _confirm(shop: Shop, mappings: list[SkuMapping]) -> None:
    """Note that Shopify confirmed the mappings, clear their marks and close their alerts."""
    confirmed = SkuMapping.objects.filter(pk__in=[m.pk for m in mappings])
    confirmed.update(last_verified_at=Now(), needs_verification=False)
    review.close_verification_alerts(shop, variants=sorted({m.shopify_variant_id for m in mappings}))


def _changes(found: Mapping[SkuMapping, ShopifyVariant | None]) -> tuple[Change, ...]:
    """One per variant, though it may be mapped at several warehouses."""
    each = {mapping.shopify_variant_id: (mapping, shown) for mapping, shown in found.items()}
    return tuple(_change(mapping, shown) for mapping, shown in each.values())


def _change(mapping: SkuMapping, shown: ShopifyVariant | None) -> Change:
    mapped = Change(mapping.shopify_variant_id, mapping.shopify_sku, mapping.shopify_inventory_item_id)
    return mapped if shown is None else replace(mapped, sku=shown.sku, item=shown.inventory_item)


class _InventoryItem(Shape):
    id: InventoryItemGid


class _Variant(Shape):
    id: VariantGid
    sku: Text
    inventory_item: _InventoryItem


class _Variants(Shape):
    nodes: tuple[_Variant | None, ...]


def _seen(node: _Variant) -> ShopifyVariant:
    return ShopifyVariant(variant=node.id, sku=node.sku.strip(), inventory_item=node.inventory_item.id)
