"""A WMS that gives all its events one id: the parcel is told to Shopify all the same, once."""

from __future__ import annotations

import pytest

from fulfillment.models import Shipment, WmsOrder
from fulfillment.models.states import OrderState
from tests.drain import drain
from tests.fulfillment.scene import MUG, Scene
from tests.wms.callbacks.test_receiver import deliver
from wms.models import Connection

pytestmark = pytest.mark.django_db


def test_a_shipment_with_the_event_id_of_a_status_is_told_once(scene: Scene) -> None:
    Connection.objects.update(callback_secret="new-secret")
    order = scene.arrive((MUG, 1))
    named = {"wmsOrderId": WmsOrder.objects.get().remote_id}
    goods = [{"wmsItemCode": "MUG", "quantityShipped": 1}]
    parcel = {
        **named,
        "wmsShipmentId": "AN-1",
        "warehouseId": "BER1",
        "shippedItems": goods,
        "trackingNumber": "T1",
    }
    for kind, data in [("order_status", {**named, "status": "picking"}), *[("shipment", parcel)] * 2]:
        at = "2027-01-01T00:00:00Z"
        assert deliver({"eventId": "EV-1", "type": kind, "occurredAt": at, "data": data}).status_code == 200
        drain()
    assert Shipment.objects.get().wms_shipment_id == "AN-1"
    assert scene.row(order).state == OrderState.SHIPPED
