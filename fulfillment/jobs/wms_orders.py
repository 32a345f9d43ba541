"""The job kinds of WMS orders, from the choice of a warehouse to the end at the WMS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fulfillment.models import Order, WmsOrder
from fulfillment.refs import OrderPk, WmsOrderPk
from ops.models import Priority
from ops.queue.jobs import is_pending
from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from shops.ids import ShopPk
from shops.refs import shop_partition
from wms.ids import ConnectionPk
from wms.jobs import from_callback
from wms.models import Connection
from wms.refs import connection_subject

SHIPMENT_GRACE = timedelta(minutes=10)
CANCELLATION_GRACE = timedelta(hours=1)

STATUS_REPORTED = from_callback(
    "order_status",
    queue=Queue.CALLBACKS,
    work="record an order's state at the WMS",
    if_dead="The order's state here is out of date.",
    batch_size=20,
)


@dataclass(frozen=True)
class OrderPayload:
    """An order, by our key."""

    order: OrderPk


@dataclass(frozen=True)
class WmsOrderPayload:
    """A WMS order, by our key."""

    wms_order: WmsOrderPk


def partition_of(wms_order: WmsOrder) -> str:
    """The partition of work on a WMS order is its shop. One WMS serves several shops, and none of them waits for
    another's backlog."""
    return shop_partition(ShopPk(wms_order.order.shop_id))


ROUTE = JobKind(
    "fulfillment.route",
    OrderPayload,
    queue=Queue.SUBMISSION,
    priority=Priority.HIGH,
    work="choose a warehouse for the order",
    if_dead="No warehouse gets the order.",
)


def route(order: Order) -> None:
    """Have the order's uncovered units routed to a warehouse, in the inbox lane: it needs no call to Shopify."""
    ROUTE.new(
        OrderPayload(order.id), key=f"route:{order.id}", lane=order.shop.inbox_lane, subject=order.subject
    ).enqueue()


SUBMIT = JobKind(
    "fulfillment.submit",
    WmsOrderPayload,
    queue=Queue.SUBMISSION,
    priority=Priority.HIGH,
    work="place the order at the warehouse",
    if_dead="The order is not placed, or nobody knows whether it is. Its stock stays reserved.",
    remedy="Correct the item's mapping, the warehouse's code, or the address in Shopify.",
)


def submit(wms_order: WmsOrder) -> None:
    """Have a WMS order placed at its warehouse."""
    _at_the_wms(SUBMIT, wms_order, key=f"submit:{wms_order.external_id}")


CANCEL = JobKind(
    "fulfillment.cancel",
    WmsOrderPayload,
    queue=Queue.CANCELLATION,
    priority=Priority.URGENT,
    work="cancel the order at the warehouse",
    if_dead="The order was cancelled in Shopify, but may still be picked and shipped.",
    remedy="Look in the WMS now, and cancel it there.",
)


def cancel(wms_order: WmsOrder) -> None:
    """Have a WMS order cancelled at its warehouse."""
    _at_the_wms(CANCEL, wms_order, key=f"cancel:{wms_order.external_id}")


REDUCE = JobKind(
    "fulfillment.reduce",
    WmsOrderPayload,
    queue=Queue.CANCELLATION,
    priority=Priority.URGENT,
    work="have the warehouse send less, because Shopify asks for fewer units",
    if_dead="The warehouse may send more than was ordered.",
    remedy="Look in the WMS now, and reduce or cancel the order there.",
)


def reduce(wms_order: WmsOrder) -> None:
    """Have a WMS asked to send less of an order than it was given."""
    _at_the_wms(REDUCE, wms_order, key=f"reduce:{wms_order.external_id}")


def _at_the_wms(kind: JobKind[WmsOrderPayload], wms_order: WmsOrder, *, key: str) -> None:
    """Enqueue a job that calls the WMS, in the lane of its connection and the partition of the order's shop."""
    kind.new(
        WmsOrderPayload(wms_order.id),
        key=key,
        lane=wms_order.warehouse.connection.lane,
        partition=partition_of(wms_order),
        subject=wms_order.order.subject,
    ).enqueue()


@dataclass(frozen=True)
class ExpectShipmentPayload:
    """A WMS order, by our key; `all_of_it`: the WMS said that all of it was shipped."""

    wms_order: WmsOrderPk
    all_of_it: bool


EXPECT_SHIPMENT = JobKind(
    "fulfillment.expect_shipment",
    ExpectShipmentPayload,
    queue=Queue.CALLBACKS,
    priority=Priority.LOW,
    work="look whether a shipment was reported",
    if_dead="A missing shipment report may go unnoticed.",
)


def expect_shipment(wms_order: WmsOrder, *, all_of_it: bool) -> None:
    """Have it checked, after a while, whether a shipment was reported of an order that the WMS called shipped."""
    EXPECT_SHIPMENT.new(
        ExpectShipmentPayload(wms_order.id, all_of_it),
        key=f"expect:{wms_order.external_id}:{'all' if all_of_it else 'part'}",
        lane=wms_order.warehouse.connection.inbox_lane,
        subject=wms_order.order.subject,
        delay=SHIPMENT_GRACE,
    ).enqueue()


EXPECT_CANCELLATION = JobKind(
    "fulfillment.expect_cancellation",
    WmsOrderPayload,
    queue=Queue.CALLBACKS,
    priority=Priority.LOW,
    work="look whether the WMS answered a cancellation",
    if_dead="A cancelled order may be shipped unnoticed.",
)


def expect_cancellation(wms_order: WmsOrder) -> None:
    """Have it checked, after a while, whether the WMS answered a request to cancel."""
    EXPECT_CANCELLATION.new(
        WmsOrderPayload(wms_order.id),
        key=f"expect-cancellation:{wms_order.external_id}",
        lane=wms_order.warehouse.connection.inbox_lane,
        subject=wms_order.order.subject,
        delay=CANCELLATION_GRACE,
    ).enqueue()


@dataclass(frozen=True)
class ConnectionPayload:
    """A connection, by our key."""

    connection: ConnectionPk


LOOK_UP = JobKind(
    "fulfillment.look_up",
    ConnectionPayload,
    queue=Queue.CALLBACKS,
    priority=Priority.LOW,
    work="ask the WMS about orders of which it has reported nothing for a while",
    if_dead="Lost callbacks are made up for only in the next round.",
)


def look_up(connection: Connection) -> None:
    """Have a WMS asked about orders of which it has reported nothing for a while: one job per connection."""
    LOOK_UP.new(
        ConnectionPayload(connection.id),
        key=_look_up_key(connection),
        lane=connection.lane,
        subject=connection_subject(connection.slug),
    ).enqueue()


def look_up_pending(connection: Connection) -> bool:
    """Whether such a look-up waits or runs."""
    return is_pending(_look_up_key(connection))


def _look_up_key(connection: Connection) -> str:
    return f"look-up:{connection.id}"
