"""CSV -> COPY -> one upsert -> report: all of it or, on any error, nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

import structlog
from django.db import connection, transaction

from shops.models import Shop
from skumap import verification
from skumap.csvrows import Reader, Row, RowError
from wms.models import Warehouse

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or (dry run) would do. With errors nothing was written."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0  # older mappings of variants in the file, to items that the file does not name
    errors: tuple[RowError, ...] = ()


_STAGE = """
DROP TABLE IF EXISTS pg_temp.sku_import;
CREATE TEMPORARY TABLE sku_import (
    variant bigint, sku text, inventory_item bigint, item_code text, quantity integer
) ON COMMIT DROP
"""
_COPY = "COPY sku_import (variant, sku, inventory_item, item_code, quantity) FROM STDIN"

# An import is a person's word: it activates. It ends a doubt only where it names another SKU than before.
_UPSERT = """
INSERT INTO wms_sku_map AS m (shop_id, warehouse_id, shopify_variant_id, shopify_sku,
                              shopify_inventory_item_id, wms_item_code, quantity, is_active,
                              needs_verification, created_at, updated_at)
SELECT %(shop)s, %(warehouse)s, variant, sku, inventory_item, item_code, quantity, true, false, now(), now()
FROM sku_import ORDER BY variant, item_code
ON CONFLICT (shop_id, shopify_variant_id, warehouse_id, wms_item_code) DO UPDATE SET
    shopify_sku = EXCLUDED.shopify_sku,
    shopify_inventory_item_id = EXCLUDED.shopify_inventory_item_id,
    quantity = EXCLUDED.quantity,
    is_active = true,
    needs_verification = m.needs_verification AND (m.shopify_sku, m.shopify_inventory_item_id)
                                                = (EXCLUDED.shopify_sku, EXCLUDED.shopify_inventory_item_id),
    updated_at = now()
WHERE (m.shopify_sku, m.shopify_inventory_item_id, m.quantity, m.is_active)
   IS DISTINCT FROM (EXCLUDED.shopify_sku, EXCLUDED.shopify_inventory_item_id, EXCLUDED.quantity, true)
RETURNING shopify_variant_id, xmax = 0
"""

_DEACTIVATE = """
UPDATE wms_sku_map AS m SET is_active = false, updated_at = now()
WHERE shop_id = %(shop)s AND warehouse_id = %(warehouse)s AND is_active
  AND EXISTS (SELECT FROM sku_import AS i WHERE i.variant = m.shopify_variant_id)
  AND NOT EXISTS (SELECT FROM sku_import AS i WHERE i.variant = m.shopify_variant_id
                                              AND i.item_code = m.wms_item_code)
"""


def import_csv(file: IO[bytes], *, shop: Shop, warehouse: Warehouse, dry_run: bool) -> ImportReport:
    """Bring the mappings of one warehouse in line with a CSV file (columns: `skumap.csvrows.COLUMNS`).

    The file says all that its variants are at this warehouse: a variant's mapping to an item that the file
    does not name is deactivated, else a corrected item code would make a kit. Variants that it does not name
    stay as they are.
    Raises ValueError when the warehouse is not the shop's.
    """
    if warehouse.shop_id != shop.pk:
        raise ValueError(
            f"warehouse {warehouse.wms_warehouse_code} belongs to another shop than {shop.domain}"
        )
    reader = Reader(file)
    with transaction.atomic():
        _stage(reader.rows())
        if reader.errors:
            transaction.set_rollback(True)
            return ImportReport(errors=tuple(reader.errors))
        report = _apply(shop, warehouse, rows=reader.count, dry_run=dry_run)
    if not dry_run:
        logger.info(
            "skus_imported",
            shop=shop.domain,
            warehouse=warehouse.wms_warehouse_code,
            created=report.created,
            updated=report.updated,
            deactivated=report.deactivated,
        )
    return report


def _stage(rows: Iterable[Row]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute("ANALYZE sku_import")  # else it is planned as empty, and joined row by row


def _apply(shop: Shop, warehouse: Warehouse, *, rows: int, dry_run: bool) -> ImportReport:
    """In the caller's transaction, which a dry run rolls back."""
    place = {"shop": shop.pk, "warehouse": warehouse.pk}
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, place)
        changed: list[tuple[int, bool]] = cursor.fetchall()
        cursor.execute(_DEACTIVATE, place)
        deactivated = cursor.rowcount
    created = sum(is_new for _, is_new in changed)
    if dry_run:
        transaction.set_rollback(True)
    else:
        verification.variants_mapped(shop, variants={variant for variant, _ in changed})
    return ImportReport(
        created=created,
        updated=len(changed) - created,
        unchanged=rows - len(changed),
        deactivated=deactivated,
    )
