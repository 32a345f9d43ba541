"""What follows when levels or reservations changed: `reserved` is summed again, a push is requested, waiters are woken.

The callers hold the locks of the levels (`inventory.stock.locking`). Waking takes advisory locks, so it comes last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from inventory import jobs
from inventory.models import Reservation
from inventory.refs import stock_key
from inventory.stock import push_window
from inventory.stock.locking import LockedLevel, free_units
from ops.queue.jobs import wake
from ops.refs import LaneName
from shops.ids import ShopPk
from shops.refs import shop_lane

# `promised_at` is exact to the hour only, so that an item that sells all day does not move in its index with each
# order.
_RECOUNT = """
UPDATE inventory_cache AS level SET updated_at = now(),
    reserved = COALESCE(
        (SELECT sum(quantity) FROM inventory_reservation WHERE level_id = level.id AND state = 'held'), 0),
    promised_at = CASE WHEN level.id = ANY(%s) AND (promised_at > now() - interval '1 hour') IS NOT TRUE
                       THEN now() ELSE promised_at END
WHERE level.id = ANY(%s) RETURNING level.id, level.reserved
"""

_MARK = """
UPDATE inventory_cache
   SET push_due_since = CASE WHEN push_compares AND NOT %(compares)s THEN now()
                             ELSE COALESCE(push_due_since, now()) END,
       push_compares = %(compares)s AND (push_compares OR push_due_since IS NULL),
       push_marked_at = clock_timestamp()
 WHERE id = ANY(%(ids)s)
"""

# Whether the item of a level is sold as one product only, which has no other item. Only then every booking of Shopify
# moves no other figure than that of the ordered product.
_SOLD_ALONE = """
(1 = (SELECT count(*) FROM wms_sku_map AS mine JOIN wms_sku_map AS part
          ON part.warehouse_id = mine.warehouse_id AND part.shopify_variant_id = mine.shopify_variant_id
         AND part.is_active
       WHERE mine.warehouse_id = level.warehouse_id AND mine.wms_item_code = level.item_code AND mine.is_active))
"""

# The locks are taken in order, as in `locking`. A push that is under way still has its levels due.
_MARK_PUSHED = """
WITH pushed AS (
    SELECT level.id, shop.id AS shop_id, shop.domain, place.connection_id, place.wms_warehouse_code,
           CASE account.stock_basis WHEN 'on_hand' THEN COALESCE(level.on_hand, 0) ELSE level.available END AS quantity
    FROM inventory_cache AS level
    JOIN warehouse_locations AS place ON place.id = level.warehouse_id
    JOIN wms_connection AS account ON account.id = place.connection_id
    JOIN shops_shop AS shop ON shop.id = place.shop_id
    WHERE level.warehouse_id = %(warehouse)s AND level.item_code = ANY(%(items)s)
      AND (level.push_due_since IS NOT NULL OR level.pushed_at >= %(since)s OR NOT SOLD_ALONE)
    ORDER BY level.id FOR UPDATE OF level)
UPDATE inventory_cache AS level
   SET push_due_since = CASE WHEN push_compares THEN now() ELSE COALESCE(push_due_since, now()) END,
       push_compares = false, push_marked_at = clock_timestamp()
  FROM pushed WHERE level.id = pushed.id
RETURNING pushed.shop_id, pushed.domain, level.pushed_quantity, pushed.quantity -
          (SELECT sum(shared.reserved) FROM inventory_cache AS shared
             JOIN warehouse_locations AS other ON other.id = shared.warehouse_id
            WHERE other.connection_id = pushed.connection_id AND other.wms_warehouse_code = pushed.wms_warehouse_code
              AND shared.item_code = level.item_code)
""".replace("SOLD_ALONE", _SOLD_ALONE)

# What _RECOUNT and _MARK do, at once. The sum does not see the new rows yet: one statement sees one state of the
# tables. The levels in `told` are marked in any case.
_RESERVE = """
WITH need AS (
    SELECT * FROM unnest(%(levels)s::bigint[], %(units)s::int[], %(committed)s::int[])
        AS need (level_id, units, committed)),
new AS (
    INSERT INTO inventory_reservation (level_id, reference, quantity, state)
    SELECT level_id, %(reference)s, units, 'held' FROM need),
noted AS (
    INSERT INTO inventory_commitment (reference, warehouse_id, item_code, quantity)
    SELECT %(reference)s, level.warehouse_id, level.item_code, need.committed
    FROM need JOIN inventory_cache AS level ON level.id = need.level_id WHERE need.committed > 0),
