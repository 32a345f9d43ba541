"""Which job does what about an order: kinds, keys, lanes and priorities in one screen. All of them coalesce."""

from __future__ import annotations

from datetime import datetime, timedelta

from fulfillment.models import Order, Return, Shipment, WmsOrder
from ops import jobs
from ops.models import Job, Priority
from shops.models import Shop

NOW = timedelta(0)


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
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        priority=Priority.URGENT,
        coalesce=True,
    )


def move(wms_order: WmsOrder) -> None:
    """Have Shopify's fulfilment orders moved to the location of the chosen warehouse."""
    jobs.enqueue(
        "fulfillment.move",
        key=f"move:{wms_order.external_id}",
        lane=wms_order.order.shop.lane,
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        coalesce=True,
    )


def fulfil(order: Order) -> None:
    """Have the order's shipments told to Shopify: one job per order, so two parcels never race."""
    jobs.enqueue(
        "fulfillment.fulfil",
        key=f"fulfil:{order.id}",
        lane=order.shop.lane,
        payload={"order": order.id},
        subject=order.subject,
        priority=Priority.HIGH,
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
        coalesce=True,
    )


def announce_return(row: Return) -> None:
    """Have a return announced to its warehouse."""
    jobs.enqueue(
        "fulfillment.announce_return",
        key=f"return:{row.external_id}",
        lane=row.wms_order.warehouse.connection.lane,
        payload={"return": row.id},
        subject=row.wms_order.order.subject,
        coalesce=True,
    )


def expect_shipment(wms_order: WmsOrder, *, delay: timedelta) -> None:
    """Have looked, after `delay`, whether the shipment came of an order that the WMS called shipped."""
    jobs.enqueue(
        "fulfillment.expect_shipment",
        key=f"expect:{wms_order.external_id}",
        lane=wms_order.warehouse.connection.inbox_lane,
        payload={"wms_order": wms_order.id},
        subject=wms_order.order.subject,
        priority=Priority.LOW,
        delay=delay,
        coalesce=True,
    )


def backfill(shop: Shop) -> None:
    """Have read what changed at a shop since its watermark."""
    jobs.enqueue(
        "fulfillment.backfill",
        key=f"backfill:{shop.id}",
        lane=shop.lane,
        payload={"shop": shop.id},
        subject=f"shop:{shop.id}",
        priority=Priority.LOW,
        coalesce=True,
    )


def backfill_page(shop: Shop, *, since: datetime, began: datetime, cursor: str) -> None:
    """Have the next page read of a backfill that is under way."""
    jobs.enqueue(
        "fulfillment.backfill_page",
        key=f"backfill:{shop.id}:{began.isoformat()}:{cursor}"[:500],
        lane=shop.lane,
        payload={"shop": shop.id, "since": since, "began": began, "cursor": cursor},
        subject=f"backfill:{shop.id}",
        priority=Priority.LOW,
    )


def backfill_under_way(shop: Shop) -> bool:
    """Whether a page of a backfill of this shop waits or runs."""
    pages = Job.objects.filter(subject=f"backfill:{shop.id}", state__in=[Job.State.READY, Job.State.RUNNING])
    return pages.exists()
