"""The delta since the watermark, read from the WMS and given to the same `levels.apply` as its events: what an event
that never came would have said. One page per run.
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

from inventory.models import Watermark
from inventory.stock import levels
from inventory.stock.levels import Observation
from inventory.stock.stock_events import UNKNOWN_WAREHOUSE
from ops.alerting.alerts import close_alert, close_alerts, raise_alert
from ops.errors import Permanent
from ops.models import Alert, Priority
from ops.queue import jobs
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import Capability, StockReading
from wms.models import Connection, Warehouse

logger = structlog.get_logger(__name__)

PAGE_SIZE = 500

ITEMS_UNREAD = "stock_items_unread"
MOST_UNREAD_TOLD = 10

OVERLAP = timedelta(minutes=5)
"""Read again before the watermark: clocks differ, and a WMS commits late."""

FULL_READ_EVERY = timedelta(days=1)
"""A delta is silent about items that did not move, though we wait for a word on them: a warehouse that is new to us, or
units that were sent before we were told."""


@dataclass(frozen=True)
class Page:
    """What one page brought. Readings are per item and warehouse; the rest is counted in levels."""

    read: int = 0
    changed: int = 0
    stale: int = 0
    unchanged: int = 0
    unusable: int = 0
    drift: int = 0  # items that had moved without an event, by other than our own orders
    unknown_warehouses: tuple[str, ...] = ()
    done: bool = True  # the last page: the watermark has moved


@dataclass(frozen=True)
class Run:
    """The run in progress, and the moment at which this page is asked for."""

    watermark_id: int
    since: datetime | None  # None = everything
    cursor: str
    started_at: datetime | None
    asked_at: datetime


def reconcile(connection: Connection, *, full: bool = False) -> Page:
    """Read one page from the connection's WMS and apply it; `full` ignores the watermark (and begins anew if need be).

    Calls the WMS: not in a transaction. Raises the adapter's errors; after a Permanent one the run begins anew.
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
    _tell_unread(connection, answer.unread, run=run, done=page.done)
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


def request(connection: Connection, *, full: bool = False) -> None:
    """Enqueue the connection's reconciliation: one job per connection, for ever."""
    jobs.enqueue(
        "inventory.reconcile",
        key=f"inventory.reconcile:{connection.pk}",
        lane=connection.lane,
        payload={"connection": connection.pk, "full": full},
        subject=f"reconcile:{connection.slug}",
        priority=Priority.LOW,
        coalesce=True,
    )


def request_all() -> int:
    """Enqueue every active connection that is due: its delta each time, everything once a day and after a warehouse
    was added. Returns how many."""
    read_whole = Q(full_at__gt=Now() - FULL_READ_EVERY) & (Q(newest=None) | Q(full_at__gt=F("newest")))
    newest = Max("connection__warehouses__created_at")
    up_to_date = set(
        Watermark.objects.annotate(newest=newest).filter(read_whole).values_list("connection_id", flat=True)
    )
    asked = 0
    for connection in Connection.objects.filter(is_active=True):
        full = connection.pk not in up_to_date
        if full or Capability.STOCK_DELTA in capabilities_of(connection):
            request(connection, full=full)
            asked += 1
    return asked


def _begin(connection: Connection, *, full: bool) -> Run:
    """The run in progress, or a new one. A full one that is asked for ends a partial one."""
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
    """The watermark, if nobody else has moved it since the page was asked for."""
    return Watermark.objects.filter(pk=run.watermark_id, cursor=run.cursor, started_at=run.started_at)


def _advance(run: Run, cursor: str | None) -> bool:
    """To the next page, or to the end of the run: only then does the watermark move."""
    if cursor is not None:
        return bool(_at(run).update(cursor=cursor))
    ended: dict[str, Any] = {"full_at": run.started_at} if run.since is None else {}
    return bool(
        _at(run).update(updated_since=run.started_at, cursor="", started_at=None, full=False, **ended)
    )


def _apply(
    connection: Connection, readings: Iterable[StockReading], *, known_at: datetime, done: bool
) -> Page:
    by_code: defaultdict[str, list[Observation]] = defaultdict(list)
    for reading in readings:
        by_code[reading.wms_warehouse_code].append(_observation(reading, known_at=known_at))
    warehouses = Warehouse.objects.filter(connection=connection, wms_warehouse_code__in=by_code)
    place = {each.wms_warehouse_code: each for each in warehouses.select_related("connection")}
    applied = [_apply_at(place[code], seen) for code, seen in sorted(by_code.items()) if code in place]
    unknown = tuple(sorted(by_code.keys() - place.keys()))
    if unknown:
        logger.info("stock_of_unknown_warehouses", connection=connection.slug, warehouses=unknown)
    close_alerts(UNKNOWN_WAREHOUSE, subjects=[f"{connection.slug}/{code}" for code in place])
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
def _tell_unread(connection: Connection, unread: Sequence[str], *, run: Run, done: bool) -> None:
    """One alert per connection; it closes with a run through everything in which all could be read."""
    this_run = str(run.started_at)
    if unread:
        raise_alert(
            ITEMS_UNREAD,
            subject=connection.lane,
            cause=this_run,
            title=f"{connection.slug} shows stock that cannot be read: {len(unread)} items of a page",
            meaning="All other items are followed. The stock of these is what it was, in routing and at Shopify. "
            f"{' | '.join(unread[:MOST_UNREAD_TOLD])}",
            action="Have the vendor answer GET /inventory as the contract says. Stock is read in full once a day, "
            "or by `reconcile --full`: this closes when all of it can be read.",
        )
    elif done and run.since is None and not _was_told(connection, cause=this_run):
        close_alert(ITEMS_UNREAD, subject=connection.lane)


def _was_told(connection: Connection, *, cause: str) -> bool:
    told = Alert.objects.filter(kind=ITEMS_UNREAD, subject=connection.lane, state=Alert.State.OPEN)
    return told.filter(causes__contains=[cause]).exists()


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
