"""The job kinds of the SKU map, and the event that variants were mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ops.models import Priority
from ops.queue.kinds import AT_ONCE, EventKind, JobKind
from ops.queue.queues import Queue
from ops.refs import INTERNAL
from shops.ids import ShopPk, VariantId
from shops.jobs import SCOPES, webhook
from shops.models import Shop
from shops.refs import shop_subject
from skumap.refs import stock_subject

PRODUCT_UPDATED = JobKind.of(
    webhook("products/update"),
    queue=Queue.MAINTENANCE,
    work="compare a product that was changed in Shopify with its mappings",
    if_dead="A changed SKU may be unknown here.",
)
PRODUCT_DELETED = JobKind.of(
    webhook("products/delete"),
    queue=Queue.MAINTENANCE,
    work="look for mappings of a product that was deleted in Shopify",
    if_dead="Mappings of variants that are gone may count as good.",
)
INVENTORY_ITEM_UPDATED = JobKind.of(
    webhook("inventory_items/update"),
    queue=Queue.MAINTENANCE,
    work="compare an inventory item that was changed in Shopify with its mappings",
    if_dead="A changed SKU may be unknown here.",
)


@dataclass(frozen=True)
class VerifyPayload:
    """The variants that are compared: those named, or a page of all, which begins behind `after`.

    `adopt`: a person said that what Shopify shows is right.
    """

    shop: ShopPk
    variants: tuple[VariantId, ...] | None = None
    adopt: bool | None = None
    after: int | None = None


VERIFY = JobKind(
    "skumap.verify",
    VerifyPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.LOW,
    work="compare mappings with Shopify",
    if_dead="A changed SKU may be unknown here.",
    remedy=SCOPES,
)


def verify(shop: Shop, variants: Sequence[VariantId]) -> None:
    """Have these variants read at Shopify, all with one request, and compared with their mappings."""
    VERIFY.new(
        VerifyPayload(shop.id, variants=tuple(variants), adopt=False),
        key=f"{VERIFY.name}:{shop.pk}:look:{_digest(variants)}",
        lane=shop.lane,
        subject=shop_subject(shop.domain),
    ).enqueue()


def adopt(shop: Shop, variants: Sequence[VariantId]) -> None:
    """Have these variants read at Shopify, all with one request, and what it shows written to their mappings."""
    VERIFY.new(
        VerifyPayload(shop.id, variants=tuple(variants), adopt=True),
        key=f"{VERIFY.name}:{shop.pk}:adopt:{_digest(variants)}",
        lane=shop.lane,
        subject=shop_subject(shop.domain),
    ).enqueue()


def verify_all(shop: Shop, *, after: int = 0, delay: timedelta = AT_ONCE) -> None:
    """Have all mapped variants of a shop read, a page per job, beginning behind `after`."""
    VERIFY.new(
        VerifyPayload(shop.id, after=after),
        key=f"{VERIFY.name}:{shop.pk}:all:{after}",
        lane=shop.lane,
        subject=shop_subject(shop.domain),
        delay=delay,
    ).enqueue()


@dataclass(frozen=True)
class VariantsPayload:
    """Variants of a shop, by Shopify's ids."""

    shop: ShopPk
    variants: tuple[VariantId, ...]


WAKE = JobKind(
    "skumap.wake",
    VariantsPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.HIGH,
    work="wake the orders that waited for imported mappings",
    if_dead="They go on within a quarter of an hour.",
)


def wake(shop: Shop, variants: Sequence[VariantId]) -> None:
    """Let what waits for mappings of these variants go on, in a transaction of its own."""
    WAKE.new(
        VariantsPayload(shop.id, tuple(variants)),
        key=f"{WAKE.name}:{shop.pk}:{_digest(variants)}",
        lane=INTERNAL,
    ).enqueue()


MAPPED = EventKind("skumap.mapped", VariantsPayload, priority=Priority.HIGH)
"""Variants were mapped, or mapped otherwise."""


def mapped(shop: Shop, variants: Sequence[VariantId]) -> None:
    """Say that these variants were mapped. The job runs once the mappings are there to be read."""
    MAPPED.new(
        VariantsPayload(shop.id, tuple(variants)),
        key=f"{MAPPED.name}:{shop.pk}:{_digest(variants)}",
        lane=INTERNAL,
        subject=stock_subject(shop.id),
    ).enqueue()


def _digest(numbers: Sequence[int]) -> str:
    return hashlib.sha256(repr(list(numbers)).encode()).hexdigest()[:32]
