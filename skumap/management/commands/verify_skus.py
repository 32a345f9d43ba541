"""`verify_skus [--shop D]`."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.errors import JobError, Throttled
from shops.ids import VariantId
from shops.models import Shop
from skumap.verification import shopify_variants
from skumap.verification.shopify_variants import Findings

LONGEST_WAIT = 60.0
TRIES = 20
"""How often in a row the command waits for the shop's budget before it gives up."""


class Command(BaseCommand):
    """Reads every mapped variant at Shopify; exits with 1 if one is gone or changed, or a shop could not be read."""

    help = (
        "Compare all SKU mappings with Shopify: variants that are gone or have another SKU or inventory item "
        "are listed, marked as to be verified and alerted; those that are as mapped lose the mark."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command line."""
        parser.add_argument("--shop", help="domain; default: every active shop")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify shop by shop; an error of one shop does not stop the others. Raises CommandError."""
        shops = Shop.objects.filter(is_active=True).order_by("domain")
        if options["shop"]:
            shops = shops.filter(domain=options["shop"].strip().lower())
        if not shops:
            raise CommandError(f"there is no active shop {options['shop'] or ''}".rstrip())
        wrong = [shop.domain for shop in shops if not self._is_in_order(shop)]
        if wrong:
            raise CommandError(f"not in order: {', '.join(wrong)}")

    def _is_in_order(self, shop: Shop) -> bool:
        """Whether every mapped variant could be read and agrees with its mappings."""
        try:
            return self._verify(shop)
        except JobError as error:
            self.stderr.write(f"{shop.domain}: not read to the end: {error}")
            return False

    def _verify(self, shop: Shop) -> bool:
        """Verify the shop page by page and print the result; return whether nothing is gone or changed."""
        checked = gone = changed = after = 0
        while variants := shopify_variants.page(shop, after=after):
            findings = _patiently(shop, variants)
            self._list(shop, findings)
            checked += findings.checked
            gone += len(findings.gone)
            changed += len(findings.changed)
            after = variants[-1]
        self.stdout.write(f"{shop.domain}: {checked} variants checked, {gone} gone, {changed} changed.")
        return not (gone or changed)

    def _list(self, shop: Shop, findings: Findings) -> None:
        for change in findings.gone:
            self.stdout.write(f"{shop.domain}: variant {change.variant} (SKU {change.mapped_sku}) is gone")
        for change in findings.changed:
            self.stdout.write(
                f"{shop.domain}: variant {change.variant} was mapped as SKU {change.mapped_sku}, inventory item "
                f"{change.mapped_item}; Shopify shows SKU {change.sku}, inventory item {change.item}"
            )


def _patiently(shop: Shop, variants: list[VariantId]) -> Findings:
    """A command has nothing better to do than to wait for the shop's budget; a worker would park."""
    for _ in range(TRIES):
        try:
            return shopify_variants.verify(shop, variants=variants)
        except Throttled as error:
            time.sleep(min(error.wait.total_seconds(), LONGEST_WAIT))
    return shopify_variants.verify(shop, variants=variants)
