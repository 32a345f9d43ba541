"""Imports a CSV file as the mappings of one warehouse: all of it or, on any error, nothing. It needs little memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import structlog
from django.db import connection, transaction

from shops.ids import VariantId
from shops.models import Shop
from skumap import jobs
from skumap.mappings import identities
from skumap.transfer import staging
from skumap.transfer.csv_rows import Reader, RowError
from skumap.verification import review
from wms.models import Warehouse

logger = structlog.get_logger(__name__)

CHECKED_BY_NAME = 2_000
"""Up to this many changed variants are checked at Shopify one by one; with more, the whole shop is checked."""

STATEMENT_LIMIT = "15min"
"""The statement time-out of an import: comparing a million rows takes longer than the usual limit."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did or, in a dry run, would do. If there are errors, nothing was written."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0  # mappings of the file's variants to items that the file does not name
    corrected: int = 0  # mappings of the file's variants at other warehouses that had another inventory item
    errors: tuple[RowError, ...] = ()

    def in_words(self) -> str:
        """Return the counts as the end of a sentence."""
        words = (
            f"{self.created} created, {self.updated} updated, {self.unchanged} unchanged, "
            f"{self.deactivated} deactivated"
        )
        elsewhere = f", inventory item corrected in {self.corrected} mappings at other warehouses"
        return f"{words}{elsewhere if self.corrected else ''}."


def _ignore(_: str) -> None:
    """Show no progress."""


def import_csv(
    file: IO[bytes],
    *,
    shop: Shop,
    warehouse: Warehouse,
    dry_run: bool,
    progress: Callable[[str], None] = _ignore,
) -> ImportReport:
    """Bring the mappings of one warehouse in line with a CSV file (columns: `skumap.transfer.csv_rows.COLUMNS`).

    The file lists all items of its variants at this warehouse. A variant's mapping to an item that the file does not
    name is deactivated; otherwise a corrected item code would make a kit. Variants that the file does not name stay as
    they are. A variant has one inventory item, so a new one is also written at its other warehouses. Afterwards jobs
    check the changed ids at Shopify. `progress` is called with a text about the progress. Raises ValueError if the
    warehouse belongs to another shop.
    """
    if warehouse.shop_id != shop.pk:
        raise ValueError(
            f"warehouse {warehouse.wms_warehouse_code} belongs to another shop than {shop.domain}"
        )
    with transaction.atomic():
        report = _import(Reader(file), shop, warehouse, dry_run=dry_run, progress=progress)
        if dry_run or report.errors:
            transaction.set_rollback(True)
    if not (dry_run or report.errors):
        logger.info(
            "skus_imported",
            shop=shop.domain,
            warehouse=warehouse.wms_warehouse_code,
            created=report.created,
            updated=report.updated,
            deactivated=report.deactivated,
            corrected=report.corrected,
        )
    return report


def _import(
    reader: Reader, shop: Shop, warehouse: Warehouse, *, dry_run: bool, progress: Callable[[str], None]
) -> ImportReport:
    """Stage, compare and write the rows; report errors, if any, instead of writing."""
    if not identities.lock(shop.pk):
        words = f"somebody else is importing or saving mappings of {shop.domain}: try again when that is done"
        return ImportReport(errors=(RowError(0, "", words),))
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT}'")
    staging.fill(reader.rows(), progress=progress)
    progress("comparing")
    conflicts = staging.contradictions(shop.pk) if reader.complete else []
    if reader.errors or conflicts:
        return ImportReport(errors=tuple(sorted([*reader.errors, *conflicts], key=lambda error: error.row)))
    counts = staging.count(shop_id=shop.pk, warehouse_id=warehouse.pk)
    if not dry_run:
        staging.apply(shop_id=shop.pk, warehouse_id=warehouse.pk, progress=progress)
        _follow_up(shop)
    return ImportReport(
        created=counts.created,
        updated=counts.updated,
        unchanged=counts.rows - counts.created - counts.updated,
        deactivated=counts.deactivated,
        corrected=counts.corrected,
    )


def _follow_up(shop: Shop) -> None:
    """What waited goes on, and the changed ids are checked at Shopify. Last, since it locks what others use."""
    checked: list[VariantId] = []
    count = 0
    for variants in staging.changed_variants():
        review.variants_mapped(shop, variants=variants)
        count += len(variants)
        checked = variants if count <= CHECKED_BY_NAME else []
    if checked:
        review.ask(shop, variants=checked)
    elif count:
        jobs.verify_all(shop)
