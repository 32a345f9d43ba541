"""Mappings as CSV that `import_skus` takes."""

from __future__ import annotations

import csv
from typing import Protocol

from django.db.models import QuerySet

from skumap.models import SkuMapping
from skumap.transfer.csv_rows import COLUMNS

CHUNK = 2_000


class Writable(Protocol):
    """A text file as far as a CSV writer needs it."""

    def write(self, text: str, /) -> object: ...


def export_csv(file: Writable, *, mappings: QuerySet[SkuMapping], places: bool) -> int:
    """Write mappings row by row; returns how many. `places`: with shop and warehouse in front, for people."""
    lead = ("shop__domain", "warehouse__wms_warehouse_code") if places else ()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*(("shop", "warehouse") if places else ()), *COLUMNS])
    rows = mappings.order_by("shop_id", "warehouse_id", "shopify_variant_id", "wms_item_code")
    count = 0
    for row in rows.values_list(*lead, *COLUMNS).iterator(chunk_size=CHUNK):
        writer.writerow(row)
        count += 1
    return count
