"""The job kinds of shipments, and of their fulfilments at Shopify."""

from __future__ import annotations

from dataclasses import dataclass

from fulfillment.jobs.orders import ShopifyOrderPayload
from fulfillment.jobs.wms_orders import OrderPayload, WmsOrderPayload
from fulfillment.models import Order, Shipment, WmsOrder
from fulfillment.refs import ShipmentPk, order_subject
from ops.models import Priority
from ops.queue.jobs import is_pending
from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from shops.ids import ShopifyOrderId
from shops.jobs import SCOPES
from shops.models import Shop
from wms.jobs import from_callback

SHIPMENTS = "shipments"
"""The partition of shipments in a shop's lane: they do not wait behind a backlog of orders."""

SHIPMENT_REPORTED = from_callback(
    "shipment",
    queue=Queue.CALLBACKS,
    work="book a shipment",
    if_dead="The shipment is not counted, and Shopify does not learn of it.",
)

FULFILL = JobKind(
    "fulfillment.fulfil",
    OrderPayload,
    queue=Queue.CALLBACKS,
    priority=Priority.HIGH,
    work="tell Shopify of the shipment",
    if_dead="The shipment is on its way, and the customer has no tracking number.",
    remedy=SCOPES,
)


def fulfill(order: Order) -> None:
    """Have fulfilments made of the order's shipments: one job per order, so that two shipments never race."""
    FULFILL.new(
        OrderPayload(order.id),
        key=f"fulfil:{order.id}",
        lane=order.shop.lane,
        subject=order.subject,
        partition=SHIPMENTS,
    ).enqueue()


@dataclass(frozen=True)
class ShipmentPayload:
    """A shipment, by our key."""

    shipment: ShipmentPk


UPDATE_TRACKING = JobKind(
    "fulfillment.update_tracking",
    ShipmentPayload,
    queue=Queue.CALLBACKS,
    work="tell Shopify the corrected tracking number",
    if_dead="The customer has the old number.",
    remedy=SCOPES,
)


def update_tracking(shipment: Shipment, order: Order) -> None:
    """Have a corrected tracking number sent to Shopify."""
    UPDATE_TRACKING.new(
        ShipmentPayload(shipment.id),
        key=f"tracking:{shipment.id}",
        lane=order.shop.lane,
        subject=order.subject,
        partition=SHIPMENTS,
    ).enqueue()


COMPARE = JobKind(
    "fulfillment.compare",
    ShopifyOrderPayload,
    queue=Queue.CALLBACKS,
    work="see whether a fulfilment of ours was cancelled in Shopify",
    if_dead="Nobody learns that Shopify asks again for goods that left.",
    remedy="Look at the order's fulfilments in Shopify. Remove the reason, then replay it.",
)


def check_fulfillments(shop: Shop, shopify_order_id: ShopifyOrderId) -> None:
    """Have the order's fulfilments read, to see whether one of ours was cancelled in Shopify."""
    COMPARE.new(
        ShopifyOrderPayload(shop.id, shopify_order_id),
        key=f"compare:{shop.id}:{shopify_order_id}",
        lane=shop.lane,
        subject=order_subject(shop.id, shopify_order_id),
        partition=SHIPMENTS,
    ).enqueue()


MOVE = JobKind(
    "fulfillment.move",
    WmsOrderPayload,
    queue=Queue.SUBMISSION,
    work="move the fulfilment order to the chosen location in Shopify",
    if_dead="The order ships all the same, but Shopify counts its stock at another location.",
    remedy=SCOPES,
)


def move(wms_order: WmsOrder) -> None:
    """Have Shopify's fulfilment orders moved to the location of the chosen warehouse."""
    MOVE.new(
        WmsOrderPayload(wms_order.id),
        key=_move_key(wms_order),
        lane=wms_order.order.shop.lane,
        subject=wms_order.order.subject,
    ).enqueue()


def move_pending(wms_order: WmsOrder) -> bool:
    """Whether a move of Shopify's fulfilment orders to its location waits or runs."""
    return is_pending(_move_key(wms_order))


def _move_key(wms_order: WmsOrder) -> str:
    return f"move:{wms_order.external_id}"
