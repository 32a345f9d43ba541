"""What a WMS tells of its stock by callback, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from inventory.stock import levels
from inventory.stock.levels import Observation
from ops.alerting.alerts import raise_alert
from ops.doors import deliveries
from ops.idempotency import ClaimState, Window, claim
from wms.callbacks import unread_fields
from wms.callbacks.events import InventoryEvent, parse_inventory
from wms.models import Connection, Warehouse

logger = structlog.get_logger(__name__)

UNKNOWN_WAREHOUSE = "unknown_warehouse"


@dataclass(frozen=True)
class StockEvent:
    """A callback of type `inventory`, as it was stored."""

    connection_id: int
    event_id: str
    occurred_at: datetime
    data: dict[str, Any]


def take(event: StockEvent) -> levels.Applied | None:
    """Apply a stock event; None = nothing to do, or nowhere to apply it (alerted).

    One of a day is not looked at twice, by id and content: not every WMS gives each event an id of its own. Where the
    fast guard is empty, equal and older figures change nothing anyway.
    Raises Permanent: the data is outside the contract.
    """
    content = deliveries.digest([event.occurred_at.isoformat(), event.data])
    with claim(Window.STOCK, f"{event.connection_id}:{event.event_id}:{content}") as guard:
        if guard.state is ClaimState.DONE:
            return None
        told = parse_inventory(event.data)
        unread_fields.report(event.connection_id, told)
        warehouse = (
            Warehouse.objects.filter(connection=event.connection_id, wms_warehouse_code=told.warehouse_id)
            .select_related("connection")
            .first()
        )
        if warehouse is None:
            _report_unknown(Connection.objects.get(pk=event.connection_id), told.warehouse_id)
            return None
        return levels.apply(warehouse, [_observation(event, told)], source=told.event_type or "event")


def _observation(event: StockEvent, told: InventoryEvent) -> Observation:
    return Observation(
        told.wms_item_code,
        available=told.available_quantity,
        on_hand=told.on_hand_quantity,
        observed_at=event.occurred_at,
        sequence=told.sequence,
    )


def _report_unknown(connection: Connection, code: str) -> None:
    logger.warning("stock_of_unknown_warehouse", connection=connection.slug, warehouse=code)
    with transaction.atomic():
        raise_alert(
            UNKNOWN_WAREHOUSE,
            subject=f"{connection.slug}/{code}",
            title=f"{connection.slug} reports stock of warehouse {code}, which is not configured",
            meaning="Its stock is not followed and no order is sent there.",
            action=f"Add a warehouse with WMS code {code} to the connection; the next reconciliation brings its "
            "figures. If it is none of ours, ask the vendor to stop reporting it.",
        )
