"""Which job does what about an order: kinds, keys, lanes and priorities in one screen. All of them coalesce."""

from __future__ import annotations

from datetime import timedelta

from fulfillment.models import Order, Return, Shipment, WmsOrder
from ops.models import Job, Priority
from ops.queue import jobs
from shops.models import Shop
from wms.models import Connection

NOW = timedelta(0)

SHIPMENTS = "shipments"
"""Share of a shop's lane: parcels that left are not told behind a backlog of orders."""

SHIPMENT_GRACE = timedelta(minutes=10)
CANCELLATION_GRACE = timedelta(hours=1)


def read(shop: Shop, order_id: int, *, delay: timedelta = NOW, priority: Priority = Priority.HIGH) -> None:
    """Have an order read at Shopify, however many notices there are of it."""
    jobs.enqueue(
        "fulfillment.read_orders",
        key=f"read:{shop.id}:{order_id}",
        lane=shop.lane,
        payload={"shop": shop.id, "order": order_id},
        subject=f"order:{shop.id}:{order_id}",
        priority=priority,
        delay=delay,
        coalesce=True,
    )


def find_order(shop: Shop, fulfillment_order_id: int) -> None:
    """Have Shopify asked which order a fulfilment order belongs to, then have that order read."""
    jobs.enqueue(
        "fulfillment.find_order",
        key=f"find-order:{shop.id}:{fulfillment_order_id}",
        lane=shop.lane,
        payload={"shop": shop.id, "fulfillment_order": fulfillment_order_id},
        subject=f"fulfillment_order:{shop.id}:{fulfillment_order_id}",
        priority=Priority.HIGH,
        coalesce=True,
    )


def route(order: Order) -> None:
    """Have the order's uncovered units routed to a warehouse: local work, so it waits for no endpoint."""
    jobs.enqueue(
        "fulfillment.route",
        key=f"route:{order.id}",
        lane=order.shop.inbox_lane,
        payload={"order": order.id},
        subject=order.subject,
        priority=Priority.HIGH,
        coalesce=True,
    )


def submit(wms_order: WmsOrder) -> None:
    """Have a WMS order placed at its warehouse."""
    jobs.enqueue(
        "fulfillment.submit",
        key=f"submit:{wms_order.external_id}",
        lane=wms_order.warehouse.connection.lane,
        share=_share(wms_order),
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        priority=Priority.HIGH,
        coalesce=True,
    )


def cancel(wms_order: WmsOrder) -> None:
    """Have a WMS order cancelled at its warehouse."""
    jobs.enqueue(
        "fulfillment.cancel",
        key=f"cancel:{wms_order.external_id}",
        lane=wms_order.warehouse.connection.lane,
        share=_share(wms_order),
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        priority=Priority.URGENT,
        coalesce=True,
    )


def reduce(wms_order: WmsOrder) -> None:
    """Have a WMS asked to send less of an order than it was given."""
    jobs.enqueue(
        "fulfillment.reduce",
        key=f"reduce:{wms_order.external_id}",
        lane=wms_order.warehouse.connection.lane,
        share=_share(wms_order),
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        priority=Priority.URGENT,
        coalesce=True,
    )


def _share(wms_order: WmsOrder) -> str:
    """One WMS serves several shops: none waits behind another's backlog."""
    return f"shop:{wms_order.order.shop_id}"


def move(wms_order: WmsOrder) -> None:
    """Have Shopify's fulfilment orders moved to the location of the chosen warehouse."""
    jobs.enqueue(
        "fulfillment.move",
        key=_move_key(wms_order),
        lane=wms_order.order.shop.lane,
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        coalesce=True,
    )


def moving(wms_order: WmsOrder) -> bool:
    """Whether we are about to move Shopify's fulfilment orders to its location ourselves."""
    return _under_way(_move_key(wms_order))


def _move_key(wms_order: WmsOrder) -> str:
    return f"move:{wms_order.external_id}"


def fulfil(order: Order) -> None:
    """Have the order's shipments told to Shopify: one job per order, so two parcels never race."""
    jobs.enqueue(
        "fulfillment.fulfil",
        key=f"fulfil:{order.id}",
        lane=order.shop.lane,
        payload={"order": order.id},
        subject=order.subject,
        share=SHIPMENTS,
        priority=Priority.HIGH,
        coalesce=True,
    )


