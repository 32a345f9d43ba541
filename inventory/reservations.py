"""Units reserved for WMS orders. `StockLevel.reserved` is always the sum of a level's pending reservations.

The states of a reservation depend on the connection's stock basis:

- *available* (the WMS's quantity is already without the orders that it has): a reservation is PENDING until a quantity
  arrives that is valid after the WMS accepted the order. It is NETTED from then on, and is deleted with the shipment.
- *on hand* (the quantity falls when goods leave): a reservation is PENDING until a quantity arrives that is valid after
  the shipment.

Free units = quantity - reserved, where `reserved` is summed over all levels of the same physical shelf.
All functions join the caller's transaction. They lock levels, then the shop's push job, then the advisory locks of
wakes. So call only one of them in a transaction, once, and after all other locks.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import Case, Exists, F, IntegerField, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from inventory import commitments
from inventory.models import Reservation, StockLevel
from inventory.stock import effects, locking
from inventory.stock.locking import LockedLevel, Place
from wms.models import Connection, Warehouse

logger = structlog.get_logger(__name__)

_CONFIRM = """
UPDATE inventory_reservation SET accepted_at = statement_timestamp() WHERE reference = %s AND accepted_at IS NULL
"""

PENDING = Reservation.State.PENDING


@dataclass(frozen=True)
class Need:
    """Units of an item that a warehouse is to send."""

    warehouse_id: int
    item_code: str
    quantity: int  # WMS item units


@dataclass(frozen=True)
class Shortage:
    """A need that cannot be met."""

    warehouse_id: int
    item_code: str
    wanted: int
    free: int


def free_expression() -> Greatest:
    """Return the expression that computes the free units of each row of a StockLevel queryset."""
    on_hand = When(
        warehouse__connection__stock_basis=Connection.StockBasis.ON_HAND, then=Coalesce(F("on_hand"), 0)
    )
    shelf = StockLevel.objects.filter(
        item_code=OuterRef("item_code"),
        warehouse__connection_id=OuterRef("warehouse__connection_id"),
        warehouse__wms_warehouse_code=OuterRef("warehouse__wms_warehouse_code"),
    )
    reserved = shelf.order_by().values("item_code").annotate(total=Sum("reserved")).values("total")
    quantity = Case(on_hand, default=F("available"), output_field=IntegerField())
    return Greatest(Value(0), quantity - Subquery(reserved, output_field=IntegerField()))


def free(warehouse_ids: Iterable[int], item_codes: Iterable[str]) -> dict[Place, int]:
    """Return the free units of every combination of warehouse and item; an unknown level has 0. One query
    at most."""
    places = set(itertools.product(warehouse_ids, item_codes))
    levels = locking.look(places) if places else []
    units = locking.free_units(levels)
    return dict.fromkeys(places, 0) | {
        level.place: units[level.id] for level in levels if level.place in places
    }


def never_reported(places: Iterable[Place]) -> frozenset[Place]:
    """Return those of the places whose item the WMS never named, although it reports other items of the warehouse.

    A warehouse of which nothing was read yet is left out. One query; none if there are no places.
    """
    asked = set(places)
    if not asked:
        return frozenset()
    warehouses = {warehouse for warehouse, _ in asked}
    levels = StockLevel.objects.filter(warehouse_id=OuterRef("pk"))
    items = sorted({item for _, item in asked})
    rows = Warehouse.objects.filter(Exists(levels), pk__in=warehouses).annotate(
        named=ArraySubquery(levels.filter(item_code__in=items).values("item_code"))
    )
    named = dict(rows.values_list("pk", "named"))
    return frozenset((w, item) for w, item in asked if w in named and item not in named[w])


def reserve_new(
    reference: str, needs: Iterable[Need], *, committed: Mapping[Place, int] | None = None
) -> list[Shortage]:
    """Reserve these needs for a `reference` that has no reservation yet; or change nothing and return what is short.

    `committed`: the item units that Shopify has committed for it, which are noted as in `inventory.commitments`.
    A need at an unknown level is short. The locks are kept in any case. Raises ValueError if a need is below 1. Takes
    two statements, whatever the number of needs, and one for each shop that hears of it.
    """
    wanted = _wanted(needs)
    levels = locking.lock(places=wanted.keys())
    shortages = _shortages(wanted, levels, {})
    if not shortages:
        ids = {level.place: level.id for level in levels}
        effects.reserve(
            reference,
            {ids[place]: units for place, units in wanted.items()},
            committed={ids[place]: units for place, units in (committed or {}).items() if place in wanted},
            pools=levels,
        )
    return shortages


def reserve(reference: str, needs: Iterable[Need]) -> list[Shortage]:
    """Reserve exactly these needs (units not shipped yet) for `reference`; or change nothing and return what is short.

    It is safe to repeat. A need at an unknown level is short. If anything is short, no lock is kept. Raises ValueError
    if a need is below 1.
    """
    wanted = _wanted(needs)
    with transaction.atomic():
        levels = locking.lock(places=wanted.keys(), references=[reference])
        existing = {row.level_id: row for row in _open_rows(reference)}
        shortages = _shortages(wanted, levels, existing)
        if shortages:
            transaction.set_rollback(True)
            return shortages
        ids = {level.place: level.id for level in levels}
        needed = {ids[place]: quantity for place, quantity in wanted.items()}
        if _set_reservations(reference, needed, existing):
            _follow_up(levels, sold=needed.keys())
    return []


def _wanted(needs: Iterable[Need]) -> Counter[Place]:
    """The needs by place. Raises ValueError if one is below 1."""
    wanted: Counter[Place] = Counter()
    for need in needs:
        if need.quantity < 1:
            raise ValueError(f"a need of {need.quantity} × {need.item_code}")
        wanted[need.warehouse_id, need.item_code] += need.quantity
    return wanted


def confirm(reference: str) -> int:
    """Note that the WMS accepted the order, so that quantities valid from now on are net of it. Returns the rows."""
    with connection.cursor() as cursor:
        cursor.execute(_CONFIRM, [reference])
        return int(cursor.rowcount)


def release(*references: str) -> int:
    """Free what is still reserved for orders that were cancelled or refused. Returns the number of rows.

    Netted units come back with the WMS's next quantity.
    """
    with transaction.atomic():
        levels = locking.lock(references=references)
        deleted, _ = _open_rows(*references).delete()
        commitments.forget(*references)
        if deleted:
            _follow_up(levels)
    return deleted


def ship(reference: str, quantities: Mapping[str, int], *, shipped_at: datetime | None = None) -> None:
    """Note that units (by item code) left the warehouse at `shipped_at`, the WMS's time; None means now.

    Units beyond the reservations are ignored. Where the level's quantity still contains the units, they stay reserved,
    as a row of their own, until a quantity arrives without them. Nothing is pushed unless other units are free now.
    Takes two statements then, whatever the number of items.
    """
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        levels = locking.lock(references=[reference])
        taken, frees = effects.ship(
            reference, quantities, shipped_at=min(shipped_at or now, now), levels=levels
        )
        if frees:
            _follow_up(levels)
    if beyond := Counter(quantities) - taken:
        logger.warning("shipped_more_than_reserved", reference=reference, units=dict(beyond))


def _open_rows(*references: str) -> QuerySet[Reservation]:
    return Reservation.objects.filter(reference__in=references, shipped_at__isnull=True)


def _shortages(
    wanted: Mapping[Place, int], levels: Collection[LockedLevel], existing: Mapping[int, Reservation]
) -> list[Shortage]:
    """Return the places where the free units do not suffice for what the order wants beyond what it has reserved."""
    by_place = {level.place: level for level in levels}
    units = locking.free_units(levels)
    short = []
    for (warehouse, item), quantity in wanted.items():
        level = by_place.get((warehouse, item))
        row = existing.get(level.id) if level else None
        free_here = units[level.id] if level else 0
        if quantity - (row.quantity if row else 0) > free_here:
            own = row.quantity if row and row.state == PENDING else 0
            short.append(Shortage(warehouse, item, wanted=quantity, free=free_here + own))
    return short


def _set_reservations(reference: str, needed: Mapping[int, int], existing: Mapping[int, Reservation]) -> bool:
    """Make the open rows reserve exactly what is needed of each level (by id); return whether anything changed.

    The number of queries does not grow with the needs.
    """
    new = [
        Reservation(level_id=level_id, reference=reference, quantity=quantity)
        for level_id, quantity in needed.items()
        if level_id not in existing
    ]
    changed = [
        _resized(row, needed[i]) for i, row in existing.items() if needed.get(i, row.quantity) != row.quantity
    ]
    surplus = [row.pk for level_id, row in existing.items() if level_id not in needed]
    if new:
        Reservation.objects.bulk_create(new)
    if changed:
        Reservation.objects.bulk_update(changed, ["quantity", "state", "accepted_at"])
    if surplus:
        Reservation.objects.filter(pk__in=surplus).delete()
    return bool(new or changed or surplus)


def _resized(row: Reservation, quantity: int) -> Reservation:
    """Change the quantity of a row; if it grew, the whole row is pending until the WMS accepts the order again."""
    if quantity > row.quantity:
        row.state, row.accepted_at = PENDING, None
    row.quantity = quantity
    return row


def _follow_up(levels: Collection[LockedLevel], *, sold: Collection[int] = ()) -> None:
    reserved = effects.recount([level.id for level in levels], sold=sold)
    effects.mark_for_push(levels, reserved=reserved)
    effects.wake_waiters(levels, levels, reserved=reserved)
