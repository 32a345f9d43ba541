"""The only module that locks stock levels. It locks whole pools in the order of their primary keys, against deadlocks.

A *pool* is the stock on one physical shelf: the levels of one item at all warehouses with the same connection and WMS
warehouse code. If one physical warehouse serves two shops, it is two `Warehouse` rows, and units that are reserved for
one shop are not free for the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from ops.refs import LaneName
from shops.ids import ShopPk
from shops.refs import shop_lane
from wms.ids import ConnectionPk, WarehousePk
from wms.models import Connection

Place = tuple[int, str]  # (warehouse id, WMS item code)
Pool = tuple[int, str, str]  # (connection id, WMS warehouse code, WMS item code)

_COLUMNS = """
SELECT level.id, level.warehouse_id, level.item_code, level.available, level.on_hand, level.reserved,
       level.observed_at, level.sequence, place.connection_id, place.wms_warehouse_code, account.stock_basis,
       place.shop_id, shop.domain, level.pushed_quantity
FROM inventory_cache AS level
JOIN warehouse_locations AS place ON place.id = level.warehouse_id
JOIN wms_connection AS account ON account.id = place.connection_id
JOIN shops_shop AS shop ON shop.id = place.shop_id
"""

_IN_ORDER = " ORDER BY level.id FOR UPDATE OF level"

_POOLS = """
WHERE level.id IN (
    WITH named AS (
        SELECT warehouse_id, item_code FROM unnest(%(warehouses)s::bigint[], %(items)s::text[])
            AS need (warehouse_id, item_code)
        UNION
        SELECT promised.warehouse_id, promised.item_code
        FROM inventory_reservation AS reservation JOIN inventory_cache AS promised ON promised.id = reservation.level_id
        WHERE reservation.reference = ANY(%(references)s))
    SELECT shared.id
    FROM named
    JOIN warehouse_locations AS one ON one.id = named.warehouse_id
    JOIN warehouse_locations AS other
      ON other.connection_id = one.connection_id AND other.wms_warehouse_code = one.wms_warehouse_code
    JOIN inventory_cache AS shared ON shared.warehouse_id = other.id AND shared.item_code = named.item_code)
"""

# A level that another transaction creates is waited for before the first lock is taken: `locked` needs the count of
# `created`. The last column says how many levels there must be.
_SHELVES = """
WITH created AS (
    INSERT INTO inventory_cache (warehouse_id, item_code, available, updated_at)
    SELECT place.id, item.code, 0, now()
    FROM warehouse_locations AS place CROSS JOIN unnest(%(items)s::text[]) AS item (code)
    WHERE place.connection_id = %(connection)s AND place.wms_warehouse_code = %(code)s
      AND NOT EXISTS (SELECT 1 FROM inventory_cache AS known
                      WHERE known.warehouse_id = place.id AND known.item_code = item.code)
    ORDER BY place.id, item.code
    ON CONFLICT (warehouse_id, item_code) DO NOTHING
    RETURNING id, warehouse_id, item_code, available, on_hand, reserved, observed_at, sequence, pushed_quantity),
locked AS (
    SELECT level.id, level.warehouse_id, level.item_code, level.available, level.on_hand, level.reserved,
           level.observed_at, level.sequence, level.pushed_quantity
    FROM inventory_cache AS level JOIN warehouse_locations AS place ON place.id = level.warehouse_id
    WHERE place.connection_id = %(connection)s AND place.wms_warehouse_code = %(code)s
      AND level.item_code = ANY(%(items)s) AND (SELECT count(*) FROM created) >= 0
    ORDER BY level.id FOR UPDATE OF level)
SELECT level.id, level.warehouse_id, level.item_code, level.available, level.on_hand, level.reserved,
       level.observed_at, level.sequence, place.connection_id, place.wms_warehouse_code, account.stock_basis,
       place.shop_id, shop.domain, level.pushed_quantity,
       cardinality(%(items)s::text[]) * (SELECT count(*) FROM warehouse_locations
                                 WHERE connection_id = %(connection)s AND wms_warehouse_code = %(code)s)
