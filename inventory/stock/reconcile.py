"""Reads from a WMS what changed since the watermark, and applies it as its events are applied.

So an event that never came is made up for. Each run of the job reads one page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Now

from inventory import alerts, jobs
from inventory.models import Watermark
from inventory.stock import levels
from inventory.stock.levels import Observation
from ops.errors import Permanent
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import Capability, StockReading
from wms.models import Connection, Warehouse
from wms.refs import unknown_warehouse_subject

logger = structlog.get_logger(__name__)

PAGE_SIZE = 500

OVERLAP = timedelta(minutes=5)
"""Each run reads this time before the watermark again, because clocks differ and a WMS may commit late."""

FULL_READ_EVERY = timedelta(days=1)
"""A delta does not name items whose stock did not move, although we may need them: for a new warehouse, or for units
that left before we knew of it."""


@dataclass(frozen=True)
class Page:
    """The result of one page. `read` counts items at warehouses; the other numbers count levels."""

    read: int = 0
    changed: int = 0
    stale: int = 0
    unchanged: int = 0
    unusable: int = 0
    drift: int = 0  # items that moved without an event, and not by our own orders
    unknown_warehouses: tuple[str, ...] = ()
    done: bool = True  # the last page: the watermark has moved


@dataclass(frozen=True)
class Run:
    """The run in progress, and the time at which this page is requested."""

    watermark_id: int
    since: datetime | None  # None = everything
    cursor: str
    started_at: datetime | None
    asked_at: datetime


def reconcile(connection: Connection, *, full: bool = False) -> Page:
    """Read one page from the connection's WMS and apply it.

    `full` ignores the watermark; it ends a run in progress that reads only what changed. The function calls the WMS, so
    it must not be in a transaction. It raises the adapter's errors; after a Permanent one the run starts again.
    """
    run = _begin(connection, full=full)
    try:
        answer = adapter_for(connection).stock(
            updated_since=run.since, cursor=run.cursor or None, limit=PAGE_SIZE
        )
    except Permanent:
        _at(run).update(cursor="", started_at=None)
        raise
    page = _apply(connection, answer.readings, known_at=run.asked_at, done=answer.next_cursor is None)
    _report_unread(connection, answer.unread, run=run, done=page.done)
    if not _advance(run, answer.next_cursor):
        logger.info("reconcile_superseded", connection=connection.slug)
    logger.info(
        "stock_reconciled",
        connection=connection.slug,
        read=page.read,
        changed=page.changed,
        drift=page.drift,
        done=page.done,
    )
    return page


def request_all() -> int:
    """Enqueue the reconciliation of every active connection that is due; return their number.

    What changed is read each time; everything is read once a day, and after a warehouse was added.
    """
    read_whole = Q(full_at__gt=Now() - FULL_READ_EVERY) & (Q(newest=None) | Q(full_at__gt=F("newest")))
    newest = Max("connection__warehouses__created_at")
    up_to_date = set(
        Watermark.objects.annotate(newest=newest).filter(read_whole).values_list("connection_id", flat=True)
    )
    asked = 0
    for connection in Connection.objects.filter(is_active=True):
        full = connection.pk not in up_to_date
        if full or Capability.STOCK_DELTA in capabilities_of(connection):
            jobs.reconcile(connection, full=full)
            asked += 1
    return asked


def _begin(connection: Connection, *, full: bool) -> Run:
    """Return the run in progress or begin one. If a full run is requested, a partial one in progress ends."""
    mark, _ = Watermark.objects.get_or_create(connection=connection)
    to_begin = Q(started_at__isnull=True) | Q(full=False) if full else Q(started_at__isnull=True)
    Watermark.objects.filter(to_begin, pk=mark.pk).update(started_at=Now(), cursor="", full=full)
    since, cursor, started_at, whole, asked_at = (
        Watermark.objects.filter(pk=mark.pk)
        .annotate(clock=Now())
        .values_list("updated_since", "cursor", "started_at", "full", "clock")
        .get()
    )
    return Run(
        watermark_id=mark.pk,
        since=None if whole or since is None else since - OVERLAP,
        cursor=cursor,
        started_at=started_at,
        asked_at=asked_at,
    )


def _at(run: Run) -> QuerySet[Watermark]:
    """Select the watermark if nobody else has moved it since the page was requested."""
    return Watermark.objects.filter(pk=run.watermark_id, cursor=run.cursor, started_at=run.started_at)


def _advance(run: Run, cursor: str | None) -> bool:
    """Store the next page's cursor, or end the run and move the watermark; return False if another run did it first."""
    if cursor is not None:
        return bool(_at(run).update(cursor=cursor))
    ended: dict[str, Any] = {"full_at": run.started_at} if run.since is None else {}
    return bool(
        _at(run).update(updated_since=run.started_at, cursor="", started_at=None, full=False, **ended)
    )


def _apply(
    connection: Connection, readings: Iterable[StockReading], *, known_at: datetime, done: bool
) -> Page:
    """Apply a page's readings, warehouse by warehouse; those of warehouses that are not configured are only logged."""
    by_code: defaultdict[str, list[Observation]] = defaultdict(list)
    for reading in readings:
        by_code[reading.wms_warehouse_code].append(_observation(reading, known_at=known_at))
    warehouses = Warehouse.objects.filter(connection=connection, wms_warehouse_code__in=by_code)
    known = {each.wms_warehouse_code: each for each in warehouses.select_related("connection")}
    applied = [_apply_at(known[code], seen) for code, seen in sorted(by_code.items()) if code in known]
    unknown = tuple(sorted(by_code.keys() - known.keys()))
    if unknown:
        logger.info("stock_of_unknown_warehouses", connection=connection.slug, warehouses=unknown)
    alerts.UNKNOWN_WAREHOUSE.close(*[unknown_warehouse_subject(connection.slug, code) for code in known])
    return Page(
        read=sum(map(len, by_code.values())),
        changed=sum(each.changed for each in applied),
        stale=sum(each.stale for each in applied),
        unchanged=sum(each.unchanged for each in applied),
        unusable=sum(each.unusable for each in applied),
        drift=sum(len(each.unexplained) for each in applied),
        unknown_warehouses=unknown,
        done=done,
    )


@transaction.atomic
def _report_unread(connection: Connection, unread: Sequence[str], *, run: Run, done: bool) -> None:
    """Raise the connection's alert about unreadable items; a full run in which all items were readable closes it."""
    this_run = str(run.started_at)
    if unread:
        alerts.stock_items_unread(connection, unread, cause=this_run)
    elif done and run.since is None and not _is_reported(connection, cause=this_run):
        alerts.STOCK_ITEMS_UNREAD.close(connection.subject)


def _is_reported(connection: Connection, *, cause: str) -> bool:
    """Whether this run already reported unreadable items in the open alert."""
    opened = alerts.STOCK_ITEMS_UNREAD.opened().filter(subject=connection.subject)
    return opened.filter(causes__contains=[cause]).exists()


def _apply_at(warehouse: Warehouse, seen: list[Observation]) -> levels.Applied:
    applied = levels.apply(warehouse, seen, source="reconcile")
    if applied.unexplained:
        logger.warning(
            "stock_drift",
            warehouse=warehouse.pk,
            items=len(applied.unexplained),
            examples=applied.unexplained[:20],
        )
    return applied


def _observation(reading: StockReading, *, known_at: datetime) -> Observation:
    return Observation(
        reading.wms_item_code,
        available=reading.available,
        on_hand=reading.on_hand,
        observed_at=reading.updated_at,
        known_at=known_at,
    )