def compare(shop: Shop, order_id: int) -> None:
    """Have seen whether fulfilments of ours were cancelled in Shopify."""
    jobs.enqueue(
        "fulfillment.compare",
        key=f"compare:{shop.id}:{order_id}",
        lane=shop.lane,
        payload={"shop": shop.id, "order": order_id},
        subject=f"order:{shop.id}:{order_id}",
        share=SHIPMENTS,
        coalesce=True,
    )


def update_tracking(shipment: Shipment, order: Order) -> None:
    """Have a corrected tracking number told to Shopify."""
    jobs.enqueue(
        "fulfillment.update_tracking",
        key=f"tracking:{shipment.id}",
        lane=order.shop.lane,
        payload={"shipment": shipment.id},
        subject=order.subject,
        share=SHIPMENTS,
        coalesce=True,
    )


def announce_return(row: Return) -> None:
    """Have a return announced to its warehouse."""
    jobs.enqueue(
        "fulfillment.announce_return",
        key=f"return:{row.external_id}",
        lane=row.wms_order.warehouse.connection.lane,
        share=_share(row.wms_order),
        payload={"return": row.id},
        subject=row.wms_order.order.subject,
        coalesce=True,
    )


def expect_shipment(wms_order: WmsOrder, *, all_of_it: bool) -> None:
    """Have looked, after a while, whether the shipment came of an order that the WMS called shipped (or partly so)."""
    jobs.enqueue(
        "fulfillment.expect_shipment",
        key=f"expect:{wms_order.external_id}:{'all' if all_of_it else 'part'}",
        lane=wms_order.warehouse.connection.inbox_lane,
        payload={"wms_order": wms_order.id, "all_of_it": all_of_it},
        subject=wms_order.order.subject,
        priority=Priority.LOW,
        delay=SHIPMENT_GRACE,
        coalesce=True,
    )


def expect_cancellation(wms_order: WmsOrder) -> None:
    """Have looked, after a while, whether the WMS answered that was asked to cancel."""
    jobs.enqueue(
        "fulfillment.expect_cancellation",
        key=f"expect-cancellation:{wms_order.external_id}",
        lane=wms_order.warehouse.connection.inbox_lane,
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        priority=Priority.LOW,
        delay=CANCELLATION_GRACE,
        coalesce=True,
    )


def look_up(connection: Connection) -> None:
    """Have a WMS asked about orders of which it has told nothing for a while: one job per connection, for ever."""
    jobs.enqueue(
        "fulfillment.look_up",
        key=_look_up_key(connection),
        lane=connection.lane,
        payload={"connection": connection.id},
        subject=f"connection:{connection.slug}",
        priority=Priority.LOW,
        coalesce=True,
    )


def looking_up(connection: Connection) -> bool:
    """Whether the WMS is being asked, or will be once its turn comes."""
    return _under_way(_look_up_key(connection))


def _look_up_key(connection: Connection) -> str:
    return f"look-up:{connection.id}"


def backfill(shop: Shop, feed: str, **place: object) -> None:
    """Have a page read of what changed at a shop: at the given place, else from the watermark on. One job per feed."""
    jobs.enqueue(
        "fulfillment.backfill",
        key=_backfill_key(shop, feed),
        lane=shop.lane,
        payload={"shop": shop.id, "feed": feed, "place": place or None},
        subject=f"shop:{shop.id}",
        priority=Priority.LOW,
        coalesce=True,
    )


def look_for_ours(shop: Shop) -> None:
    """Have orders looked for of which work lies at a location that has become ours."""
    jobs.enqueue(
        "wms.warehouses_changed",
        key=f"wms.warehouses_changed:{shop.id}",
        lane=shop.inbox_lane,
        payload={"shop": shop.id},
        subject=f"shop:{shop.domain}",
        coalesce=True,
    )


def next_page(job: Job, **place: object) -> None:
    """Have a job go on behind where it stands, as a run of its own."""
    jobs.enqueue(
        job.kind,
        key=job.key,
        lane=job.lane_id,
        payload={**job.payload, **place},
        subject=job.subject,
        priority=Priority(job.priority),
        coalesce=True,
    )


def backfill_under_way(shop: Shop, feed: str) -> bool:
    """Whether a backfill of this feed waits or runs. A dead one does not: it is begun anew."""
    return _under_way(_backfill_key(shop, feed))


def _backfill_key(shop: Shop, feed: str) -> str:
    return f"backfill:{shop.id}:{feed}"


def _under_way(key: str) -> bool:
    return Job.objects.filter(key=key, state__in=[Job.State.READY, Job.State.RUNNING]).exists()
