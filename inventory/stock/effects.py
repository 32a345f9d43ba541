"""What follows when levels or reservations changed: promises counted anew, a push to Shopify asked for, waiters woken.

The callers hold the locks of the levels (`inventory.stock.locking`); waking takes advisory locks and comes last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from django.db import connection

from inventory.stock.locking import LockedLevel, free_units
from ops.models import Priority
from ops.queue import jobs

PUSH_DELAY = timedelta(seconds=1)
"""Changes within this time go to Shopify together."""

# To the hour: what is sold all day is not put in its place in an index with every order.
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


def recount(level_ids: Collection[int], *, promised: Collection[int] = ()) -> dict[int, int]:
    """Set `reserved` to the sum of the held reservations; returns level id -> reserved. One query.

    `promised`: the levels of which an order was just promised units: they are sold.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [list(promised), list(level_ids)])
        return dict(cursor.fetchall())


def ask_for_push(levels: Collection[LockedLevel]) -> None:
    """Mark the changed levels as due and enqueue one coalesced push per shop. One query, and one per shop."""
    _ask(levels, compares=False)


def ask_for_comparison(levels: Collection[LockedLevel]) -> None:
    """As `ask_for_push`, where nothing changed and Shopify's figure is only looked at again: after what changed."""
    _ask(levels, compares=True)


def _ask(levels: Collection[LockedLevel], *, compares: bool) -> None:
    if not levels:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"ids": [level.id for level in levels], "compares": compares})
    for shop_id, lane in sorted({(level.shop_id, level.shop_lane) for level in levels}):
        enqueue_push(shop_id, lane=lane, delay=PUSH_DELAY)


def enqueue_push(shop_id: int, *, lane: str, delay: timedelta = timedelta(0)) -> None:
    """One push job per shop, for ever: a further request while it waits is the same one.

    As urgent as orders, and with a share of its own: in a flash sale nothing is as wrong as stock that nobody tells.
    """
    jobs.enqueue(
        "inventory.push",
        key=f"inventory.push:{shop_id}",
        lane=lane,
        payload={"shop": shop_id},
        subject=f"stock:{shop_id}",
        share="stock",
        priority=Priority.HIGH,
        delay=delay,
        coalesce=True,
    )


def wake_waiters(
    before: Iterable[LockedLevel], after: Iterable[LockedLevel], *, reserved: dict[int, int]
) -> int:
    """Wake what waits for items of which there is more now; returns how many jobs became due. Whole pools in."""
    had = free_units(before)
    after = list(after)
    has = free_units(after, reserved=reserved)
    more = [level.place for level in after if has[level.id] > had.get(level.id, 0)]
    return jobs.wake(*(stock_key(warehouse, item) for warehouse, item in sorted(more)))


def stock_key(warehouse_id: int, item_code: str) -> str:
    """The key under which work parks that needs more of an item at a warehouse."""
    return f"stock:{warehouse_id}:{item_code}"
