"""The stock that the WMS reports. Only `apply` writes a level's quantities, and an older report never wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from inventory import alerts
from inventory.stock import effects, locking, observations
from inventory.stock.locking import LockedLevel
from inventory.stock.observations import Observation, Verdict
from skumap.models import SkuMapping
from wms.models import Connection, Warehouse

__all__ = ["Applied", "Observation", "apply", "mark_due"]

logger = structlog.get_logger(__name__)

_READ = "UPDATE inventory_cache SET read_at = now() WHERE id = ANY(%s)"

_SEEN = """
WITH seen AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(items)s::text[], %(newer)s::boolean[], %(available)s::int[],
                         %(on_hand)s::int[], %(observed_at)s::timestamptz[], %(sequence)s::bigint[],
                         %(moved_by)s::int[], %(valid_at)s::timestamptz[])
        AS seen (id, item, is_newer, available, on_hand, observed_at, sequence, moved_by, valid_at)),
"""

# An available quantity is net of an order from its acceptance on. So open reservations become netted ("counted"), and
# those of units that left are deleted. `units` are those that the quantity is net of by now, `freed` those that
# `reserved` no longer contains.
_NET_AVAILABLE = """
counted AS (
    UPDATE inventory_reservation AS open SET state = 'counted' FROM seen
    WHERE open.level_id = seen.id AND state = 'held' AND shipped_at IS NULL AND accepted_at <= valid_at
    RETURNING open.level_id, quantity AS units, quantity AS freed),
gone AS (
    DELETE FROM inventory_reservation AS gone USING seen
    WHERE gone.level_id = seen.id AND shipped_at IS NOT NULL AND accepted_at <= valid_at
    RETURNING gone.level_id, quantity AS units, quantity AS freed),
changed AS (TABLE counted UNION ALL TABLE gone),
"""

# An on-hand quantity is net of an order from its shipment on. A netted reservation of units that have not left is from
# the time before the connection's basis was changed; it becomes pending ("held") again.
_NET_ON_HAND = """
held AS (
    UPDATE inventory_reservation AS open SET state = 'held' FROM seen
    WHERE open.level_id = seen.id AND state = 'counted'
    RETURNING open.level_id, 0 AS units, -quantity AS freed),
gone AS (
    DELETE FROM inventory_reservation AS gone USING seen
    WHERE gone.level_id = seen.id AND shipped_at <= valid_at
    RETURNING gone.level_id, quantity AS units, quantity AS freed),
changed AS (TABLE held UNION ALL TABLE gone),
"""

# Store what is newer, and what became of the reservations. A level is marked for a push, as in `effects`, unless its
# quantity moved by exactly the units that it is net of by now: then as many units as before are left for others. Units
# of the same item that were reserved for another shop on this shelf count too.
_STORE = """
settled AS (
    SELECT level_id, sum(units)::int AS units, sum(freed)::int AS freed FROM changed GROUP BY level_id),
of_item AS (
    SELECT seen.item, sum(settled.units)::int AS units FROM settled JOIN seen ON seen.id = settled.level_id
    GROUP BY seen.item),
told AS (
    SELECT seen.*, settled.units, COALESCE(settled.freed, 0) AS freed,
           seen.moved_by + COALESCE(of_item.units, 0) IS DISTINCT FROM 0 AS is_due
    FROM seen LEFT JOIN settled ON settled.level_id = seen.id LEFT JOIN of_item ON of_item.item = seen.item)
UPDATE inventory_cache AS level
SET available = told.available, on_hand = told.on_hand, observed_at = told.observed_at, sequence = told.sequence,
    reserved = level.reserved - told.freed, updated_at = now(),
    push_due_since = CASE WHEN NOT is_due THEN push_due_since WHEN push_compares THEN now()
                          ELSE COALESCE(push_due_since, now()) END,
    push_compares = push_compares AND NOT is_due,
    push_marked_at = CASE WHEN is_due THEN clock_timestamp() ELSE push_marked_at END
