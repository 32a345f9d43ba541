"""Job kinds of the SKU map."""

from __future__ import annotations

from django.db import transaction

from ops.models import Job
from ops.workers.runner import Queue, job
from shops.models import Shop
from skumap.verification import review, shopify_variants


@job("shopify.products/update", queue=Queue.MAINTENANCE)
def product_updated(job: Job) -> None:
    """Shopify sends this for orders of the product too: mostly nothing differs."""
    review.sku_changed_in_product(_shop(job), job.payload["body"])


@job("shopify.products/delete", queue=Queue.MAINTENANCE)
def product_deleted(job: Job) -> None:
    """The body names only the product, which no mapping knows: the shop's variants are looked through."""
    review.ask_all(_shop(job), delay=review.AFTER_DELETION)


@job("shopify.inventory_items/update", queue=Queue.MAINTENANCE)
def inventory_item_updated(job: Job) -> None:
    """There is no variants/update topic; a changed SKU comes here and in products/update."""
    review.sku_changed_in_item(_shop(job), job.payload["body"])


@job("skumap.verify", queue=Queue.MAINTENANCE)
def verify(job: Job) -> None:
    """One page of variants: those named, or the next ones of the shop."""
    shop = _shop(job)
    named = job.payload.get("variants")
    variants = named or shopify_variants.page(shop, after=job.payload["after"])
    if not variants:
        return
    shopify_variants.verify(shop, variants=variants, adopt=job.payload.get("adopt", False))
    if not named and len(variants) == review.PAGE:
        review.ask_all(shop, after=variants[-1])


@job("skumap.wake", queue=Queue.MAINTENANCE)
def wake(job: Job) -> None:
    """One page of variants that an import mapped."""
    with transaction.atomic():
        review.wake(job.payload["shop"], variants=job.payload["variants"])


def _shop(job: Job) -> Shop:
    return Shop.objects.get(pk=job.payload["shop"])