pool AS (
    SELECT level.id, need.units, level.id = ANY(%(told)s) OR NOT SOLD_ALONE AS is_due
    FROM inventory_cache AS level LEFT JOIN need ON need.level_id = level.id WHERE level.id = ANY(%(pools)s))
UPDATE inventory_cache AS level SET updated_at = now(),
    reserved = COALESCE(
        (SELECT sum(quantity) FROM inventory_reservation WHERE level_id = level.id AND state = 'held'), 0)
        + COALESCE(pool.units, 0),
    promised_at = CASE WHEN pool.units IS NOT NULL AND (promised_at > now() - interval '1 hour') IS NOT TRUE
                       THEN now() ELSE promised_at END,
    push_due_since = CASE WHEN NOT is_due THEN push_due_since WHEN push_compares THEN now()
                          ELSE COALESCE(push_due_since, now()) END,
    push_compares = push_compares AND NOT is_due,
    push_marked_at = CASE WHEN is_due THEN clock_timestamp() ELSE push_marked_at END
FROM pool WHERE level.id = pool.id
RETURNING level.id, level.reserved, pool.is_due
""".replace("SOLD_ALONE", _SOLD_ALONE)

# The units of an item are taken off the levels in turn. What still is in a level's quantity stays reserved: the row
# itself if all of it leaves, else a row of its own.
_SHIP = """
WITH promised AS (
    SELECT mine.id, mine.level_id, mine.quantity, mine.state, level.item_code,
           LEAST(mine.quantity, asked.units - COALESCE(sum(mine.quantity) OVER earlier, 0)) AS units,
           COALESCE(mine.accepted_at, %(at)s) AS accepted_at, account.stock_basis = 'on_hand' AS counts_on_hand,
           mine.state <> %(netted)s AND (level.observed_at < CASE WHEN account.stock_basis = 'on_hand' THEN %(at)s
                                    ELSE COALESCE(mine.accepted_at, %(at)s) END) IS NOT FALSE AS stays
    FROM unnest(%(items)s::text[], %(units)s::int[]) AS asked (item_code, units)
    JOIN inventory_cache AS level ON level.item_code = asked.item_code
    JOIN inventory_reservation AS mine
      ON mine.level_id = level.id AND mine.reference = %(reference)s AND mine.shipped_at IS NULL
    JOIN warehouse_locations AS place ON place.id = level.warehouse_id
    JOIN wms_connection AS account ON account.id = place.connection_id
    WHERE level.id = ANY(%(levels)s)
    WINDOW earlier AS (PARTITION BY level.item_code ORDER BY level.id
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
leaving AS (SELECT *, units = quantity AS is_whole FROM promised WHERE units > 0),
kept AS (
    UPDATE inventory_reservation AS mine SET accepted_at = leaving.accepted_at, shipped_at = %(at)s
      FROM leaving WHERE mine.id = leaving.id AND is_whole AND stays),
gone AS (
    DELETE FROM inventory_reservation AS mine USING leaving WHERE mine.id = leaving.id AND is_whole AND NOT stays),
smaller AS (
    UPDATE inventory_reservation AS mine SET quantity = mine.quantity - leaving.units
      FROM leaving WHERE mine.id = leaving.id AND NOT is_whole),
split AS (
    INSERT INTO inventory_reservation (level_id, reference, quantity, state, accepted_at, shipped_at)
    SELECT level_id, %(reference)s, units, state, accepted_at, %(at)s FROM leaving WHERE NOT is_whole AND stays)
SELECT item_code, units, NOT stays AND (state <> %(netted)s OR counts_on_hand) FROM leaving
"""


def reserve(
    reference: str,
    units: Mapping[int, int],
    *,
    committed: Mapping[int, int],
    pools: Collection[LockedLevel],
) -> None:
    """Reserve units (by level id) for a reference that has no reservation yet, and note how many of them Shopify has
    committed. One query, and one per shop that hears of it. Nobody has more free units by it, so nobody is woken.

    Shopify hears nothing of units that it has committed: it took them off its figure itself when the product was
    ordered. It does hear of them if they also count for another figure: of another product with the item, or of another
    shop that sells from the shelf.
    """
    shared = Counter(level.pool for level in pools)
    row: dict[str, Any] = {
        "reference": reference,
        "levels": list(units),
        "units": list(units.values()),
        "committed": [committed.get(level_id, 0) for level_id in units],
        "pools": [level.id for level in pools],
        "told": [
            level.id
            for level in pools
            if shared[level.pool] > 1 or committed.get(level.id) != units.get(level.id)
        ],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, row)
        written = cursor.fetchall()
    request_push(
        pools,
        due={level_id for level_id, _, is_due in written if is_due},
        reserved={level_id: reserved for level_id, reserved, _ in written},
    )


def ship(
    reference: str, units: Mapping[str, int], *, shipped_at: datetime, levels: Collection[LockedLevel]
) -> tuple[Counter[str], bool]:
    """Note that units (by item code) that these levels have reserved left at a time. One query.

    Returns which of them were reserved, and whether other units are free now.
    """
    row: dict[str, Any] = {
        "reference": reference,
        "items": list(units),
        "units": list(units.values()),
        "at": shipped_at,
        "netted": Reservation.State.NETTED,
        "levels": [level.id for level in levels],
    }
    taken, frees = Counter[str](), False
    with connection.cursor() as cursor:
        cursor.execute(_SHIP, row)
        for item, left, is_free in cursor.fetchall():
            taken[item] += left
            frees = frees or is_free
    return taken, frees


def recount(level_ids: Collection[int], *, sold: Collection[int] = ()) -> dict[int, int]:
    """Set `reserved` to the sum of the pending reservations, and return it by level id. One query.

    `sold` names the levels of which units were just reserved for an order.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [list(sold), list(level_ids)])
        return dict(cursor.fetchall())


def mark_for_push(levels: Collection[LockedLevel], *, reserved: Mapping[int, int] | None = None) -> None:
    """Mark the changed levels as due and enqueue one coalesced push per shop. One query, and one per shop.

    `reserved`: as for `request_push`.
    """
    _mark(levels, compares=False, reserved=reserved or {})


def mark_for_comparison(levels: Collection[LockedLevel]) -> None:
    """As `mark_for_push`, but nothing changed: Shopify's quantity is only compared, after the levels that changed."""
    _mark(levels, compares=True, reserved={})


def _mark(levels: Collection[LockedLevel], *, compares: bool, reserved: Mapping[int, int]) -> None:
    if not levels:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"ids": [level.id for level in levels], "compares": compares})
    request_push(levels, due={level.id for level in levels}, reserved=reserved)


