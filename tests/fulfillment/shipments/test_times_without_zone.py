"""Many warehouse systems write local time and no zone: what they tell is taken, at the right moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fulfillment.models import Return, Shipment, WmsOrder
from inventory.models import StockLevel
from ops.models import Job
from tests.drain import drain
from tests.fulfillment.scene import MUG, Scene
from tests.wms.callbacks.test_receiver import deliver
from tests.world import Json
from wms.models import Connection

pytestmark = pytest.mark.django_db

LOCAL, MOMENT = "2026-07-01T10:00:00", datetime(2026, 7, 1, 8, tzinfo=UTC)


def tell(kind: str, data: Json, *, event: str = "e1") -> None:
    """By the door, from a WMS that is set to Berlin's time."""
    Connection.objects.filter(slug="north").update(time_zone="Europe/Berlin")
    body = {"eventId": event, "type": kind, "occurredAt": LOCAL, "data": data}
    assert deliver(body, secret="wms-secret").status_code == 200
    drain()


def test_a_shipment_dated_in_local_time_brings_the_customer_the_tracking(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    shipped = [{"wmsItemCode": "MUG", "quantityShipped": 1}]
    wms_order = scene.row(order).wms_orders.get()
    named = {"wmsOrderId": wms_order.remote_id, "wmsShipmentId": "S1", "trackingNumber": "T1"}
    tell("shipment", {**named, "shippedItems": shipped, "shippedAt": LOCAL})
    (made,) = scene.fulfillments(order)
    assert made["tracking"]["numbers"] == ["T1"]
    assert Shipment.objects.get().shipped_at == MOMENT


def test_a_state_and_a_level_dated_in_local_time_are_of_that_moment(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    tell("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "picking"}, event="a")
    tell("inventory", {"wmsItemCode": "NEW", "warehouseId": "BER1", "availableQuantity": 3}, event="b")
    assert WmsOrder.objects.get().wms_status == "picking"
    assert StockLevel.objects.get(item_code="NEW").observed_at == MOMENT


def test_goods_that_came_back_at_a_local_time_are_taken_up(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "ship")
    goods = [{"wmsItemCode": "MUG", "quantity": 1, "condition": "sellable"}]
    named = {"wmsReturnId": "R1", "wmsOrderId": WmsOrder.objects.get().remote_id}
    tell("return_receipt", {**named, "items": goods, "receivedAt": LOCAL})
    assert Return.objects.get().remote_id == "R1"


def test_what_was_stored_before_there_were_zones_is_of_utc(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.ship(order)
    job = Job.objects.get(kind="wms.shipment")
    assert "zone" not in job.payload
    assert Shipment.objects.get().shipped_at == datetime(2027, 1, 1, tzinfo=UTC)
