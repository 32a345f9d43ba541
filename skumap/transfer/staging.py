"""Keeps the rows of an import in temporary tables, and compares them with each other and with the mappings.

Memory stays constant, whatever the file's size, because rows are inserted in portions and Postgres compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection

from shops.ids import VariantId
from skumap.mappings import identities
from skumap.models import SkuMapping
from skumap.transfer.csv_rows import MAX_ERRORS, Row, RowError

PORTION = 20_000
"""Rows of one statement: so each stays far below the statement time-out, and needs little memory."""

_CREATE = """
DROP TABLE IF EXISTS pg_temp.sku_import;
DROP TABLE IF EXISTS pg_temp.sku_import_changed;
CREATE TEMPORARY TABLE sku_import (
    number bigint, variant bigint, sku text, inventory_item bigint, item_code text, quantity integer
) ON COMMIT DROP;
CREATE TEMPORARY TABLE sku_import_changed (variant bigint) ON COMMIT DROP
"""
_COPY = "COPY sku_import (number, variant, sku, inventory_item, item_code, quantity) FROM STDIN"
# Without statistics the planner takes the table for empty, and joins it row by row.
_INDEX = """
CREATE UNIQUE INDEX ON sku_import (number);
CREATE INDEX ON sku_import (variant, item_code);
ANALYZE sku_import
"""

_AGAINST_EACH_OTHER = """
SELECT number, variant, item_code, inventory_item, twin, first_row, first_item, first_sku, owner, owner_row, sku
FROM (
    SELECT *, min(number) OVER (PARTITION BY variant, item_code) AS twin,
           first_value(number) OVER by_variant AS first_row,
           first_value(inventory_item) OVER by_variant AS first_item,
           first_value(sku) OVER by_variant AS first_sku,
           first_value(variant) OVER by_item AS owner,
           first_value(number) OVER by_item AS owner_row
    FROM sku_import
    WINDOW by_variant AS (PARTITION BY variant ORDER BY number),
           by_item AS (PARTITION BY inventory_item ORDER BY number)
) AS compared
WHERE twin <> number OR first_item <> inventory_item OR first_sku <> sku OR owner <> variant
ORDER BY number LIMIT %(most)s
"""

# Rows of the file about the other variant are compared above.
_AGAINST_MAPPINGS = """
SELECT DISTINCT ON (i.number) i.number, m.id
FROM sku_import AS i
JOIN wms_sku_map AS m ON m.shop_id = %(shop)s AND m.shopify_inventory_item_id = i.inventory_item
                     AND m.is_active AND m.shopify_variant_id <> i.variant
WHERE NOT EXISTS (SELECT FROM sku_import AS other WHERE other.variant = m.shopify_variant_id)
ORDER BY i.number, m.id LIMIT %(most)s
"""

_DIFFERS = """(m.shopify_sku, m.shopify_inventory_item_id, m.quantity, m.is_active)
   IS DISTINCT FROM (i.sku, i.inventory_item, i.quantity, true)"""
_DROPPED = """m.shop_id = %(shop)s AND m.warehouse_id = %(warehouse)s AND m.is_active
  AND NOT EXISTS (SELECT FROM sku_import AS i WHERE i.variant = m.shopify_variant_id
                                              AND i.item_code = m.wms_item_code)"""
_ELSEWHERE = """m.shop_id = %(shop)s AND m.warehouse_id <> %(warehouse)s AND m.is_active
  AND m.shopify_variant_id = i.variant AND m.shopify_inventory_item_id <> i.inventory_item"""
_VARIANTS = "SELECT DISTINCT variant, inventory_item FROM sku_import"

_COUNT = f"""
SELECT (SELECT count(*) FROM sku_import),
       count(*) FILTER (WHERE m.id IS NULL),
       count(*) FILTER (WHERE m.id IS NOT NULL AND {_DIFFERS}),
       (SELECT count(*) FROM wms_sku_map AS m
        WHERE {_DROPPED} AND EXISTS (SELECT FROM sku_import AS i WHERE i.variant = m.shopify_variant_id)),
       (SELECT count(*) FROM wms_sku_map AS m, ({_VARIANTS}) AS i WHERE {_ELSEWHERE})
FROM sku_import AS i
LEFT JOIN wms_sku_map AS m ON m.shop_id = %(shop)s AND m.warehouse_id = %(warehouse)s
                          AND m.shopify_variant_id = i.variant AND m.wms_item_code = i.item_code
