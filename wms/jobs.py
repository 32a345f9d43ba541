"""The job kinds of the warehouses' end, and the events that apps above make their jobs of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import AwareDatetime

from ops.doors.deliveries import DeliveredPayload
from ops.queue.kinds import EventKind, JobKind
from ops.queue.queues import Queue
from ops.refs import INTERNAL
from shops.jobs import ShopPagePayload
from shops.models import Shop
from shops.refs import shop_subject
from wms.ids import ConnectionPk, WarehousePk
from wms.refs import warehouse_subject

CONTRACT = "Have the vendor correct what the reason names and send it anew, then discard this one."
"""What removes the cause of a callback that was refused for good. A replay of the same content would not."""


@dataclass(frozen=True)
class CallbackPayload(DeliveredPayload):
    """An event that a WMS reported, as it was stored. `data` is read by whoever handles its type."""

    connection: ConnectionPk
    occurred_at: AwareDatetime
    data: dict[str, Any]
    event_id: str = ""
    type: str = ""
    zone: str = "UTC"


CALLBACKS = {
    name: EventKind(f"wms.{name}", CallbackPayload, coalesces=False)
    for name in ("shipment", "inventory", "order_status", "return_receipt")
}
"""The events of the contract by their type. The apps above handle them."""

UNRECOGNISED = JobKind(
    "wms.unrecognised",
    CallbackPayload,
    coalesces=False,
    queue=Queue.CALLBACKS,
    attempts=1,
    work="look at a callback of a type that we do not know",
    if_dead="What it says is not looked at.",
    remedy=CONTRACT,
    replay_helps=False,
)


def from_callback(
    type_: str, *, queue: Queue, work: str, if_dead: str, batch_size: int = 1
) -> JobKind[CallbackPayload]:
    """The job that an app makes of the callbacks of a type."""
    return JobKind.of(
        CALLBACKS[type_],
        queue=queue,
        work=work,
        if_dead=if_dead,
        remedy=CONTRACT,
        replay_helps=False,
        batch_size=batch_size,
    )


@dataclass(frozen=True)
class WarehousePayload:
    """A warehouse, by our key."""

    warehouse: WarehousePk


STOCK_SCOPE_CHANGED = EventKind("wms.stock_scope_changed", WarehousePayload)
"""A warehouse was saved, or its connection: its location or its stock basis may be another."""


def stock_scope_changed(warehouse: WarehousePk) -> None:
    """Say that what is followed of a warehouse's stock may have changed."""
    STOCK_SCOPE_CHANGED.new(
        WarehousePayload(warehouse),
        key=f"{STOCK_SCOPE_CHANGED.name}:{warehouse}",
        lane=INTERNAL,
        subject=warehouse_subject(warehouse),
    ).enqueue()


WAREHOUSES_CHANGED = EventKind("wms.warehouses_changed", ShopPagePayload)
"""A shop's warehouses were changed: what lies at their locations may have become ours."""


def warehouses_changed(shop: Shop, *, after: int | None = None) -> None:
    """Say that the shop's warehouses were changed: from its first order on, or behind one."""
    WAREHOUSES_CHANGED.new(
        ShopPagePayload(shop.id, after),
        key=f"{WAREHOUSES_CHANGED.name}:{shop.pk}",
        lane=shop.inbox_lane,
        subject=shop_subject(shop.domain),
    ).enqueue()
