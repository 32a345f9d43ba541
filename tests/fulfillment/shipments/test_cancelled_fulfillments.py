"""A fulfilment of ours that was cancelled in Shopify: nothing is sent or told twice by itself, and a person decides."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fulfillment.console.sections import page_of
from fulfillment.models import Shipment, ShipmentUnit, WmsOrder
from fulfillment.models.states import OrderState, Reason, ShipmentState
from fulfillment.orders import sync
from fulfillment.shipments import cancelled_fulfillments
from fulfillment.shopify import queries
from ops.models import Alert
from ops.queue import jobs
from ops.refs import Subject
from tests.drain import drain
from tests.fulfillment.order_rows import place, shipped, staff
from tests.fulfillment.scene import LATER, MUG, TEE, Scene

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def fulfilled(scene: Scene, order: Json) -> list[tuple[list[str], int]]:
    return [
        (each["tracking"]["numbers"], sum(line["quantity"] for line in each["lines"]))
        for each in scene.fulfillments(order)
    ]


def cancelled(scene: Scene, *lines: tuple[int, int], tracking: str = "T1") -> Json:
    """An order that was shipped, and whose fulfilment was cancelled in Shopify, as a reading shows."""
    order = scene.arrive(*lines)
    scene.ship(order, tracking=tracking)
    for each in scene.fulfillments(order):
        scene.cancel_fulfillment(each)
    scene.webhook(order)
    drain()
    return order


def test_a_person_is_alerted_and_nothing_is_sent_or_fulfilled_again(scene: Scene) -> None:
    order = cancelled(scene, (MUG, 2))
    alert = Alert.objects.get(kind="fulfillment_cancelled", state="open")
    assert "2 × " in alert.meaning
    assert "berlin" in alert.title
    assert Shipment.objects.get().state == ShipmentState.CANCELLED
    row = scene.row(order)
    assert (row.state, row.reason) == (OrderState.PARTIALLY_SHIPPED, Reason.SHIPMENT_HELD)
    scene.webhook(order)
    drain(advance=LATER)
    assert fulfilled(scene, order) == []
    assert WmsOrder.objects.count() == 1
    assert Alert.objects.get(kind="fulfillment_cancelled").count == 1


def test_fulfilled_again_it_is_a_new_fulfillment_of_the_same_shipment(scene: Scene) -> None:
    order = cancelled(scene, (MUG, 2))
    shipment = Shipment.objects.get()
    assert cancelled_fulfillments.fulfill_again(shipment.id, user_id=None)
    assert not cancelled_fulfillments.fulfill_again(shipment.id, user_id=None)
    drain()
    assert fulfilled(scene, order) == [(["T1"], 2)]
    assert scene.row(order).state == OrderState.SHIPPED
    shipment.refresh_from_db()
    assert shipment.shopify_fulfillment_id == scene.fulfillments(order)[0]["id"]
    assert not Alert.objects.filter(state="open").exists()


def test_sent_again_it_goes_to_a_warehouse_once_more_and_only_once(scene: Scene) -> None:
    order = cancelled(scene, (MUG, 2))
    shipment = Shipment.objects.get()
    assert cancelled_fulfillments.send_again(shipment.id, user_id=None)
    assert not cancelled_fulfillments.send_again(shipment.id, user_id=None)
    for _ in range(2):
        scene.webhook(order)
        drain(advance=LATER)
    first, second = WmsOrder.objects.order_by("part")
    assert second.lines.get().quantity == 2
    assert [len(scene.wms_books()["orders"])] == [2]
    scene.ship(order, part=2, tracking="T2")
    assert fulfilled(scene, order) == [(["T2"], 2)]
    assert scene.row(order).state == OrderState.SHIPPED
    assert ShipmentUnit.objects.get(shipment__wms_order=first).sent_again == 2
    assert not Alert.objects.filter(state="open").exists()


def test_new_tracking_does_not_touch_the_cancelled_fulfillment_and_goes_with_the_new_one(
    scene: Scene,
) -> None:
    order = scene.arrive((MUG, 1))
    data = scene.ship(order, tracking="OLD")
    (gone,) = scene.fulfillments(order)
    scene.cancel_fulfillment(gone)  # and no webhook of it reaches us
    scene.callback("shipment", {**data, "trackingNumber": "NEW"}, at="2027-01-02T00:00:00+00:00")
    (there,) = scene.shopify_order(order)["fulfillments"]
    assert there["tracking"]["numbers"] == ["OLD"]
    assert Alert.objects.filter(kind="fulfillment_cancelled", state="open").exists()
    cancelled_fulfillments.fulfill_again(Shipment.objects.get().id, user_id=None)
    drain()
    assert fulfilled(scene, order) == [(["NEW"], 1)]


def test_more_units_and_another_number_reported_meanwhile_are_told_with_it(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    data = scene.ship(order, ("MUG", 1), tracking="OLD")
    scene.cancel_fulfillment(scene.fulfillments(order)[0])
    scene.webhook(order)
    drain()
    both = [{"wmsItemCode": "MUG", "quantityShipped": 2}]
    more = {**data, "trackingNumber": "NEW", "shippedItems": both}
    scene.callback("shipment", more, at="2027-01-02T00:00:00+00:00")
    assert fulfilled(scene, order) == []
    cancelled_fulfillments.fulfill_again(Shipment.objects.get().id, user_id=None)
    drain()
    assert (fulfilled(scene, order), scene.row(order).state) == ([(["NEW"], 2)], OrderState.SHIPPED)


def test_of_two_shipments_only_the_one_whose_fulfillment_was_cancelled_is_in_question(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.ship(order, ("MUG", 1), tracking="A")
    scene.ship(order, ("MUG", 1), tracking="B")
    scene.cancel_fulfillment(scene.fulfillments(order)[0])
    scene.webhook(order)
    drain()
    assert dict(Shipment.objects.values_list("tracking_number", "state")) == {
        "A": "cancelled",
        "B": "fulfilled",
    }
    assert WmsOrder.objects.count() == 1


def test_units_that_left_are_not_taken_for_new_ones_beside_what_somebody_else_fulfilled(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.ship(order, tracking="A")
    line = order["lines"][0]["id"]
    scene.shopify.post(
        f"/shops/berlin.myshopify.com/orders/{order['id']}/edit",
        {"changes": [{"line_id": line, "quantity": 2}]},
    )
    scene.shopify.post(f"/shops/berlin.myshopify.com/orders/{order['id']}/fulfill", {})
    ours = next(each for each in scene.fulfillments(order) if each["tracking"]["numbers"] == ["A"])
    scene.cancel_fulfillment(ours)
    scene.webhook(order)
    drain()
    assert WmsOrder.objects.count() == 1
    assert Shipment.objects.get().state == ShipmentState.CANCELLED


def test_a_webhook_alone_is_enough(scene: Scene) -> None:
    """Also where the order reads as if nothing had happened: other units of the line were fulfilled by hand."""
    order = scene.arrive((MUG, 2))
    scene.ship(order, ("MUG", 1), tracking="A")
    (ours,) = scene.fulfillments(order)
    scene.shopify.post(f"/shops/berlin.myshopify.com/orders/{order['id']}/fulfill", {})
    scene.cancel_fulfillment(ours)
    jobs.NewJob(
        "shopify.fulfillments/update",
        key="shopify:test",
        lane=scene.shop.inbox_lane,
        payload={
            "shop": scene.shop.id,
            "topic": "fulfillments/update",
            "body": {"id": ours["id"], "order_id": order["id"], "status": "cancelled"},
        },
        subject=Subject(f"order:{scene.shop.id}:{order['id']}"),
    ).enqueue()
    drain(advance=LATER)
    assert Shipment.objects.get().state == ShipmentState.CANCELLED


def test_a_reading_older_than_our_own_fulfillment_raises_no_alarm(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), (TEE, 1))
    (before,) = queries.orders(scene.shop, [order["id"]]).values()
    scene.ship(order)
    sync.store_checked(scene.shop, before)
    assert not Alert.objects.exists()
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


def test_the_buttons_are_offered_and_who_decided_is_recorded(client: Client) -> None:
    shipment = shipped(place(), state="cancelled")
    user = staff(client, "view_shipment", "change_shipment")
    page = client.get(page_of(shipment)).content.decode()
    assert "Tell Shopify again" in page
    assert "Send again" in page
    client.post(
        reverse("admin:fulfillment_shipment_changelist"),
        {"action": "send_again", "_selected_action": [shipment.pk]},
    )
    shipment.refresh_from_db()
    assert (shipment.state, shipment.decided_by) == (ShipmentState.CLOSED, user)
