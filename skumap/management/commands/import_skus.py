"""`import_skus FILE --shop D --warehouse C [--dry-run]`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from shops.models import Shop
from skumap.transfer.csv_rows import COLUMNS
from skumap.transfer.importing import ImportReport, import_csv
from wms.availability import warehouses
from wms.models import Warehouse

SHOWN = 50


class Command(BaseCommand):
    """Imports mappings; on any error nothing is written, and the exit code is 1."""

    help = (
        "Import SKU mappings of one warehouse from a CSV file (UTF-8) with the columns "
        f"{', '.join(COLUMNS)}; the last is optional. A kit is several rows of one variant, a pack "
        "a quantity above 1. The file says all that its variants are at this warehouse; variants that it "
        "does not name stay as they are. All of it is written, or with any error nothing. Afterwards workers ask "
        "Shopify whether it knows the ids: what differs becomes an alert."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command line."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--shop", required=True, help="domain, e.g. berlin.myshopify.com")
        parser.add_argument("--warehouse", required=True, help="code of the WMS, or connection/code")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and report. Raises CommandError."""
        warehouse = find_warehouse(domain=options["shop"], code=options["warehouse"])
        try:
            with options["file"].open("rb") as file:
                report = import_csv(
                    file,
                    shop=warehouse.shop,
                    warehouse=warehouse,
                    dry_run=options["dry_run"],
                    progress=self._show_progress,
                )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        except OperationalError as error:
            message = " ".join(str(error).split())
            raise CommandError(f"the database gave up, and nothing was imported: {message}") from error
        self._report(report, dry_run=options["dry_run"])

    def _show_progress(self, words: str) -> None:
        """Print the progress for a person who waits, but not into a log file."""
        if self.stderr.isatty():
            self.stderr.write(words)

    def _report(self, report: ImportReport, *, dry_run: bool) -> None:
        for error in report.errors[:SHOWN]:
            place = f"row {error.row}, {error.column}: " if error.column else f"row {error.row}: "
            self.stderr.write(f"{place if error.row else ''}{error.message}")
        if report.errors:
            shown = f", the first {SHOWN} shown" if len(report.errors) > SHOWN else ""
            errors = "1 error" if len(report.errors) == 1 else f"{len(report.errors)} errors"
            raise CommandError(f"{errors}{shown}; nothing was imported.")
        self.stdout.write(f"{'Would be' if dry_run else 'Done'}: {report.in_words()}")
        if not dry_run and report.created + report.updated + report.corrected:
            self.stdout.write(
                "Shopify is asked now whether it knows these ids; what differs becomes an alert."
            )


def find_warehouse(*, domain: str, code: str) -> Warehouse:
    """Return the warehouse with this code. Raises CommandError with the choices if there is none, or more than one."""
    shop = Shop.objects.filter(domain=domain.strip().lower()).first()
    if shop is None:
        raise CommandError(f"there is no shop {domain}")
    found = warehouses.find(shop_id=shop.pk, code=code)
    if len(found) == 1:
        return found[0]
    known = found or Warehouse.objects.filter(shop=shop).select_related("connection")
    names = ", ".join(f"{w.connection.slug}/{w.wms_warehouse_code}" for w in known) or "none"
    reason = f"{code} is used twice, name one of" if found else f"{domain} has no warehouse {code}; it has"
    raise CommandError(f"{reason}: {names}")
