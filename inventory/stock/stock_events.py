"""Stock events that a WMS sends by callback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from inventory import alerts
from inventory.stock import levels
from inventory.stock.levels import Observation
from ops.doors import deliveries
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


def apply(event: StockEvent) -> levels.Applied | None:
    """Apply a stock event; return None if it is a repetition, or if the warehouse is not configured (alerted).

    A repetition within a day is found by id and content, because not every WMS gives each event an id of its own. If
    Redis forgot the event, it changes nothing: equal and older quantities have no effect.
    Raises Permanent if the data is outside the contract.
    """
    content = deliveries.digest([event.occurred_at.isoformat()], event.data)
    with guard(RetentionWindow.STOCK, f"{event.connection_id}:{event.event_id}:{content}") as known:
        if known.state is GuardState.DONE:
            return None
        parsed = parse_inventory(event.data)
        unread_fields.report(event.connection_id, parsed)
        warehouse = (
            Warehouse.objects.filter(connection=event.connection_id, wms_warehouse_code=parsed.warehouse_id)
            .select_related("connection")
            .first()
        )
        if warehouse is None:
            _report_unknown(Connection.objects.get(pk=event.connection_id), parsed.warehouse_id)
            return None
        return levels.apply(warehouse, [_observation(event, parsed)], source=parsed.event_type or "event")


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
