"""Writes mappings as CSV that `import_skus` accepts."""

from __future__ import annotations

import csv
from typing import Protocol

from django.db.models import QuerySet

from skumap.models import SkuMapping
from skumap.transfer.csv_rows import COLUMNS

CHUNK = 2_000


class Writable(Protocol):
    """The part of a text file that a CSV writer needs."""

    def write(self, text: str, /) -> object: ...


def export_csv(file: Writable, *, mappings: QuerySet[SkuMapping], with_warehouse: bool) -> int:
    """Write mappings row by row, on request with shop and warehouse as first columns; return their number."""
    lead = ("shop__domain", "warehouse__wms_warehouse_code") if with_warehouse else ()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*(("shop", "warehouse") if with_warehouse else ()), *COLUMNS])
    rows = mappings.order_by("shop_id", "warehouse_id", "shopify_variant_id", "wms_item_code")
    count = 0
    for row in rows.values_list(*lead, *COLUMNS).iterator(chunk_size=CHUNK):
        writer.writerow(row)
        count += 1
    return count
