"""Mappings in doubt: a SKU changed or vanished at Shopify, or nobody mapped it; and the way out of doubt."""

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
"""Variants that are read at Shopify at once; also what webhooks carry in full."""
WAKE_AT_ONCE = 500
"""Keys woken in one transaction: each takes a lock, and Postgres has room for some thousands."""
AFTER_DELETION = timedelta(minutes=5)
"""Products are deleted in bulk: one verification for all of them."""


@dataclass(frozen=True)
class Seen:
    """A variant as Shopify shows it. None = it did not say."""

    variant: VariantId
    sku: str | None
    inventory_item: int | None


def sku_changed_in_product(shop: Shop, body: Mapping[str, Any]) -> int:
    """Compare the webhook body of products/update with our mappings; returns how many are now in doubt.

    Beyond the first 100 variants the body only names ids and times: those that we map are read, by a job.
    """
    seen = {one.variant: one for one in map(_seen_in_product, _dicts(body.get("variants"))) if one}
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
        return _compare(shop, full, seen, told_at=_time(body))


def sku_changed_in_item(shop: Shop, body: Mapping[str, Any]) -> int:
    """Compare the body of inventory_items/update with our mappings; returns how many are now in doubt."""
    item = _number(body)
    if item is None or "sku" not in body:
        return 0
    with transaction.atomic():
        mappings = list(_active(shop).filter(shopify_inventory_item_id=item))
        sku = _text(body["sku"])
        seen = {
            m.shopify_variant_id: Seen(m.shopify_variant_id, sku, InventoryItemId(item)) for m in mappings
        }
        return _compare(shop, mappings, seen, told_at=_time(body))


def ask(shop: Shop, *, variants: Iterable[VariantId], adopt: bool = False) -> None:
    """Have these variants read at Shopify, by jobs. `adopt`: a person said that what it shows is right."""
    wanted = sorted(set(variants))
    for start in range(0, len(wanted), PAGE):
        page = wanted[start : start + PAGE]
        jobs.verify(shop, page, adopt=adopt)


def report_unmapped(shop: Shop, unmapped: Mapping[VariantId, str], *, by: str = "") -> int:
    """One alert per variant (-> SKU) without a mapping, naming the nearest one; returns how many are new.

    `by`: the subject of the order that needs them; each order is counted once, however often it is looked at.
    """
    nearest = suggest(shop.pk, skus={sku for sku in unmapped.values() if sku})
    with transaction.atomic():
        return sum(
            alerts.unmapped_sku(shop, variant=variant, sku=sku, hint=nearest.get(sku, ""), by=by)
            for variant, sku in sorted(unmapped.items())
        )


def mapping_saved(mappings: Iterable[SkuMapping]) -> None:
    """To be called in the transaction that saved them, last: closes their alerts, and what waited goes on.

    A mapping that was switched off ends no alert; what waited is looked at again all the same, and its stock told anew:
    what is left of the variant's mappings may do, or is something else.
    """
    by_shop = sorted(mappings, key=lambda mapping: mapping.shop_id)
    for _, group in groupby(by_shop, key=lambda mapping: mapping.shop_id):
        saved = list(group)
        active = {mapping.shopify_variant_id for mapping in saved if mapping.is_active}
        switched_off = {mapping.shopify_variant_id for mapping in saved} - active
        if active:
            variants_mapped(saved[0].shop, variants=active)
        if switched_off:
            _go_on(saved[0].shop, sorted(switched_off))


def variants_mapped(shop: Shop, *, variants: Iterable[VariantId]) -> None:
    """The same for many variants of one shop."""
    mapped = sorted(set(variants))
    in_doubt = set(
        _active(shop)
        .filter(shopify_variant_id__in=mapped, needs_verification=True)
        .values_list("shopify_variant_id", flat=True)
    )
    alerts.UNMAPPED_SKU.close(*[variant_subject(shop.domain, variant) for variant in mapped])
    close_doubts(shop, variants=[variant for variant in mapped if variant not in in_doubt])
    _go_on(shop, mapped)