def mark_if_pushed_since(warehouse_id: int, item_codes: Collection[str], *, since: datetime) -> None:
    """Mark those of these items for a push whose figures a push may have told, by what it read since a time. One query,
    and another one if there are any.

    Items that are in several products, or in a product with other items, are among them in any case.
    """
    row: dict[str, Any] = {"warehouse": warehouse_id, "items": sorted(item_codes), "since": since}
    with connection.cursor() as cursor:
        cursor.execute(_MARK_PUSHED, row)
        marked = cursor.fetchall()
    _request(
        (shop_id, shop_lane(domain), push_window.delay(free=free, told=told))
        for shop_id, domain, told, free in marked
    )


def request_push(
    levels: Collection[LockedLevel], *, due: Collection[int], reserved: Mapping[int, int]
) -> None:
    """Enqueue one coalesced push per shop, for those of these levels that are due, by id. One query per shop.

    They are marked already. The levels must be whole pools, or more seems to be left than is. `reserved`: as for
    `locking.free_units`.
    """
    free = free_units(levels, reserved=reserved)
    _request(
        (level.shop_id, level.shop_lane, push_window.delay(free=free[level.id], told=level.pushed_quantity))
        for level in levels
        if level.id in due
    )


def _request(asked: Iterable[tuple[ShopPk, LaneName, timedelta]]) -> None:
    """Enqueue the push of each shop for the soonest time at which one of its levels asks for it."""
    soonest: dict[tuple[ShopPk, LaneName], timedelta] = {}
    for shop_id, lane, delay in asked:
        soonest[shop_id, lane] = min(delay, soonest.get((shop_id, lane), delay))
    for (shop_id, lane), delay in sorted(soonest.items()):
        jobs.push(shop_id, lane=lane, delay=delay)


def wake_waiters(
    before: Iterable[LockedLevel], after: Iterable[LockedLevel], *, reserved: Mapping[int, int]
) -> int:
    """Wake jobs that wait for items of which more units are free now; return how many became due.

    The levels must be whole pools.
    """
    had = free_units(before)
    after = list(after)
    has = free_units(after, reserved=reserved)
    more = [level for level in after if has[level.id] > had.get(level.id, 0)]
    return wake(*(stock_key(level.warehouse_id, level.item_code) for level in more))