"""  # noqa: S608

_PAGE = "number > %(after)s AND number <= %(until)s"
_NOTE = "INSERT INTO sku_import_changed SELECT DISTINCT shopify_variant_id FROM written"

# An import is a person's decision, so it activates mappings. It clears `needs_verification` only if the SKU or the
# inventory item changed.
_UPSERT = f"""
WITH written AS (
    INSERT INTO wms_sku_map AS m (shop_id, warehouse_id, shopify_variant_id, shopify_sku,
                                  shopify_inventory_item_id, wms_item_code, quantity, is_active,
                                  needs_verification, created_at, updated_at)
    SELECT %(shop)s, %(warehouse)s, variant, sku, inventory_item, item_code, quantity, true, false, now(), now()
    FROM sku_import WHERE {_PAGE} ORDER BY variant, item_code
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
    RETURNING shopify_variant_id
) {_NOTE}
"""  # noqa: S608

_DEACTIVATE = f"""
WITH written AS (
    UPDATE wms_sku_map AS m SET is_active = false, updated_at = now()
    WHERE {_DROPPED} AND m.shopify_variant_id IN (SELECT variant FROM sku_import WHERE {_PAGE})
    RETURNING shopify_variant_id
) {_NOTE}
"""  # noqa: S608

_CORRECT_OTHERS = f"""
WITH written AS (
    UPDATE wms_sku_map AS m
    SET shopify_inventory_item_id = i.inventory_item, needs_verification = false, updated_at = now()
    FROM ({_VARIANTS} WHERE {_PAGE}) AS i WHERE {_ELSEWHERE}
    RETURNING shopify_variant_id
) {_NOTE}
"""  # noqa: S608


@dataclass(frozen=True)
class Counts:
    """How many mappings the staged rows would change."""

    rows: int
    created: int
    updated: int
    deactivated: int
    corrected: int  # mappings of the same variants at other warehouses that get another inventory item


def fill(rows: Iterator[Row], *, progress: Callable[[str], None]) -> None:
    """Insert the rows into the temporary table; `progress` is called with a text after each portion."""
    done = 0
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        while portion := list(islice(rows, PORTION)):
            with cursor.copy(_COPY) as copy:
                for row in portion:
                    copy.write_row(row)
            done += len(portion)
            progress(f"{done:,} rows read")
        cursor.execute(_INDEX)


def contradictions(shop_id: int) -> list[RowError]:
    """Return the contradictions between the rows, and between them and the shop's mappings, MAX_ERRORS at most."""
    with connection.cursor() as cursor:
        cursor.execute(_AGAINST_EACH_OTHER, {"most": MAX_ERRORS})
        found = [_row_error(*row) for row in cursor.fetchall()]
        cursor.execute(_AGAINST_MAPPINGS, {"shop": shop_id, "most": MAX_ERRORS})
        conflicts: dict[int, int] = dict(cursor.fetchall())
    reported = {error.row for error in found}
    mappings = SkuMapping.objects.select_related("warehouse__connection").in_bulk(set(conflicts.values()))
    found += [
        RowError(number, "shopify_inventory_item_id", identities.conflict_text(mappings[mapping]))
        for number, mapping in conflicts.items()
        if number not in reported
    ]
    return sorted(found)[:MAX_ERRORS]


def _row_error(
    number: int,
    variant: int,
    item_code: str,
    inventory_item: int,
    twin: int,
    first_row: int,
    first_item: int,
    first_sku: str,
    owner: int,
    owner_row: int,
    sku: str,
) -> RowError:
    """Return the first contradiction between a row and the rows before it."""
    if twin != number:
        words = f"variant {variant} with {item_code} is in row {twin} already"
        return RowError(number, "wms_item_code", words)
    if first_item != inventory_item:
        words = f"variant {variant} has inventory item {first_item} in row {first_row}"
        return RowError(number, "shopify_inventory_item_id", words)
    if first_sku != sku:
        return RowError(number, "shopify_sku", f"variant {variant} has SKU {first_sku!r} in row {first_row}")
    words = f"inventory item {inventory_item} is that of variant {owner} in row {owner_row}: it has one variant only"
    return RowError(number, "shopify_inventory_item_id", words)


def count(*, shop_id: int, warehouse_id: int) -> Counts:
    """Count the mappings that `apply` would change."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"shop": shop_id, "warehouse": warehouse_id})
        return Counts(*cursor.fetchone())


def apply(*, shop_id: int, warehouse_id: int, progress: Callable[[str], None]) -> None:
    """Write the staged rows to the mappings, portion by portion in the caller's transaction."""
    with connection.cursor() as cursor:
        done = 0
        for after, until, size in _pages(cursor):
            parameters = {"shop": shop_id, "warehouse": warehouse_id, "after": after, "until": until}
            for statement in (_UPSERT, _DEACTIVATE, _CORRECT_OTHERS):
                cursor.execute(statement, parameters)
            done += size
            progress(f"{done:,} rows written")


def _pages(cursor: Any) -> Iterator[tuple[int, int, int]]:
    """Yield the staged row numbers in portions, as (after, until, number of rows)."""
    after = -1
    while True:
        cursor.execute(
            "SELECT max(number), count(*) FROM"
            " (SELECT number FROM sku_import WHERE number > %s ORDER BY number LIMIT %s) AS page",
            [after, PORTION],
        )
        until, size = cursor.fetchone()
        if until is None:
            return
        yield after, until, size
        after = until


def changed_variants() -> Iterator[list[VariantId]]:
    """The variants of which `apply` changed a mapping, each once, in portions."""
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT variant FROM sku_import_changed WHERE variant > %s ORDER BY variant LIMIT %s",
                [after, PORTION],
            )
            variants = [variant for (variant,) in cursor.fetchall()]
        if not variants:
            return
        yield variants
        after = variants[-1]
