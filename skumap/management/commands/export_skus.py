"""`export_skus [--shop D] [--warehouse C] [--output FILE]`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet

from shops.models import Shop
from skumap.models import SkuMapping
from skumap.transfer.exporting import export_csv
from wms.models import Warehouse


class Command(BaseCommand):
    """Exports mappings; with shop and warehouse the file is one that `import_skus` accepts."""

    help = "Write the active SKU mappings, all or of one shop or warehouse, as CSV."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command line."""
        parser.add_argument("--shop", help="domain, e.g. berlin.myshopify.com")
        parser.add_argument("--warehouse", help="code of the WMS")
        parser.add_argument("--output", type=Path, help="file to write; default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, and print the number of mappings to standard error. Raises CommandError."""
        shop, code = options["shop"], options["warehouse"]
        mappings = _chosen(shop=shop, code=code)
        with_warehouse = not (shop and code)
        if options["output"] is None:
            count = export_csv(self.stdout, mappings=mappings, with_warehouse=with_warehouse)
        else:
            try:
                with options["output"].open("w", encoding="utf-8", newline="") as file:
                    count = export_csv(file, mappings=mappings, with_warehouse=with_warehouse)
            except OSError as error:
                raise CommandError(f"{options['output']}: {error.strerror}") from error
        self.stderr.write(f"{count} mappings exported.")


def _chosen(*, shop: str | None, code: str | None) -> QuerySet[SkuMapping]:
    """Select the active mappings of the shop and warehouse. Raises CommandError if one of them does not exist."""
    chosen = Warehouse.objects.all()
    if shop:
        domain = shop.strip().lower()
        if not Shop.objects.filter(domain=domain).exists():
            raise CommandError(f"there is no shop {shop}")
        chosen = chosen.filter(shop__domain=domain)
    if code:
        slug, _, bare = code.rpartition("/")
        named = Q(wms_warehouse_code=bare, connection__slug=slug) if slug else Q(pk__in=[])
        chosen = chosen.filter(named | Q(wms_warehouse_code=code))
        if not chosen.exists():
            raise CommandError(f"there is no warehouse {code}" + (f" of {shop}" if shop else ""))
    return SkuMapping.objects.filter(is_active=True, warehouse__in=chosen)
