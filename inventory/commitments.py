"""Units that Shopify has committed at a warehouse's location for orders that the warehouse was given.

Both sides count such an order: Shopify as committed, we as reserved (or netted, or shipped). The stock push must not
subtract it twice, so it needs the overlap order by order. The sums are not enough: one order's commitment would cancel
out another order's reservation. The rows belong to WMS orders, by external id. They are written where orders are read
from Shopify and given to warehouses.

All functions join the caller's transaction. They lock only rows of their own, so call them after all locks of levels.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection

from inventory.models import Commitment
from inventory.stock.locking import Place

_SET = """
WITH wanted AS (
    SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::int[])
        AS wanted (reference, warehouse_id, item_code, quantity)),
gone AS (
    DELETE FROM inventory_commitment AS known WHERE known.reference = ANY(%s) AND NOT EXISTS (
        SELECT FROM wanted WHERE (wanted.reference, wanted.warehouse_id, wanted.item_code)
                               = (known.reference, known.warehouse_id, known.item_code)))
INSERT INTO inventory_commitment AS known (reference, warehouse_id, item_code, quantity)
SELECT reference, warehouse_id, item_code, quantity FROM wanted ORDER BY reference, warehouse_id, item_code
ON CONFLICT (reference, warehouse_id, item_code) DO UPDATE SET quantity = EXCLUDED.quantity
WHERE known.quantity <> EXCLUDED.quantity
"""


def note(units: Mapping[str, Mapping[Place, int]]) -> None:
    """Replace the commitments of these WMS orders (by external id) with these item units at each place. One query."""
    rows = [
        (reference, warehouse, item, quantity)
        for reference, places in units.items()
        for (warehouse, item), quantity in places.items()
        if quantity > 0
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    with connection.cursor() as cursor:
        cursor.execute(_SET, [*columns, list(units)])


def forget(*references: str) -> None:
    """Delete the commitments of WMS orders that were cancelled or refused: no warehouse has their units any more."""
    Commitment.objects.filter(reference__in=references).delete()
