"""A known shipment id is no duplicate before its content was compared: what is new is counted and told, or held."""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.models import Shipment, WmsOrder, WmsOrderLine
from fulfillment.models.states import OrderState, ShipmentState
from fulfillment.shipments import intake
from ops.models import Alert
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, TEE, Scene

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def day(number: int) -> str:
    return f"2027-01-{number:02}T00:00:00+00:00"


def items(**units: int) -> list[Json]:
    return [{"wmsItemCode": item, "quantityShipped": quantity} for item, quantity in units.items()]


def fulfilled(scene: Scene, order: Json) -> list[tuple[list[str], int]]:
    return [
        (each["tracking"]["numbers"], sum(line["quantity"] for line in each["lines"]))
        for each in scene.fulfillments(order)
    ]


@pytest.mark.parametrize("at", [1, 2])
def test_an_item_more_is_counted_and_told_with_the_tracking_that_came_with_it(scene: Scene, at: int) -> None:
    order = scene.arrive((TEE, 1), (MUG, 1))
    data = scene.ship(order, ("TEE", 1), tracking="")
    scene.callback(
        "shipment", {**data, "shippedItems": items(TEE=1, MUG=1), "trackingNumber": "LATE-1"}, at=day(at)
    )
    assert fulfilled(scene, order) == [(["LATE-1"], 1), (["LATE-1"], 1)]
    assert scene.row(order).state == OrderState.SHIPPED
    assert Shipment.objects.get().state == ShipmentState.FULFILLED
    assert not Alert.objects.exists()


def test_more_units_of_the_same_item_are_counted_once_however_often_they_are_reported(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    data = scene.ship(order, ("MUG", 1), tracking="T")
    for _ in range(3):
        scene.callback("shipment", {**data, "shippedItems": items(MUG=3)}, at=day(2))
    assert fulfilled(scene, order) == [(["T"], 1), (["T"], 2)]
    assert WmsOrderLine.objects.get().shipped == 3


def test_what_is_more_than_was_asked_for_is_held_by_item(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    data = scene.ship(order, ("MUG", 1))
    scene.callback("shipment", {**data, "shippedItems": items(MUG=5, GHOST=1)}, at=day(2))
    assert [units for _, units in fulfilled(scene, order)] == [1, 1]
    shipment = Shipment.objects.get()
    assert shipment.state == ShipmentState.HELD
    assert "3 × MUG: more than" in shipment.reason
    assert "1 × GHOST: an item" in shipment.reason
    assert shipment.reason in Alert.objects.get(kind="shipment_held").meaning


def test_a_corrected_report_frees_what_was_held_as_surplus(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    data = scene.ship(order, ("MUG", 9), ("GHOST", 1))
    assert Shipment.objects.get().state == ShipmentState.HELD
    scene.callback("shipment", {**data, "shippedItems": items(MUG=2)}, at=day(2))
    assert Shipment.objects.get().state == ShipmentState.FULFILLED
    assert not Alert.objects.filter(state="open").exists()
    assert [units for _, units in fulfilled(scene, order)] == [2]


def test_fewer_units_than_a_fulfilment_has_are_shown_to_a_person(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    data = scene.ship(order)
    scene.callback("shipment", {**data, "shippedItems": items(MUG=1)}, at=day(2))
    alert = Alert.objects.get(kind="shipment_contradicted", state="open")
    assert "1 × MUG instead of 2" in alert.meaning
    assert "0 × TEE instead of 1" in alert.meaning
    assert [units for _, units in fulfilled(scene, order)] == [3]


def test_an_older_report_that_says_less_changes_nothing(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    data = scene.ship(order)
    scene.callback("shipment", {**data, "shippedItems": items(MUG=1)}, at="2026-12-31T00:00:00+00:00")
    assert not Alert.objects.exists()


def test_an_older_report_that_says_more_is_shown_to_a_person(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    data = scene.ship(order, ("MUG", 2))
    scene.callback("shipment", {**data, "shippedItems": items(MUG=2, TEE=1)}, at="2026-12-31T00:00:00+00:00")
    assert "1 × TEE" in Alert.objects.get(kind="shipment_contradicted").meaning
    assert [units for _, units in fulfilled(scene, order)] == [2]


def test_another_warehouse_is_shown_to_a_person(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    data = scene.ship(order)
    scene.callback("shipment", {**data, "warehouseId": "HAM1"}, at=day(2))
    assert "HAM1" in Alert.objects.get(kind="shipment_contradicted").meaning


def test_an_id_that_was_another_order_s_shipment_is_a_shipment_of_its_own_and_held(scene: Scene) -> None:
    first, second = scene.arrive((MUG, 1)), scene.arrive((TEE, 1))
    scene.ship(first, shipment="1", tracking="A")
    for _ in range(2):
        scene.ship(second, shipment="1", tracking="B")
    twin = Shipment.objects.get(tracking_number="B")
    assert Shipment.objects.count() == 2
    assert (twin.state, fulfilled(scene, second)) == (ShipmentState.HELD, [])
    alert = Alert.objects.get(kind="shipment_held", state="open")
    assert "1 × TEE" in alert.meaning
    assert scene.row(second).name in alert.title
    assert intake.recheck_held(twin.id)
    drain()
    assert (fulfilled(scene, first), fulfilled(scene, second)) == ([(["A"], 1)], [(["B"], 1)])
    scene.ship(second, shipment="1", tracking="B")
    assert [units for _, units in fulfilled(scene, second)] == [1]


def test_a_first_tracking_number_reaches_shopify_also_of_a_shipment_that_is_held(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "hold", {"reason": "OTHER"})
    drain()
    data = scene.ship(order, tracking="")
    scene.callback("shipment", {**data, "trackingNumber": "FIRST"}, at=day(2))
    scene.staff(order, "release")
    drain()
    assert fulfilled(scene, order) == [(["FIRST"], 1)]


def test_a_first_number_is_taken_from_any_report_and_a_report_without_one_takes_none_away(
    scene: Scene,
) -> None:
    order = scene.arrive((MUG, 1))
    data = scene.ship(order, tracking="")
    scene.callback("shipment", {**data, "trackingNumber": "FIRST"}, at="2026-12-31T00:00:00+00:00")
    scene.callback("shipment", {**data, "trackingNumber": None}, at=day(3))
    assert fulfilled(scene, order) == [(["FIRST"], 1)]


def test_what_is_added_while_the_first_outcome_is_unknown_is_fulfilled_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.shopify.fault("fulfillmentCreate", "timeout_after", delay=0.1)
    data = scene.ship(order, ("MUG", 1), tracking="")
    scene.callback("shipment", {**data, "shippedItems": items(MUG=3)}, at=day(2))
    for _ in range(3):
        drain(advance=LATER)
    assert sorted(units for _, units in fulfilled(scene, order)) == [1, 2]
    assert WmsOrder.objects.get().wms_status == "shipped"
