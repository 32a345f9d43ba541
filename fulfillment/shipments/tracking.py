"""Tracking of a shipment: how it is given to Shopify, and how a newer report of the WMS corrects it."""

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
    """`FulfillmentTrackingInput` (Admin API 2026-10) of a shipment; {} if there is no tracking.

    It has all numbers and links, and the carrier by Shopify's name, or by the WMS's name if Shopify has none. If the
    items of a unit left in several shipments, the numbers of all of them are given.
    """
    shipments = [*kits.shipments_of_same_units(shipment), shipment]
    # Shopify pairs the first link with the first number, so shipments with links come first.
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
    """Tracking as the fields of a Shipment."""
    return {
        "tracking_number": tracking.numbers[0] if tracking.numbers else "",
        "tracking_numbers": list(tracking.numbers),
        "tracking_urls": list(tracking.urls),
        "carrier_code": tracking.carrier,
    }


def correct(order: Order, shipment: Shipment, event: ShipmentEvent, *, occurred_at: datetime) -> bool:
    """Take over the tracking of a report of a known shipment, unless the report is older; False if nothing changed.

    Values that the report does not name stay. The order is locked.
    """
    reported = event.tracking
    if not (reported.numbers or reported.urls):
        return False
    no_older = Q(reported_at__lte=occurred_at) | Q(reported_at__isnull=True) | Q(tracking_number="")
    same_numbers = not reported.numbers or list(reported.numbers) == shipment.numbers
    now = Tracking(
        numbers=reported.numbers or tuple(shipment.numbers),
        urls=reported.urls or (tuple(shipment.tracking_urls) if same_numbers else ()),
        carrier=reported.carrier or shipment.carrier_code,
    )
    before = Tracking(tuple(shipment.numbers), tuple(shipment.tracking_urls), shipment.carrier_code)
    changed = now != before and Shipment.objects.filter(no_older, id=shipment.id).update(**fields_of(now))
    if not changed:
        return False
    logger.info("tracking_corrected", shipment=shipment.id, order=order.id)
    jobs.shipments.update_tracking(shipment, order)
    return True


def report_unusable(order: Order, shipment: Shipment, reported: Tracking) -> None:
    """Alert a person about tracking that Shopify does not take. The other tracking is used."""
    if reported.unusable:
        alerts.shipments.tracking_unusable(order, shipment, unusable=reported.unusable)


def close_if_usable(shipment: Shipment, reported: Tracking) -> None:
    """Close that alert if a newer report of the shipment has tracking, and all of it can be used."""
    if (reported.numbers or reported.urls) and not reported.unusable:
        alerts.shipments.TRACKING_UNUSABLE.close(shipment.subject)


def update_fulfillments(shipment_pk: ShipmentPk) -> None:
    """Set the present tracking in Shopify for the fulfilments of a shipment, and for those that share units with it.

    A fulfilment that is not made yet will get it when it is made. A cancelled one is left alone.
    `fulfillmentTrackingInfoUpdate` sets values, so a repeat changes nothing. Raises Permanent if Shopify refuses it.
    """
    shipment = Shipment.objects.select_related("wms_order__order__shop").get(id=shipment_pk)
    if shipment.wms_order is None:
        return
    order = shipment.wms_order.order
    confirmed = Fulfillment.objects.filter(
        shipment__wms_order=shipment.wms_order, state=FulfillmentState.CONFIRMED
    )
    now = [
        (each, tracking_input(each.shipment)) for each in confirmed.select_related("shipment").order_by("id")
    ]
    changed = [(each, given) for each, given in now if given and given != each.tracking]
    gone = cancelled_fulfillments.check(order.shop, order) if changed else set()
    for each, given in changed:
        if each.shopify_fulfillment_id not in gone:
            _set_tracking(order.shop, each, given)
            Fulfillment.objects.filter(id=each.id).update(tracking=given)


def _set_tracking(shop: Shop, fulfillment: Fulfillment, given: dict[str, Any]) -> None:
    """Set the tracking of one fulfilment. Raises Permanent if Shopify refuses it."""
    variables = {
        "fulfillmentId": gid("Fulfillment", fulfillment.shopify_fulfillment_id or FulfillmentId(0)),
        "notifyCustomer": shop.notify_customer,
        "trackingInfoInput": given,
    }
    data = execute(shop, "fulfillment_tracking_update", variables).data
    messages = parse(Payload, data.get("fulfillmentTrackingInfoUpdate"), changes=True).messages
    if messages:
        raise Permanent(f"Shopify refused the new tracking: {messages}")
