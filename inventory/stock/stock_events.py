"""Stock events that a WMS sends by callback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from inventory import alerts
from inventory.stock import levels
from inventory.stock.levels import Observation
from ops.doors import deliveries
from ops.errors import Permanent
from ops.idempotency import GuardState, RetentionWindow, guard
from wms.callbacks import unread_fields
from wms.callbacks.events import InventoryEvent, parse_inventory
from wms.ids import ConnectionPk
from wms.models import Connection, Warehouse

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class StockEvent:
    """A callback of type `inventory`, as it was stored."""

    connection_id: ConnectionPk
    event_id: str
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True)
class Reported:
    """A stock event that could be read."""

    connection_id: ConnectionPk
    identity: str  # the same if it comes again
    event: InventoryEvent
    observation: Observation

    @property
    def place(self) -> tuple[ConnectionPk, str]:
        """The physical warehouse that it is about."""
        return self.connection_id, self.event.warehouse_id


def apply(events: Sequence[StockEvent]) -> None:
    """Apply stock events in the order of their arrival; those of one warehouse at once, as far as that is the same.

    A repetition within a day is found by id and content, because not every WMS gives each event an id of its own. If
    Redis forgot the event, it changes nothing: equal and older quantities have no effect. An event of a warehouse that
    is not configured is alerted. What was applied at one warehouse is not repeated if another one fails.
    Raises Permanent if the data of an event is outside the contract, when all others are applied.
    """
    by_place, unreadable = _read(events)
    for read in by_place.values():
        with ExitStack() as guards:
            for reported in _rounds([each for each in read if _is_new(each, guards)]):
                _apply_round(reported)
    if unreadable:
        raise unreadable[0]


def _read(
    events: Iterable[StockEvent],
) -> tuple[dict[tuple[ConnectionPk, str], list[Reported]], list[Permanent]]:
    """Parse the events. Returns them by the warehouse that they are about, and the errors of the others."""
    by_place, unreadable = dict[tuple[ConnectionPk, str], list[Reported]](), list[Permanent]()
    for event in events:
        try:
            parsed = parse_inventory(event.data)
        except Permanent as error:
            unreadable.append(error)
            continue
        content = deliveries.digest([event.occurred_at.isoformat()], event.data)
        reported = Reported(
            event.connection_id,
            f"{event.connection_id}:{event.event_id}:{content}",
            parsed,
            _observation(event, parsed),
        )
        by_place.setdefault(reported.place, []).append(reported)
    return by_place, unreadable


def _is_new(reported: Reported, guards: ExitStack) -> bool:
    """Whether the event is no repetition. It is guarded until it is applied."""
    if guards.enter_context(guard(RetentionWindow.STOCK, reported.identity)).state is GuardState.DONE:
        return False
    unread_fields.report(reported.connection_id, reported.event)
    return True


def _rounds(read: Iterable[Reported]) -> Iterator[list[Reported]]:
    """Split the events of one warehouse into rounds that can be applied at once: of several events of an item the last
    one has the same effect as all of them."""
    items: dict[str, Reported] = {}
    for reported in read:
        before = items.get(reported.event.wms_item_code)
        if before is not None and not _replaces(reported.observation, before.observation):
            yield list(items.values())
            items.clear()
        items[reported.event.wms_item_code] = reported
    if items:
        yield list(items.values())


def _replaces(later: Observation, earlier: Observation) -> bool:
    """Whether a level is the same after the later observation alone as after both: it reports the same quantities, and
    is newer by each measure. (A known sequence is no newer one: then the level keeps the time of the first.)"""
    if [each is None for each in (later.available, later.on_hand, later.sequence)] != [
        each is None for each in (earlier.available, earlier.on_hand, earlier.sequence)
    ]:
        return False
    if later.sequence is not None and earlier.sequence is not None and later.sequence <= earlier.sequence:
        return False
    return later.observed_at >= earlier.observed_at


def _apply_round(reported: Sequence[Reported]) -> None:
    connection_id, code = reported[0].place
    warehouse = (
        Warehouse.objects.filter(connection=connection_id, wms_warehouse_code=code)
        .select_related("connection")
        .first()
    )
    if warehouse is None:
        _report_unknown(Connection.objects.get(pk=connection_id), code)
        return
    kinds = sorted({each.event.event_type or "event" for each in reported})
    levels.apply(warehouse, [each.observation for each in reported], source=", ".join(kinds))


def _observation(event: StockEvent, parsed: InventoryEvent) -> Observation:
    return Observation(
        parsed.wms_item_code,
        available=parsed.available_quantity,
        on_hand=parsed.on_hand_quantity,
        observed_at=event.occurred_at,
        sequence=parsed.sequence,
    )


def _report_unknown(connection: Connection, code: str) -> None:
    logger.warning("stock_of_unknown_warehouse", connection=connection.slug, warehouse=code)
    alerts.unknown_warehouse(connection, code=code)
