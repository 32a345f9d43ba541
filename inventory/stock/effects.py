"""What follows when levels or reservations changed: `reserved` is summed again, a push is requested, waiters are woken.

The callers hold the locks of the levels (`inventory.stock.locking`). Waking takes advisory locks, so it comes last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection

from inventory import jobs
from inventory.refs import stock_key
from inventory.stock.locking import LockedLevel, free_units
from ops.queue.jobs import wake

PUSH_DELAY = timedelta(seconds=1)
"""Changes within this time go to Shopify together."""

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

# What _RECOUNT and _MARK do, at once. The sum does not see the new rows yet: one statement sees one state of the
# tables.
_RESERVE = """
WITH new AS (
    INSERT INTO inventory_reservation (level_id, reference, quantity, state)
    SELECT level_id, %(reference)s, quantity, 'held'
    FROM unnest(%(levels)s::bigint[], %(units)s::int[]) AS need (level_id, quantity)
    RETURNING level_id, quantity)
UPDATE inventory_cache AS level SET updated_at = now(),
    reserved = COALESCE(
        (SELECT sum(quantity) FROM inventory_reservation WHERE level_id = level.id AND state = 'held'), 0)
        + COALESCE((SELECT quantity FROM new WHERE new.level_id = level.id), 0),
    promised_at = CASE WHEN level.id = ANY(%(levels)s) AND (promised_at > now() - interval '1 hour') IS NOT TRUE
                       THEN now() ELSE promised_at END,
    push_due_since = CASE WHEN push_compares THEN now() ELSE COALESCE(push_due_since, now()) END,
    push_compares = false, push_marked_at = clock_timestamp()
WHERE level.id = ANY(%(pools)s)
"""


def reserve(reference: str, units: Mapping[int, int], *, pools: Collection[LockedLevel]) -> None:
    """Reserve units (by level id) for a reference that has no reservation yet, and mark the pools for a push.

    One query, and one per shop. Nobody has more free units by it, so nobody is woken.
    """
    row: dict[str, Any] = {
        "reference": reference,
        "levels": list(units),
        "units": list(units.values()),
        "pools": [level.id for level in pools],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, row)
    request_push(pools)


def recount(level_ids: Collection[int], *, sold: Collection[int] = ()) -> dict[int, int]:
    """Set `reserved` to the sum of the pending reservations, and return it by level id. One query.

    `sold` names the levels of which units were just reserved for an order.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [list(sold), list(level_ids)])
        return dict(cursor.fetchall())


def mark_for_push(levels: Collection[LockedLevel]) -> None:
    """Mark the changed levels as due and enqueue one coalesced push per shop. One query, and one per shop."""
    _mark(levels, compares=False)


def mark_for_comparison(levels: Collection[LockedLevel]) -> None:
    """As `mark_for_push`, but nothing changed: Shopify's quantity is only compared, after the levels that changed."""
    _mark(levels, compares=True)


def _mark(levels: Collection[LockedLevel], *, compares: bool) -> None:
    if not levels:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"ids": [level.id for level in levels], "compares": compares})
    request_push(levels)


def request_push(levels: Collection[LockedLevel]) -> None:
    """Enqueue one coalesced push per shop, for levels that are marked already. One query per shop."""
    for shop_id, lane in sorted({(level.shop_id, level.shop_lane) for level in levels}):
        jobs.push(shop_id, lane=lane, delay=PUSH_DELAY)


def wake_waiters(
    before: Iterable[LockedLevel], after: Iterable[LockedLevel], *, reserved: dict[int, int]
) -> int:
    """Wake jobs that wait for items of which more units are free now; return how many became due.

    The levels must be whole pools.
    """
    had = free_units(before)
    after = list(after)
    has = free_units(after, reserved=reserved)
    more = [level for level in after if has[level.id] > had.get(level.id, 0)]
    return wake(*(stock_key(level.warehouse_id, level.item_code) for level in more))
