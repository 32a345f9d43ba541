"""Tracking of a shipment: how Shopify is told of it, and its correction by a newer report of the WMS."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from fulfillment import enqueue
from fulfillment.models import Order, Shipment
from fulfillment.states import ShipmentState
from ops.errors import Permanent, Throttled
from shops.client import execute
from shops.gids import gid
from wms.callbacks import ShipmentEvent
from wms.carriers import shopify_carrier

logger = structlog.get_logger(__name__)

LATER = timedelta(seconds=30)


def tracking_input(shipment: Shipment) -> dict[str, str]:
    """`FulfillmentTrackingInput` (Admin API 2026-10): number and carrier by the name Shopify knows; {} = none."""
    given = {"number": shipment.tracking_number, "company": shopify_carrier(shipment.carrier_code)}
    return {name: value for name, value in given.items() if value}


def correct(order: Order, shipment: Shipment, event: ShipmentEvent, *, occurred_at: datetime) -> bool:
    """Take over tracking from a newer report of a known shipment; False when it says nothing new. Order locked.

    Raises Throttled while Shopify is being told of the shipment: its fulfilment is known again by its tracking.
    """
    newer = Shipment.objects.filter(
        Q(reported_at__lt=occurred_at) | Q(reported_at__isnull=True), id=shipment.id
    )
    number, carrier = event.tracking_number[:255], event.carrier_code[:100]
    if not number or (number, carrier) == (shipment.tracking_number, shipment.carrier_code):
        return False
    settled = newer.exclude(state=ShipmentState.FULFILLING)
    if not settled.update(tracking_number=number, carrier_code=carrier, reported_at=occurred_at):
        if newer.exists():
            raise Throttled("the shipment is being told to Shopify", wait=LATER)
        return False
    logger.info("tracking_corrected", shipment=shipment.id, order=order.id)
    enqueue.update_tracking(shipment, order)
    return True


def update(shipment_id: int) -> None:
    """Tell Shopify the tracking a fulfilment has now; one that is not there yet will be made with it.

    `fulfillmentTrackingInfoUpdate` sets, so a repeat changes nothing. Raises Permanent when Shopify refuses it.
    """
    shipment = Shipment.objects.select_related("wms_order__order__shop").get(id=shipment_id)
    if shipment.state != ShipmentState.FULFILLED or shipment.wms_order is None:
        return
    shop = shipment.wms_order.order.shop
    variables = {
        "fulfillmentId": gid("Fulfillment", shipment.shopify_fulfillment_id or 0),
        "notifyCustomer": shop.notify_customer,
        "trackingInfoInput": tracking_input(shipment),
    }
    payload = (
        execute(shop, "fulfillment_tracking_update", variables).get("fulfillmentTrackingInfoUpdate") or {}
    )
    messages = "; ".join(error.get("message", "") for error in payload.get("userErrors") or [])
    if messages:
        raise Permanent(f"Shopify refused the new tracking: {messages}")