FROM told WHERE level.id = told.id AND (told.is_newer OR told.is_due OR told.units IS NOT NULL)
RETURNING level.id, level.reserved, told.units, told.is_due
"""


@dataclass(frozen=True)
class Applied:
    """The result of applying observations, in levels (one item on a shelf that serves two shops is two levels)."""

    changed: int = 0
    stale: int = 0
    unchanged: int = 0
    unusable: int = 0  # without the quantity that the connection's basis needs
    unexplained: tuple[str, ...] = ()  # items whose quantity moved, but not by our own orders


@dataclass(frozen=True)
class _Stored:
    """A level that was written: its `reserved` by now, the units of reservations that its quantity is net of by now
    (None = it had none), and whether Shopify is to be told."""

    level_id: int
    reserved: int
    units: int | None
    is_due: bool


def apply(warehouse: Warehouse, seen: Iterable[Observation], *, source: str) -> Applied:
    """Store the observations that are newer than what we know, for this warehouse and all that share its shelves.

    Reservations that a new quantity takes into account are no longer subtracted. Where other units are left for others
    than before, the level is marked for a push, and jobs that wait for stock are woken. `source` is for the log. One
    transaction, with a constant number of queries.
    """
    basis = warehouse.connection.stock_basis
    newest = observations.newest_per_item(seen, now=timezone.now())
    usable = {item: each for item, each in newest.items() if each.quantity(basis) is not None}
    with transaction.atomic():
        applied = _apply_usable(warehouse, usable) if usable else Applied()
        unusable = newest.keys() - usable.keys()
        if unusable:
            alerts.stock_figure_missing(warehouse, unusable)
    applied = replace(applied, unusable=len(unusable))
    logger.info(
        "stock_applied",
        warehouse=warehouse.pk,
        source=source,
        changed=applied.changed,
        unchanged=applied.unchanged,
        stale=applied.stale,
    )
    return applied


def mark_due(warehouse_id: int, item_codes: Collection[str]) -> None:
    """Mark these items for a push (a fulfilment was created, or a person asks for it). Unknown items are ignored.

    It takes locks, so call it after everything else that locks levels in the same transaction.
    """
    with transaction.atomic(savepoint=False):
        effects.mark_for_push(locking.lock(places=[(warehouse_id, item) for item in set(item_codes)]))


def mark_fulfilled(warehouse_id: int, item_codes: Collection[str], *, since: datetime) -> None:
    """Mark those of these items for a push that need one after a fulfilment, which a call made since `since`.

    It was made at the warehouse's own location, and what is committed there by now is noted in the same transaction.
    Shopify takes the units off what it has committed, and we take them off the commitments, so its figure stays right.
    But a push that looked between the two found too little committed. It takes locks, as `mark_due` does.
    """
    effects.mark_if_pushed_since(warehouse_id, item_codes, since=since)


def mark_products_due(
    shop_id: int, *, variants: Collection[int], locations: Collection[int] | None = None
) -> None:
    """Mark the items of these variants for a push at these Shopify locations (None = everywhere).

    It serves what Shopify books by itself: Shopify returns a moved or cancelled unit to the ordered variant, but not to
    a kit or pack of the same items. It also serves variants whose mapping changed. It opens a transaction of its own,
    so call it outside any other.
    """
    warehouses = Warehouse.objects.filter(shop_id=shop_id)
    if locations is not None:
        warehouses = warehouses.filter(shopify_location_id__in=locations)
    places = SkuMapping.objects.filter(
        warehouse__in=warehouses, shopify_variant_id__in=variants, is_active=True
    ).values_list("warehouse_id", "wms_item_code")
    found = set(places)
    if found:
        with transaction.atomic():
            effects.mark_for_push(locking.lock(places=found))


def _apply_usable(warehouse: Warehouse, usable: Mapping[str, Observation]) -> Applied:
    """Store what is newer, update the reservations by it, and do what follows. Joins the caller's transaction."""
    before = locking.lock_or_create(
        connection_id=warehouse.connection_id,
        wms_warehouse_code=warehouse.wms_warehouse_code,
        items=usable.keys(),
    )
    verdicts = {level.id: observations.judge(level, usable[level.item_code]) for level in before}
    newer = {
        level.id: _updated(level, usable[level.item_code])
        for level in before
        if verdicts[level.id] is Verdict.NEWER
    }
    valid = [level for level in before if verdicts[level.id] is not Verdict.OLDER]
    moved = _moved(before, newer.values())
    after = [newer.get(level.id, level) for level in before]
    stored = _store(newer, moved, basis=warehouse.connection.stock_basis, valid=valid, seen=usable)
    _note_read([level.id for level in before if usable[level.item_code].known_at])
    reserved = {each.level_id: each.reserved for each in stored.values()}
    due = {each.level_id for each in stored.values() if each.is_due}
    effects.request_push(after, due=due, reserved=reserved)
    effects.wake_waiters(before, after, reserved=reserved)
    netted = {each.level_id: each.units for each in stored.values() if each.units is not None}
    return Applied(
        changed=len(moved),
        stale=len(before) - len(valid),
        unchanged=len(valid) - len(moved),
        unexplained=_unexplained(before, moved, netted),
    )


