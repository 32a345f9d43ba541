"""What the WMS says there is: `apply` is the only writer of a level's figures, and an older figure never wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog
from django.db import connection, transaction
from django.utils import timezone

from inventory.stock import effects, locking, observations
from inventory.stock.locking import LockedLevel
from inventory.stock.observations import Observation, Verdict
from ops.alerting.alerts import raise_alert
from skumap.models import SkuMapping
from wms.models import Connection, Warehouse

__all__ = ["Applied", "Observation", "apply", "mark_due"]

logger = structlog.get_logger(__name__)

FIGURE_MISSING = "stock_figure_missing"

_STORE = """
UPDATE inventory_cache AS level
SET available = new.available, on_hand = new.on_hand, observed_at = new.observed_at, sequence = new.sequence,
    updated_at = now()
FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::timestamptz[], %s::bigint[])
    AS new (id, available, on_hand, observed_at, sequence)
WHERE level.id = new.id
"""

_READ = "UPDATE inventory_cache SET read_at = now() WHERE id = ANY(%s)"

# An available figure knows of an order from its acceptance on: what is still open is in it from now on (counted), and
# what has left meanwhile needs no memory any more.
_SETTLE_AVAILABLE = """
WITH known AS (SELECT * FROM unnest(%s::bigint[], %s::timestamptz[]) AS known (level_id, holds_at)),
counted AS (
    UPDATE inventory_reservation AS open SET state = 'counted' FROM known
    WHERE open.level_id = known.level_id AND state = 'held' AND shipped_at IS NULL AND accepted_at <= holds_at
    RETURNING open.level_id, quantity),
gone AS (
    DELETE FROM inventory_reservation AS gone USING known
    WHERE gone.level_id = known.level_id AND shipped_at IS NOT NULL AND accepted_at <= holds_at
    RETURNING gone.level_id, quantity)
SELECT level_id, sum(quantity) FROM (TABLE counted UNION ALL TABLE gone) AS settled GROUP BY level_id
"""

# An on-hand figure knows of an order from its shipment on. Nothing is ever counted in it before; rows that say so are
# from the time before the connection's basis was changed.
_SETTLE_ON_HAND = """
WITH known AS (SELECT * FROM unnest(%s::bigint[], %s::timestamptz[]) AS known (level_id, holds_at)),
held AS (
    UPDATE inventory_reservation AS open SET state = 'held' FROM known
    WHERE open.level_id = known.level_id AND state = 'counted'
    RETURNING open.level_id, 0 AS quantity),
gone AS (
    DELETE FROM inventory_reservation AS gone USING known
    WHERE gone.level_id = known.level_id AND shipped_at <= holds_at
    RETURNING gone.level_id, quantity)
SELECT level_id, sum(quantity) FROM (TABLE held UNION ALL TABLE gone) AS settled GROUP BY level_id
"""


@dataclass(frozen=True)
class Applied:
    """What became of observations, counted in levels (one item on a shelf that serves two shops is two levels)."""

    changed: int = 0
    stale: int = 0
    unchanged: int = 0
    unusable: int = 0  # without the figure that the connection's basis needs
    unexplained: tuple[str, ...] = ()  # items that moved by other than our own orders


def apply(warehouse: Warehouse, seen: Iterable[Observation], *, source: str) -> Applied:
    """Take over what is newer than what we know, at this warehouse and at all that share its shelves.

    A figure that knows of accepted orders ends their holds. What changed is marked to be pushed, and what waits for
    stock is woken. `source` is for the log. One transaction, whose queries do not grow with the observations.
    """
    basis = warehouse.connection.stock_basis
    newest = observations.newest_per_item(seen, now=timezone.now())
    usable = {item: each for item, each in newest.items() if each.figure(basis) is not None}
    with transaction.atomic():
        applied = _apply_usable(warehouse, usable) if usable else Applied()
        unusable = newest.keys() - usable.keys()
        if unusable:
            _report_unusable(warehouse, unusable)
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
    """Have Shopify told of these items anew (a fulfilment was created, a person asks). Unknown items are ignored.

    Takes locks: call it after everything else that locks levels in the same transaction.
    """
    with transaction.atomic():
        effects.ask_for_push(locking.lock(places=[(warehouse_id, item) for item in set(item_codes)]))


def mark_products_due(
    shop_id: int, *, variants: Collection[int], locations: Collection[int] | None = None
) -> None:
    """Have Shopify's figures looked at anew for all that shares items with these variants at these Shopify locations
    (None = everywhere).

    For what Shopify books by itself: it gives a moved or cancelled unit back to the variant that was ordered, never to
    a kit or pack of the same items; and for variants that were mapped anew. A transaction of its own: call it outside
    any other.
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
            effects.ask_for_push(locking.lock(places=found))


