"""What the jobs of the SKU map do."""

from __future__ import annotations

from django.db import transaction

from ops.workers.handlers import handles
from shops.jobs import WebhookPayload
from shops.models import Shop
from skumap import jobs
from skumap.jobs import (
    INVENTORY_ITEM_UPDATED,
    PRODUCT_DELETED,
    PRODUCT_UPDATED,
    VERIFY,
    WAKE,
    VariantsPayload,
    VerifyPayload,
)
from skumap.verification import review, shopify_variants


@handles(PRODUCT_UPDATED)
def product_updated(webhook: WebhookPayload) -> None:
    """Shopify sends this for orders of the product too: mostly nothing differs."""
    review.sku_changed_in_product(_shop(webhook), webhook.body)


@handles(PRODUCT_DELETED)
def product_deleted(webhook: WebhookPayload) -> None:
    """The body names only the product, which no mapping knows: the shop's variants are looked through."""
    jobs.verify_all(_shop(webhook), delay=review.AFTER_DELETION)


@handles(INVENTORY_ITEM_UPDATED)
def inventory_item_updated(webhook: WebhookPayload) -> None:
    """There is no variants/update topic; a changed SKU comes here and in products/update."""
    review.sku_changed_in_item(_shop(webhook), webhook.body)


@handles(VERIFY)
def verify(page: VerifyPayload) -> None:
    """One page of variants: those named, or the next ones of the shop."""
    shop = _shop(page)
    variants = page.variants or shopify_variants.page(shop, after=page.after or 0)
    if not variants:
        return
    if page.adopt:
        shopify_variants.adopt(shop, variants=variants)
    else:
        shopify_variants.verify(shop, variants=variants)
    if not page.variants and len(variants) == review.PAGE:
        jobs.verify_all(shop, after=variants[-1])


@handles(WAKE)
def wake(page: VariantsPayload) -> None:
    """One page of variants that an import mapped."""
    with transaction.atomic():
        review.wake(page.shop, variants=page.variants)


def _shop(payload: WebhookPayload | VerifyPayload) -> Shop:
    return Shop.objects.get(pk=payload.shop)