def _updated(level: LockedLevel, seen: Observation) -> LockedLevel:
    """Return the level with the observed values.

    A quantity that the WMS did not report stays. If it gave no sequence, later observations are ordered by time.
    """
    available = level.available if seen.available is None else seen.available
    on_hand = level.on_hand if seen.on_hand is None else seen.on_hand
    return replace(
        level, available=available, on_hand=on_hand, observed_at=seen.observed_at, sequence=seen.sequence
    )


def _store(
    newer: Mapping[int, LockedLevel],
    moved: Mapping[int, int],
    *,
    basis: str,
    valid: Collection[LockedLevel],
    seen: Mapping[str, Observation],
) -> dict[int, _Stored]:
    """Store the newer quantities, and stop subtracting the reservations that valid ones are net of.

    Returns the levels that were written, by id.
    """
    if not valid:
        return {}
    now = [newer.get(level.id, level) for level in valid]
    columns: dict[str, list[Any]] = {
        name: [getattr(level, name) for level in now]
        for name in ("available", "on_hand", "observed_at", "sequence")
    }
    columns |= {
        "ids": [level.id for level in valid],
        "items": [level.item_code for level in valid],
        "newer": [level.id in newer for level in valid],
        "moved_by": [None if level.observed_at is None else moved.get(level.id, 0) for level in valid],
        "valid_at": [seen[level.item_code].valid_at for level in valid],
    }
    net = _NET_ON_HAND if basis == Connection.StockBasis.ON_HAND else _NET_AVAILABLE
    with connection.cursor() as cursor:
        cursor.execute(_SEEN + net + _STORE, columns)
        return {row[0]: _Stored(*row) for row in cursor.fetchall()}


def _note_read(level_ids: Collection[int]) -> None:
    """Note that a reading named the levels, even if nothing changed; a level that no reading names goes stale."""
    if level_ids:
        with connection.cursor() as cursor:
            cursor.execute(_READ, [list(level_ids)])


def _moved(before: Iterable[LockedLevel], newer: Iterable[LockedLevel]) -> dict[int, int]:
    """Return by how much the quantity of each level moved; a first quantity counts as a move even if it is 0."""
    now = {level.id: level for level in newer}
    return {
        level.id: now[level.id].quantity - level.quantity
        for level in before
        if level.id in now and (level.observed_at is None or now[level.id].quantity != level.quantity)
    }


def _unexplained(
    before: Iterable[LockedLevel], moved: Mapping[int, int], netted: Mapping[int, int]
) -> tuple[str, ...]:
    """Return the items whose quantity moved by another amount than the orders explain that it is net of since then.

    An item that was not observed before is left out.
    """
    ours: defaultdict[str, int] = defaultdict(int)
    known = [level for level in before if level.observed_at is not None]
    for level in known:
        ours[level.item_code] += netted.get(level.id, 0)
    return tuple(sorted({x.item_code for x in known if x.id in moved and moved[x.id] != -ours[x.item_code]}))
