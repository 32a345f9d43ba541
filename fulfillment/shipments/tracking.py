"""Tracking of a shipment: how Shopify is told of it, and its correction by a newer report of the WMS."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db.models import Q

from fulfillment import alerts, jobs
from fulfillment.models import Fulfillment, Order, Shipment
from fulfillment.models.states import FulfillmentState
from fulfillment.refs import ShipmentPk
from fulfillment.shipments import cancelled_fulfillments, kits
from ops.errors import Permanent
from shops.api.client import execute
from shops.api.gids import gid
from shops.api.shapes import Payload, parse
from shops.ids import FulfillmentId
from shops.models import Shop
from wms.callbacks.carriers import shopify_carrier
from wms.callbacks.events import ShipmentEvent
from wms.callbacks.tracking import Tracking

logger = structlog.get_logger(__name__)


def tracking_input(shipment: Shipment) -> dict[str, Any]:
    """`FulfillmentTrackingInput` (Admin API 2026-10): all numbers and links, and the carrier by the name that Shopify
    knows, else as the WMS names it; {} = none.

    Of units whose items left in several shipments, the numbers of all of them are given.
    """
    shipments = [*kits.shipments_of_same_units(shipment), shipment]
    # Shopify takes the first link for the first number: those that have links come first.
    shipments.sort(key=lambda each: not each.tracking_urls)
    numbers = list(dict.fromkeys(number for each in shipments for number in each.numbers))
    urls = list(dict.fromkeys(url for each in shipments for url in each.tracking_urls))
    carriers = [shipment.carrier_code, *(each.carrier_code for each in shipments)]
    several = len(numbers) > 1 or len(urls) > 1
    given: dict[str, Any] = {
        "company": shopify_carrier(next(filter(None, carriers), "")),
        **({"numbers": numbers, "urls": urls} if several else {}),
        **({} if several else {"number": "".join(numbers), "url": "".join(urls)}),
    }
    return {name: value for name, value in given.items() if value}


def numbers_in(given: dict[str, Any]) -> frozenset[str]:
    """The tracking numbers in a `FulfillmentTrackingInput`."""
    return frozenset(given.get("numbers") or ([given["number"]] if given.get("number") else []))


def fields_of(tracking: Tracking) -> dict[str, Any]:
    """Tracking as a Shipment stores it."""
    return {
        "tracking_number": tracking.numbers[0] if tracking.numbers else "",
        "tracking_numbers": list(tracking.numbers),
        "tracking_urls": list(tracking.urls),
        "carrier_code": tracking.carrier,
    }


def correct(order: Order, shipment: Shipment, event: ShipmentEvent, *, occurred_at: datetime) -> bool:
    """Take over tracking from a report of a known shipment that is no older; False when it says nothing new.

    What the report does not say stays as it was. The order is locked.
    """
    said = event.tracking
    if not (said.numbers or said.urls):
        return False
    no_older = Q(reported_at__lte=occurred_at) | Q(reported_at__isnull=True) | Q(tracking_number="")
    same_numbers = not said.numbers or list(said.numbers) == shipment.numbers
    now = Tracking(
        numbers=said.numbers or tuple(shipment.numbers),
        urls=said.urls or (tuple(shipment.tracking_urls) if same_numbers else ()),
        carrier=said.carrier or shipment.carrier_code,
    )
    before = Tracking(tuple(shipment.numbers), tuple(shipment.tracking_urls), shipment.carrier_code)
    changed = now != before and Shipment.objects.filter(no_older, id=shipment.id).update(**fields_of(now))
    if not changed:
        return False
    logger.info("tracking_corrected", shipment=shipment.id, order=order.id)
    jobs.shipments.update_tracking(shipment, order)
    return True


def report_unusable(order: Order, shipment: Shipment, said: Tracking, *, closes_alert: bool = False) -> None:
    """What the WMS gave as tracking and Shopify cannot be given: a person is told, the rest goes on.

    `closes_alert`: a newer report of the each, which ends the alert when all that it gives can be used.
    """
    if not said.unusable:
        if closes_alert and (said.numbers or said.urls):
            alerts.shipments.TRACKING_UNUSABLE.close(shipment.subject)
        return
    alerts.shipments.tracking_unusable(order, shipment, unusable=said.unusable)


def update_fulfillments(shipment_pk: ShipmentPk) -> None:
    """Tell Shopify the tracking that a shipment's fulfilments have now, and those of units that it is a part of.

    A fulfilment that is not there yet will be made with it; one that was cancelled is left alone.
    `fulfillmentTrackingInfoUpdate` sets, so a repeat changes nothing. Raises Permanent when Shopify refuses it.
    """
    shipment = Shipment.objects.select_related("wms_order__order__shop").get(id=shipment_pk)
    if shipment.wms_order is None:
        return
    order = shipment.wms_order.order
    told = Fulfillment.objects.filter(
        shipment__wms_order=shipment.wms_order, state=FulfillmentState.CONFIRMED
    )
    now = [(each, tracking_input(each.shipment)) for each in told.select_related("shipment").order_by("id")]
    changed = [(each, given) for each, given in now if given and given != each.tracking]
    gone = cancelled_fulfillments.compare(order.shop, order) if changed else set()
    for each, given in changed:
        if each.shopify_fulfillment_id not in gone:
            _set_tracking(order.shop, each, given)
            Fulfillment.objects.filter(id=each.id).update(tracking=given)


def _set_tracking(shop: Shop, told: Fulfillment, given: dict[str, Any]) -> None:
    variables = {
        "fulfillmentId": gid("Fulfillment", told.shopify_fulfillment_id or FulfillmentId(0)),
        "notifyCustomer": shop.notify_customer,
        "trackingInfoInput": given,
    }
    data = execute(shop, "fulfillment_tracking_update", variables).data
    messages = parse(Payload, data.get("fulfillmentTrackingInfoUpdate"), changes=True).messages
    if messages:
        raise Permanent(f"Shopify refused the new tracking: {messages}")