FROM (TABLE locked UNION ALL TABLE created) AS level
JOIN warehouse_locations AS place ON place.id = level.warehouse_id
JOIN wms_connection AS account ON account.id = place.connection_id
JOIN shops_shop AS shop ON shop.id = place.shop_id
ORDER BY level.id
"""


@dataclass(frozen=True)
class LockedLevel:
    """A level as it was when it was locked, with its warehouse, connection and shop. Quantities are WMS item units."""

    id: int
    warehouse_id: WarehousePk
    item_code: str
    available: int
    on_hand: int | None
    reserved: int
    observed_at: datetime | None
    sequence: int | None
    connection_id: ConnectionPk
    wms_warehouse_code: str
    stock_basis: str
    shop_id: ShopPk
    shop_domain: str
    pushed_quantity: int | None

    @property
    def pool(self) -> Pool:
        """The physical shelf that it belongs to."""
        return self.connection_id, self.wms_warehouse_code, self.item_code

    @property
    def place(self) -> Place:
        """The warehouse and the item."""
        return self.warehouse_id, self.item_code

    @property
    def quantity(self) -> int:
        """The quantity that the WMS reports, by the connection's stock basis."""
        return quantity_by_basis(self.stock_basis, available=self.available, on_hand=self.on_hand)

    @property
    def shop_lane(self) -> LaneName:
        """The lane of calls to the shop."""
        return shop_lane(self.shop_domain)


def quantity_by_basis(basis: str, *, available: int, on_hand: int | None) -> int:
    """Return the quantity that counts, in WMS item units; an on-hand quantity that was never reported is 0."""
    return (on_hand or 0) if basis == Connection.StockBasis.ON_HAND else available


def free_units(levels: Iterable[LockedLevel], *, reserved: Mapping[int, int] | None = None) -> dict[int, int]:
    """Return the units of each level that are not reserved, never below 0.

    The levels must be whole pools, or reservations are missed. `reserved` (by level id) overrides the levels' own.
    """
    levels = list(levels)
    taken: defaultdict[Pool, int] = defaultdict(int)
    for level in levels:
        taken[level.pool] += (reserved or {}).get(level.id, level.reserved)
    return {level.id: max(0, level.quantity - taken[level.pool]) for level in levels}


def look(places: Collection[Place]) -> list[LockedLevel]:
    """The pools of these places as `lock` returns them, but not locked. One query."""
    return _levels(_COLUMNS + _POOLS, _named(places, ()))


def lock(*, places: Collection[Place] = (), references: Collection[str] = ()) -> list[LockedLevel]:
    """Lock the pools of these places and of all reservations of `references`. One query; inside a transaction."""
    return _levels(_COLUMNS + _POOLS + _IN_ORDER, _named(places, references))


def _named(places: Collection[Place], references: Collection[str]) -> dict[str, Any]:
    return {
        "warehouses": [warehouse for warehouse, _ in places],
        "items": [item for _, item in places],
        "references": list(references),
    }


def lock_or_create(
    *, connection_id: int, wms_warehouse_code: str, items: Collection[str]
) -> list[LockedLevel]:
    """Lock the items' pools at one physical warehouse, and create missing levels first. One query.

    The levels are created before the first lock is taken. So a wait for another transaction that creates them blocks
    nobody else. One query cannot see what it waited for; then there is another one.
    """
    arguments: dict[str, Any] = {
        "connection": connection_id,
        "code": wms_warehouse_code,
        "items": sorted(items),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SHELVES, arguments)
        rows = cursor.fetchall()
        if not rows or len(rows) < rows[0][-1]:
            cursor.execute(_SHELVES, arguments)
            rows = cursor.fetchall()
    return [LockedLevel(*row[:-1]) for row in rows]


def lock_ids(level_ids: Collection[int]) -> list[LockedLevel]:
    """Lock only these levels, not their pools: enough where nothing is reserved."""
    return _levels(_COLUMNS + " WHERE level.id = ANY(%(ids)s)" + _IN_ORDER, {"ids": list(level_ids)})


def _levels(query: str, arguments: dict[str, Any]) -> list[LockedLevel]:
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return [LockedLevel(*row) for row in cursor.fetchall()]