def _apply_usable(warehouse: Warehouse, usable: Mapping[str, Observation]) -> Applied:
    before = locking.lock_or_create(
        connection_id=warehouse.connection_id,
        wms_warehouse_code=warehouse.wms_warehouse_code,
        items=usable.keys(),
    )
    verdicts = {level.id: observations.judge(level, usable[level.item_code]) for level in before}
    fresh = [_told(level, usable[level.item_code]) for level in before if verdicts[level.id] is Verdict.NEWER]
    if fresh:
        _store(fresh)
    _note_read([level.id for level in before if usable[level.item_code].known_at])
    heard = [level for level in before if verdicts[level.id] is not Verdict.OLDER]
    settled = _settle(warehouse.connection.stock_basis, heard, usable)
    moved = _moved(before, fresh)
    after = list(({level.id: level for level in before} | {level.id: level for level in fresh}).values())
    reserved = effects.recount(settled.keys()) if settled else {}
    effects.ask_for_push([level for level in after if level.id in moved or level.id in settled])
    effects.wake_waiters(before, after, reserved=reserved)
    stale = len(before) - len(heard)
    return Applied(
        changed=len(moved),
        stale=stale,
        unchanged=len(before) - stale - len(moved),
        unexplained=_unexplained(before, moved, settled),
    )


def _told(level: LockedLevel, seen: Observation) -> LockedLevel:
    """The level with the news. What the WMS did not say stays; without a sequence, order is by time from here on."""
    available = level.available if seen.available is None else seen.available
    on_hand = level.on_hand if seen.on_hand is None else seen.on_hand
    return replace(
        level, available=available, on_hand=on_hand, observed_at=seen.observed_at, sequence=seen.sequence
    )


def _store(levels: Collection[LockedLevel]) -> None:
    columns = [(each.id, each.available, each.on_hand, each.observed_at, each.sequence) for each in levels]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [list(column) for column in zip(*columns, strict=True)])


def _note_read(level_ids: Collection[int]) -> None:
    """A reading named them, also where it says what was known: what none names any more goes stale."""
    if level_ids:
        with connection.cursor() as cursor:
            cursor.execute(_READ, [list(level_ids)])


def _settle(basis: str, levels: Collection[LockedLevel], seen: Mapping[str, Observation]) -> dict[int, int]:
    """End the holds that the figures know of; returns level id -> units, only where there were any."""
    holds_at = [seen[level.item_code].holds_at for level in levels]
    query = _SETTLE_ON_HAND if basis == Connection.StockBasis.ON_HAND else _SETTLE_AVAILABLE
    with connection.cursor() as cursor:
        cursor.execute(query, [[level.id for level in levels], holds_at])
        return {level_id: int(units) for level_id, units in cursor.fetchall()}


def _moved(before: Iterable[LockedLevel], fresh: Iterable[LockedLevel]) -> dict[int, int]:
    """Level id -> by how much its figure moved; a first figure counts as a move also when it is 0."""
    now = {level.id: level for level in fresh}
    return {
        level.id: now[level.id].figure - level.figure
        for level in before
        if level.id in now and (level.observed_at is None or now[level.id].figure != level.figure)
    }


def _unexplained(
    before: Iterable[LockedLevel], moved: Mapping[int, int], settled: Mapping[int, int]
) -> tuple[str, ...]:
    """Items known before whose figure moved by other than the orders that it knows of since."""
    ours: defaultdict[str, int] = defaultdict(int)
    known = [level for level in before if level.observed_at is not None]
    for level in known:
        ours[level.item_code] += settled.get(level.id, 0)
    return tuple(sorted({x.item_code for x in known if x.id in moved and moved[x.id] != -ours[x.item_code]}))


def _report_unusable(warehouse: Warehouse, items: Collection[str]) -> None:
    account = warehouse.connection
    raise_alert(
        FIGURE_MISSING,
        subject=f"connection:{account.slug}",
        title=f"{account.slug} reports stock without the figure that counts",
        meaning=(
            f"The connection's stock basis is “{account.get_stock_basis_display()}”, but reports for {len(items)} "
            f"items at {warehouse.wms_warehouse_code} lack it (e.g. {min(items)}). Their stock is not followed."
        ),
        action="Set the connection's stock basis to the figure this WMS reports, or ask the vendor to report it.",
    )
