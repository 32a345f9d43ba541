"""Units that Shopify has committed at a warehouse's location for orders which that warehouse was given.

Both sides count such an order: Shopify as committed, we as promised (or as in the figure, or as shipped). Whoever sums
one side must know how much of it the other side has, order by order: the sums alone do not tell, since one order's
commitment would be set off against another's promise. The rows belong to WMS orders, by external id, and are written by
whoever reads orders at Shopify and gives them to warehouses.

All functions join the caller's transaction. They lock rows of their own only: call them after all that locks levels.
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
    """External id -> what of it Shopify has committed at each place now, in item units: this and no more. One query."""
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
    """The WMS orders are cancelled or refused: what Shopify has committed for them is with no warehouse any more."""
    Commitment.objects.filter(reference__in=references).delete()
