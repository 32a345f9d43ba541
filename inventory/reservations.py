"""Units promised to WMS orders. `StockLevel.reserved` is always the sum of a level's held reservations.

How a promise lives, by the connection's stock basis:

- *available* (the WMS's figure is net of orders it has): HELD until a figure comes that holds after the WMS accepted
  the order, COUNTED from then on, gone with the shipment.
- *on hand* (the figure falls when goods leave): HELD until a figure comes that holds after the shipment.

Free = figure - reserved, where `reserved` is that of all levels that are views of the same shelf.
All functions join the caller's transaction. They lock levels, then the shop's push job, then the advisory locks of
wakes: call one of them, once, and after other locks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import Case, Exists, F, IntegerField, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from inventory import commitments
from inventory.models import Reservation, StockLevel
from inventory.stock import effects, locking
from inventory.stock.locking import LockedLevel, Place
from wms.models import Connection, Warehouse

logger = structlog.get_logger(__name__)

HELD, COUNTED = Reservation.State.HELD, Reservation.State.COUNTED


@dataclass(frozen=True)
class Need:
    """Units of an item wanted from a warehouse."""

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
    """Free units of each row of a StockLevel queryset, as the database works them out."""
    on_hand = When(
        warehouse__connection__stock_basis=Connection.StockBasis.ON_HAND, then=Coalesce(F("on_hand"), 0)
    )
    shelf = StockLevel.objects.filter(
        item_code=OuterRef("item_code"),
        warehouse__connection_id=OuterRef("warehouse__connection_id"),
        warehouse__wms_warehouse_code=OuterRef("warehouse__wms_warehouse_code"),
    )
    promised = shelf.order_by().values("item_code").annotate(total=Sum("reserved")).values("total")
    figure = Case(on_hand, default=F("available"), output_field=IntegerField())
    return Greatest(Value(0), figure - Subquery(promised, output_field=IntegerField()))


def free(warehouse_ids: Iterable[int], item_codes: Iterable[str]) -> dict[Place, int]:
    """(warehouse id, item code) -> units not promised to anybody, for every combination; unknown = 0. One query."""
    warehouses, items = set(warehouse_ids), set(item_codes)
    rows = StockLevel.objects.filter(warehouse_id__in=warehouses, item_code__in=items)
    known = rows.annotate(free=free_expression()).values_list("warehouse_id", "item_code", "free")
    return {(w, i): 0 for w in warehouses for i in items} | {(w, i): units for w, i, units in known}


def never_reported(places: Iterable[Place]) -> frozenset[Place]:
    """Of these, the items that the warehouse's WMS never named, though it reports stock of others there.

    One query, none for no places. A warehouse of which nothing was read yet has no strange items.
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


def reserve(reference: str, needs: Iterable[Need]) -> list[Shortage]:
    """Have `reference` hold exactly these needs (units not shipped yet), or change nothing and say what is short.

    Safe to repeat. A need at an unknown level is short. When it is short, no lock is kept. ValueError: a need below 1.
    """
    wanted: Counter[Place] = Counter()
    for need in needs:
        if need.quantity < 1:
            raise ValueError(f"a need of {need.quantity} × {need.item_code}")
        wanted[need.warehouse_id, need.item_code] += need.quantity
    with transaction.atomic():
        levels = locking.lock(places=wanted.keys(), references=[reference])
        held = {row.level_id: row for row in _open_rows(reference)}
        shortages = _shortages(wanted, levels, held)
        if shortages:
            transaction.set_rollback(True)
            return shortages
        if _hold(reference, wanted, levels, held):
            _follow_up(levels, promised=[level.id for level in levels if level.place in wanted])
    return []


def confirm(reference: str) -> int:
    """The WMS accepted the order: figures that hold from now on know of it. Returns how many rows; one query."""
    unconfirmed = Reservation.objects.filter(reference=reference, accepted_at__isnull=True)
    return unconfirmed.update(accepted_at=Now())


def release(*references: str) -> int:
    """The orders are cancelled or rejected: what is still open is free again. Returns how many rows there were.

    Units that the WMS's figure had been net of come back with its next figure.
    """
    with transaction.atomic():
        levels = locking.lock(references=references)
        deleted, _ = _open_rows(*references).delete()
        commitments.forget(*references)
        if deleted:
            _follow_up(levels)
    return deleted


