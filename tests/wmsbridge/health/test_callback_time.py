"""Fulfilment callback time: from the WMS's emission to the fulfilment in Shopify."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from fulfillment.models import Shipment
from ops.doors import signatures
from shops.models import Shop
from tests.builders import make_order, make_shipment, make_wms_order
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, Scene
from tests.wmsbridge.health.watch import Watch, pass_time
from tests.world import Json

pytestmark = pytest.mark.django_db

SOON = 20


@pytest.fixture
def watch(admin_client: Client) -> Watch:
    return Watch("fulfilment_callback_time", admin_client)


def ago(**units: float) -> str:
    return (timezone.now() - timedelta(**units)).isoformat()


def emit(
    scene: Scene, order: Json, *, at: str, shipment: str = "S1", event: str = "e1", units: int = 1
) -> None:
    """The WMS's callback about a shipment comes in, emitted at a time of its clock."""
    part = scene.row(order).wms_orders.get()
    data = {
        "wmsOrderId": part.remote_id,
        "wmsShipmentId": shipment,
        "warehouseId": "BER1",
        "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": units}],
        "trackingNumber": "T1",
        "carrierCode": "dhl",
        "shippedAt": at,
    }
    body = json.dumps({"eventId": event, "type": "shipment", "occurredAt": at, "data": data})
    signature = signatures.sign("wms-secret", body.encode())
    answer = Client().post(
        "/webhooks/wms/north/", body, content_type="application/json", headers={"X-WMS-Signature": signature}
    )
    assert answer.status_code == 200


def sent(scene: Scene, units: int = 1) -> Json:
    """An order that its warehouse has for an hour."""
    order = scene.arrive((MUG, units))
    pass_time(hours=1)
    return order


def shopify_down(scene: Scene) -> None:
    scene.shopify.fault("fulfillmentCreate", "503", count=100)


def test_a_shipment_of_a_shop_that_is_switched_off_counts_when_it_is_on_again(
    scene: Scene, watch: Watch
) -> None:
    order = sent(scene)
    Shop.objects.update(is_active=False)
    emit(scene, order, at=ago(seconds=5))
    drain()
    pass_time(hours=2)
    assert watch.is_well()
    Shop.objects.update(is_active=True)
    assert "has not been reported to Shopify for 2 h" in watch.alerted().title


def test_a_shipment_counts_from_the_emission_of_its_first_report(scene: Scene, watch: Watch) -> None:
    order = sent(scene, units=2)
    emit(scene, order, at=ago(minutes=30))
    drain()
    emit(scene, order, at=ago(minutes=1), event="e2")
    drain()
    shipment: Any = Shipment.objects.get()
    took = shipment.fulfilled_at - shipment.emitted_at
    assert took.total_seconds() == pytest.approx(1800, abs=SOON)
    assert shipment.reported_at > shipment.emitted_at
    assert watch.measured().reading.parts["median"] == pytest.approx(1800, abs=SOON)
    assert watch.is_well()  # one shipment is no median


def test_a_shipment_that_shopify_is_not_told_of_is_told_to_a_person(scene: Scene, watch: Watch) -> None:
    order = sent(scene)
    shopify_down(scene)
    emit(scene, order, at=ago(seconds=1))
    drain()
    assert watch.is_well()
    pass_time(minutes=3)
    alert = watch.alerted()
    named = f"shipment S1 of north of order {order['name']} of berlin.myshopify.com"
    assert f"{named} has not been reported to Shopify for 3 min" in alert.title
    assert alert.shop == "berlin.myshopify.com"
    assert "customer has not been told" in alert.meaning
    assert "the shop's lane" in alert.action
    scene.shopify.heal()
    pass_time(minutes=1)
    drain(advance=timedelta(minutes=40))
    assert scene.fulfillments(order)
    assert watch.is_well()


def test_a_wms_that_sends_its_callbacks_late_is_told_though_none_waits(scene: Scene, watch: Watch) -> None:
    orders = [scene.arrive((MUG, 1)) for _ in range(5)]
    pass_time(hours=1)
    for number, order in enumerate(orders):
        emit(scene, order, at=ago(minutes=20), shipment=f"S{number}", event=f"e{number}")
    drain()
    alert = watch.alerted()
    assert "in the median" in alert.title
    assert "the WMS sends its callbacks late" in alert.action
    Shipment.objects.update(
        emitted_at=timezone.now(), received_at=timezone.now(), fulfilled_at=timezone.now()
    )
    assert watch.is_well()


def test_a_clock_that_is_ahead_or_wrong_by_years_counts_from_what_is_possible(scene: Scene) -> None:
    ahead, wrong = sent(scene), sent(scene)
    emit(scene, ahead, at="2099-01-01T00:00:00Z", shipment="S1", event="e1")
    emit(scene, wrong, at="2001-01-01T00:00:00Z", shipment="S2", event="e2")
    drain()
    shipments: Any = Shipment.objects.order_by("wms_shipment_id")
    first, second = shipments
    assert first.emitted_at <= first.received_at
    assert second.emitted_at == scene.row(wrong).wms_orders.get().created_at


def test_a_held_shipment_is_kept_apart_and_counts_from_when_it_goes_on(scene: Scene, watch: Watch) -> None:
    order = sent(scene)
    scene.staff(order, "hold")
    drain()
    emit(scene, order, at=ago(seconds=1))
    drain(advance=LATER)
    assert Shipment.objects.get().state == "held"
    pass_time(hours=7)
    assert watch.is_well()
    reading = watch.measured().reading
    assert (reading.parts["untold"], reading.parts["held"]) == (0, 1)
    assert "1 held for a person, 7 h at most" in reading.detail
    scene.staff(order, "release")
    drain(advance=LATER)
    assert Shipment.objects.get().state == "fulfilled"
    assert watch.measured().reading.parts["median"] < 60


def test_more_units_in_a_later_report_count_from_that_report(scene: Scene, watch: Watch) -> None:
    order = sent(scene, units=2)
    emit(scene, order, at=ago(seconds=1))
    drain()
    pass_time(hours=7)
    shopify_down(scene)
    emit(scene, order, at=ago(seconds=0), event="e2", units=2)
    drain()
    assert watch.measured().reading.parts["oldest"] < 60


def test_a_shipment_stored_before_the_emission_was_kept_counts_from_our_receipt(
    scene: Scene, watch: Watch
) -> None:
    part = make_wms_order(make_order(scene.shop, state="at_warehouse"), scene.berlin)
    make_shipment(part, received_at=datetime.now(UTC) - timedelta(minutes=5))
    assert watch.measured().reading.value == pytest.approx(300, abs=SOON)


def test_a_kit_that_waits_for_its_rest_does_not_count(scene: Scene, watch: Watch) -> None:
    part: Any = make_wms_order(make_order(scene.shop, state="at_warehouse"), scene.berlin)
    make_shipment(part, state="partial_kit", received_at=datetime.now(UTC) - timedelta(days=5))
    assert watch.measured().reading.value == 0
