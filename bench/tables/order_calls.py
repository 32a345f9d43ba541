"""The calls about orders that run all day."""

from __future__ import annotations

from django.utils import timezone

from bench.tables.calls import CHORE, Call, Sample
from bench.tables.rows.inserting import SHOPS
from bench.tables.rows.reading import ready_order
from fulfillment.models import Order, WmsOrder
from fulfillment.orders import backfill, rereading, sync, topics
from fulfillment.orders.notices import look
from fulfillment.routing import preparation
from fulfillment.shipments import intake
from fulfillment.shopify.queries import Change
from fulfillment.shopify.snapshots import ChangedNode
from fulfillment.wms_orders import polling, status_updates, submission
from ops.models import Priority
from ops.queue.kinds import TypedJob
from ops.refs import Subject
from shops.ids import ShopifyOrderId
from shops.jobs import WebhookPayload
from wms.adapters.base import OrderAnswer
from wms.callbacks.events import OrderStatusEvent, ShipmentEvent, ShippedItem
from wms.ids import ConnectionPk, RemoteOrderId
from wms.vocabulary.statuses import WmsStatus


def order_calls(found: Sample) -> list[Call]:
    """The calls about orders: readings, webhooks, routing, submission, shipments."""
    part = found.at_warehouse
    return [
        Call("store the reading of a new order", lambda: sync.store(found.shop, ready_order(5999999999999))),
        Call(
            "store the reading of a known order",
            lambda: sync.store(found.shop, ready_order(found.shipped.shopify_order_id)),
        ),
        Call("what is known of the orders of a run", lambda: _look(found)),
        Call("whether a change of a fulfilment order is unread", lambda: topics.is_change_unread(found.shop)),
        Call("route an order", lambda: preparation.prepare(found.ready.id)),
        Call("route and submit an order", lambda: _submit(found.ready)),
        Call(
            "order of a callback",
            lambda: status_updates.wms_order_of(ConnectionPk(part.warehouse.connection_id), part.remote_id),
        ),
        Call("orders that wait for Shopify", rereading.waiting, CHORE),
        Call("orders of which a part is due", rereading.deferred_units_due, CHORE),
        Call("a page of the backfill, orders", lambda: _known(found, "orders", 5_000_000_000_000)),
        Call(
            "a page of the backfill, fulfilment orders",
            lambda: _known(found, "fulfillment_orders", 8_000_000_000_000),
        ),
        Call("webhooks that name fulfilment orders", lambda: _named(found)),
        Call("orders to be looked up at a WMS", lambda: list(polling.due(part.warehouse.connection)[:25])),
        Call("a shipment, and what it leads to", lambda: _ship(part)),
        Call("a status callback", lambda: _status(part)),
    ]


def _known(found: Sample, feed: str, first: int) -> None:
    """Look up 50 objects of a page, which belong to the shop."""
    numbers = [first + found.shipped.id - SHOPS * n for n in range(50)]
    nodes = [ChangedNode(id=number, updated_at=timezone.now(), status="CLOSED") for number in numbers]
    changes = [Change(node.id, ShopifyOrderId(node.id), node.updated_at, node) for node in nodes]
    backfill.FEEDS[feed].unknown(found.shop, changes)


def _look(found: Sample) -> None:
    """Look at 50 orders, and at the webhooks about them."""
    first = found.shipped.shopify_order_id
    look.look(found.shop.id, [ShopifyOrderId(first - SHOPS * n) for n in range(50)])


def _named(found: Sample) -> None:
    named = [
        {"id": f"gid://shopify/FulfillmentOrder/{8_000_000_000_000 + found.shipped.id - SHOPS * n}"}
        for n in range(50)
    ]
    webhooks = [
        WebhookPayload(found.shop.id, "fulfillment_orders/moved", body={"fulfillment_order": each})
        for each in named
    ]
    topics.orders_changed(
        [
            TypedJob(
                each,
                found.shop.inbox_lane,
                Subject("fulfillment_order:8:1"),
                priority=Priority.NORMAL,
                created_at=timezone.now(),
            )
            for each in webhooks
        ]
    )


def _ship(part: WmsOrder) -> None:
    """Record a shipment as its callback does, without the guard in Redis."""
    line = part.lines.order_by("id")[0]
    event = ShipmentEvent(
        wms_order_id=part.remote_id,
        wms_shipment_id="S-new",
        shipped_items=(ShippedItem(wms_item_code=line.item_code, quantity_shipped=1),),
        shipped_at=timezone.now(),
    )
    connection_pk = ConnectionPk(part.warehouse.connection_id)
    if not intake.record_shipment(connection_pk, event, occurred_at=timezone.now()):
        raise RuntimeError("the order was not found")


def _status(part: WmsOrder) -> None:
    event = OrderStatusEvent(wms_order_id=part.remote_id, status="picking")
    status_updates.apply_callback(
        ConnectionPk(part.warehouse.connection_id), event, occurred_at=timezone.now()
    )


def _submit(order: Order) -> None:
    row = preparation.prepare(order.id)
    if row is None:
        raise RuntimeError("the order was not routed")
    submission.begin(row.id)
    submission.record_acceptance(
        row.id,
        OrderAnswer(remote_id=RemoteOrderId("W-new"), status=WmsStatus.ACCEPTED, raw_status="accepted"),
    )
