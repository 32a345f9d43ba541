"""References to variants of a shop and to their mappings."""

from __future__ import annotations

from typing import NamedTuple

from ops import refs
from ops.refs import ParkKey, Subject
from shops.ids import ShopPk, VariantId


class VariantRef(NamedTuple):
    """A variant of a shop."""

    domain: str
    variant: VariantId


def variant_key(shop_pk: ShopPk, variant: VariantId) -> ParkKey:
    """Return the park key of work that waits for a mapping of a variant."""
    return ParkKey(f"sku:{shop_pk}:{variant}")


def sku_key(shop_pk: ShopPk, sku: str) -> ParkKey:
    """The same for what has no variant to be found by any more, only its SKU."""
    return ParkKey(f"sku:{shop_pk}:={sku}"[: refs.MOST])


def variant_subject(domain: str, variant: VariantId) -> Subject:
    """Return the subject of a variant and its mappings."""
    return Subject(f"sku:{domain}:{variant}")


def parse_variant(subject: str) -> VariantRef | None:
    """Return the variant that a subject names; None if it names something else."""
    parts = refs.parts_of(subject, "sku", 2)
    number = refs.number_in(parts[1]) if parts else None
    return VariantRef(parts[0], VariantId(number)) if parts and number is not None else None


def mapping_subject(mapping_pk: int) -> Subject:
    """Return the subject of one mapping."""
    return Subject(f"mapping:{mapping_pk}")


def stock_subject(shop_pk: ShopPk) -> Subject:
    """What is about telling a shop its stock."""
    return Subject(f"stock:{shop_pk}")
