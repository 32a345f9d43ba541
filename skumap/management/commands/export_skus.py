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
    """With shop and warehouse the file is one that `import_skus` takes."""

    help = "Write the active SKU mappings, all or of one shop or warehouse, as CSV."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command line."""
        parser.add_argument("--shop", help="domain, e.g. berlin.myshopify.com")
        parser.add_argument("--warehouse", help="code of the WMS")
        parser.add_argument("--output", type=Path, help="file to write; default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, and say how many on standard error. Raises CommandError."""
        shop, code = options["shop"], options["warehouse"]
        mappings = _chosen(shop=shop, code=code)
        places = not (shop and code)
        if options["output"] is None:
            count = export_csv(self.stdout, mappings=mappings, places=places)
        else:
            try:
                with options["output"].open("w", encoding="utf-8", newline="") as file:
                    count = export_csv(file, mappings=mappings, places=places)
            except OSError as error:
                raise CommandError(f"{options['output']}: {error.strerror}") from error
        self.stderr.write(f"{count} mappings exported.")


def _chosen(*, shop: str | None, code: str | None) -> QuerySet[SkuMapping]:
    """The active mappings of what is named. Raises CommandError for a shop or warehouse that there is not."""
    places = Warehouse.objects.all()
    if shop:
        domain = shop.strip().lower()
        if not Shop.objects.filter(domain=domain).exists():
            raise CommandError(f"there is no shop {shop}")
        places = places.filter(shop__domain=domain)
    if code:
        slug, _, bare = code.rpartition("/")
        named = Q(wms_warehouse_code=bare, connection__slug=slug) if slug else Q(pk__in=[])
        places = places.filter(named | Q(wms_warehouse_code=code))
        if not places.exists():
            raise CommandError(f"there is no warehouse {code}" + (f" of {shop}" if shop else ""))
    return SkuMapping.objects.filter(is_active=True, warehouse__in=places)