def _go_on(shop: Shop, mapped: list[VariantId]) -> None:
    """Their stock is told anew, and what waited for them goes on."""
    pages = [mapped[start : start + WAKE_AT_ONCE] for start in range(0, len(mapped), WAKE_AT_ONCE)]
    for page in pages:
        jobs.mapped(shop, page)
    if len(pages) <= 1:
        wake(shop.id, variants=mapped)
        return
    for page in pages:
        jobs.wake(shop, page)


def wake(shop_pk: ShopPk, *, variants: Iterable[VariantId]) -> int:
    """Let go on what waits for a mapping of these variants, or of their SKUs; returns how many jobs became due."""
    mapped = list(variants)
    found = SkuMapping.objects.filter(shop_id=shop_pk, shopify_variant_id__in=mapped).exclude(shopify_sku="")
    skus = found.values_list("shopify_sku", flat=True).order_by("shopify_sku").distinct()
    return wake_parked(
        *(variant_key(shop_pk, variant) for variant in mapped), *(sku_key(shop_pk, sku) for sku in skus)
    )


def mark_doubtful(shop: Shop, differing: Mapping[SkuMapping, Seen]) -> int:
    """Mark mappings that say other than Shopify and alert; returns how many are newly marked.

    The mapping keeps the SKU that it was made for: in doubt is what differs from it.
    """
    marked = SkuMapping.objects.filter(pk__in=[m.pk for m in differing], needs_verification=False).update(
        needs_verification=True, updated_at=Now()
    )
    for mapping, seen in {m.shopify_variant_id: (m, seen) for m, seen in differing.items()}.values():
        alerts.sku_changed(shop, mapping, sku=seen.sku or "", inventory_item=seen.inventory_item)
    return marked


def differs(mapping: SkuMapping, seen: Seen) -> bool:
    """Whether Shopify shows another SKU or another inventory item than the mapping was made for."""
    other_sku = seen.sku is not None and seen.sku != mapping.shopify_sku
    return other_sku or seen.inventory_item not in (None, mapping.shopify_inventory_item_id)


def close_doubts(shop: Shop, *, variants: Iterable[VariantId]) -> None:
    """Close the alerts of variants that are as mapped."""
    subjects = [variant_subject(shop.domain, variant) for variant in variants]
    close_kinds([alerts.SKU_CHANGED, alerts.SKU_GONE], *subjects)


def _compare(
    shop: Shop, mappings: Iterable[SkuMapping], seen: Mapping[VariantId, Seen], *, told_at: datetime | None
) -> int:
    """Mark what differs. What is marked and no longer differs is read: a late webhook ends no doubt."""
    current = [mapping for mapping in mappings if not _older(told_at, mapping)]
    differing = {m: seen[m.shopify_variant_id] for m in current if differs(m, seen[m.shopify_variant_id])}
    ask(shop, variants=[m.shopify_variant_id for m in current if m.needs_verification and m not in differing])
    return mark_doubtful(shop, differing) if differing else 0


def _older(told_at: datetime | None, mapping: SkuMapping) -> bool:
    """Whether news of that time was overtaken by a read of the mapping's variant."""
    return bool(told_at and mapping.last_verified_at and told_at < mapping.last_verified_at)


def _active(shop: Shop) -> QuerySet[SkuMapping]:
    return SkuMapping.objects.filter(shop=shop, is_active=True).order_by("pk")


def _dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list in somebody else's body."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(body: Mapping[str, Any]) -> int | None:
    """The id of a REST-shaped body: the gid where there is one (JavaScript rounds large numbers)."""
    return gids.number_or_none(body.get("admin_graphql_api_id")) or gids.number_or_none(body.get("id"))


def _seen_in_product(variant: dict[str, Any]) -> Seen | None:
    number = _number(variant)
    if number is None:
        return None
    sku = _text(variant["sku"]) if "sku" in variant else None
    item = gids.number_or_none(variant.get("inventory_item_id"))
    return Seen(VariantId(number), sku, InventoryItemId(item) if item else None)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _time(body: Mapping[str, Any]) -> datetime | None:
    try:
        told_at = parse_datetime(str(body.get("updated_at")))
    except ValueError:
        return None
    return told_at if told_at and told_at.tzinfo else None