def ship(reference: str, quantities: Mapping[str, int], *, shipped_at: datetime | None = None) -> None:
    """Item code -> units left the warehouse at `shipped_at` (the WMS's time; None = now). More than held is ignored.

    Where the level's figure still contains the units they stay held, as a row of their own, until a figure knows.
    """
    now = timezone.now()
    left = Counter(quantities)
    with transaction.atomic():
        levels = {level.id: level for level in locking.lock(references=[reference])}
        smaller: list[Reservation] = []
        empty: list[Reservation] = []
        gone: list[Reservation] = []
        for row in _open_rows(reference).order_by("level_id"):
            level = levels[row.level_id]
            units = min(row.quantity, left[level.item_code])
            if units <= 0:
                continue
            left[level.item_code] -= units
            gone += _still_in_figure(row, units, level=level, shipped_at=min(shipped_at or now, now))
            row.quantity -= units
            (smaller if row.quantity else empty).append(row)
        Reservation.objects.bulk_update(smaller, ["quantity"])
        Reservation.objects.filter(pk__in=[row.pk for row in empty]).delete()
        Reservation.objects.bulk_create(gone)
        _follow_up(levels.values())
    if +left:
        logger.warning("shipped_more_than_reserved", reference=reference, units=dict(+left))


def _open_rows(*references: str) -> QuerySet[Reservation]:
    return Reservation.objects.filter(reference__in=references, shipped_at__isnull=True)


def _still_in_figure(
    row: Reservation, units: int, *, level: LockedLevel, shipped_at: datetime
) -> list[Reservation]:
    """The row that remembers units gone, if the level's figure does not know that they are not for others."""
    accepted_at = row.accepted_at or shipped_at
    known_from = shipped_at if level.stock_basis == Connection.StockBasis.ON_HAND else accepted_at
    if row.state == COUNTED or (level.observed_at is not None and level.observed_at >= known_from):
        return []
    return [
        Reservation(
            level_id=row.level_id,
            reference=row.reference,
            quantity=units,
            accepted_at=accepted_at,
            shipped_at=shipped_at,
        )
    ]


def _shortages(
    wanted: Mapping[Place, int], levels: Collection[LockedLevel], held: Mapping[int, Reservation]
) -> list[Shortage]:
    by_place = {level.place: level for level in levels}
    units = locking.free_units(levels)
    short = []
    for (warehouse, item), quantity in wanted.items():
        level = by_place.get((warehouse, item))
        row = held.get(level.id) if level else None
        free_here = units[level.id] if level else 0
        if quantity - (row.quantity if row else 0) > free_here:
            own = row.quantity if row and row.state == HELD else 0
            short.append(Shortage(warehouse, item, wanted=quantity, free=free_here + own))
    return short


def _hold(
    reference: str,
    wanted: Mapping[Place, int],
    levels: Iterable[LockedLevel],
    held: Mapping[int, Reservation],
) -> bool:
    """Bring the open rows to exactly what is wanted; False when they were. Constant number of queries."""
    ids = {level.place: level.id for level in levels}
    needed = {ids[place]: quantity for place, quantity in wanted.items()}
    new = [
        Reservation(level_id=level_id, reference=reference, quantity=quantity)
        for level_id, quantity in needed.items()
        if level_id not in held
    ]
    changed = [
        _resized(row, needed[i]) for i, row in held.items() if needed.get(i, row.quantity) != row.quantity
    ]
    surplus = [row.pk for level_id, row in held.items() if level_id not in needed]
    if new:
        Reservation.objects.bulk_create(new)
    if changed:
        Reservation.objects.bulk_update(changed, ["quantity", "state", "accepted_at"])
    if surplus:
        Reservation.objects.filter(pk__in=surplus).delete()
    return bool(new or changed or surplus)


def _resized(row: Reservation, quantity: int) -> Reservation:
    """More than before: no figure knows of it until it is confirmed again, so it is held anew as a whole."""
    if quantity > row.quantity:
        row.state, row.accepted_at = HELD, None
    row.quantity = quantity
    return row


def _follow_up(levels: Collection[LockedLevel], *, promised: Collection[int] = ()) -> None:
    reserved = effects.recount([level.id for level in levels], promised=promised)
    effects.ask_for_push(levels)
    effects.wake_waiters(levels, levels, reserved=reserved)
