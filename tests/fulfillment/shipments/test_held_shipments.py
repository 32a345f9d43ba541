"""Of a parcel Shopify is told what it asks for, at once; the rest waits with its causes and goes on by itself."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from fulfillment import jobs
from fulfillment.console.sections import page_of
from fulfillment.models import Fulfillment, Shipment, ShipmentLine, ShipmentUnit
from fulfillment.models.states import OrderState, Reason, ShipmentState
from fulfillment.shipments import held_shipments
from ops.models import Alert
from shops.api.client import Answer
from tests.drain import drain
from tests.fulfillment.order_rows import place, shipped, staff
from tests.fulfillment.scene import BERLIN, DOMAIN, LATER, LYON, MUG, TEE, Scene

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def units_told(scene: Scene, order: Json) -> list[tuple[list[str], list[int]]]:
    """Tracking numbers and quantities of each fulfilment in Shopify's books."""
    return [
        (each["tracking"]["numbers"], [line["quantity"] for line in each["lines"]])
        for each in scene.fulfillments(order)
    ]


def edit(scene: Scene, order: Json, line: int, quantity: int) -> None:
    change = {"line_id": order["lines"][line]["id"], "quantity": quantity}
    scene.staff(order, "edit", {"changes": [change]})


def test_units_that_were_taken_out_of_the_order_hold_only_themselves(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    edit(scene, order, 0, 0)
    scene.ship(order, ("MUG", 2), ("TEE", 1), tracking="TE")
    assert units_told(scene, order) == [(["TE"], [1])]
    shipment = Shipment.objects.get()
    assert shipment.state == ShipmentState.HELD
    assert "2 × SKU-MUG" in shipment.reason or "2 × MUG" in shipment.reason
    alert = Alert.objects.get(kind="shipment_held", state="open")
    assert shipment.reason in alert.meaning
    assert "no longer asks" in alert.meaning
    assert scene.row(order).state == OrderState.SHIPPED


def test_a_shipment_of_a_held_order_says_so_and_goes_on_once_the_hold_is_released(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "hold", {"reason": "HIGH_RISK_OF_FRAUD"})
    drain()
    scene.ship(order, tracking="TA")
    shipment = Shipment.objects.get()
    assert shipment.state == ShipmentState.HELD
    assert "on hold at Shopify: HIGH_RISK_OF_FRAUD" in shipment.reason
    row = scene.row(order)
    assert (row.state, row.reason) == (OrderState.PARTIALLY_SHIPPED, Reason.SHIPMENT_HELD)
    assert "HIGH_RISK_OF_FRAUD" in row.reason_detail
    scene.staff(order, "release")
    drain()
    assert units_told(scene, order) == [(["TA"], [1])]
    assert Shipment.objects.get().state == ShipmentState.FULFILLED
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.SHIPPED, "")
    assert not Alert.objects.filter(kind="shipment_held", state="open").exists()


def test_of_a_shipment_that_is_half_on_hold_the_other_half_is_told_at_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), (TEE, 2))
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    mug = next(line for line in work["lines"] if line["remaining"] == 1)
    scene.move_units(work, mug, 1, to=LYON)
    other = [fo["id"] for fo in scene.shopify_order(order)["fulfillment_orders"] if fo["location_id"] == LYON]
    scene.staff(order, "hold", {"reason": "OTHER", "fulfillment_order_id": other[0]})
    drain()
    scene.ship(order, ("MUG", 1), ("TEE", 2), tracking="HALF")
    assert units_told(scene, order) == [(["HALF"], [2])]
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED
    scene.staff(order, "release")
    drain()
    assert units_told(scene, order) == [(["HALF"], [2]), (["HALF"], [1])]
    assert scene.row(order).state == OrderState.SHIPPED


def test_a_reading_that_changes_nothing_of_the_cause_asks_shopify_nothing(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "hold", {"reason": "OTHER"})
    drain()
    scene.ship(order)
    drain(advance=LATER)
    scene.staff(order, "touch", {"note": "a word"})
    assert "fulfillment.fulfil" not in drain(advance=LATER)
    assert Alert.objects.get(kind="shipment_held").count == 1


def test_a_release_that_was_read_before_the_hold_was_stored_is_not_missed(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    real = held_shipments.hold_shipment

    def released_meanwhile(*given: Any, **named: Any) -> None:
        scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/release", {})
        real(*given, **named)

    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/hold", {"reason": "OTHER"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_shipments, "hold_shipment", released_meanwhile)
        scene.ship(order, tracking="R")
    drain(advance=LATER)
    assert units_told(scene, order) == [(["R"], [1])]


def test_a_shipment_whose_units_somebody_else_fulfilled_says_so_until_a_person_closes_it(
    scene: Scene,
) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "fulfill")
    scene.ship(order)
    shipment = Shipment.objects.get()
    assert (shipment.state, shipment.reason.split(": ")[1]) == (
        ShipmentState.HELD,
        "fulfilled by somebody else",
    )
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED
    assert held_shipments.close_shipment(shipment.id, user_id=None)
    assert Shipment.objects.get().state == ShipmentState.CLOSED
    assert scene.row(order).state == OrderState.SHIPPED
    assert not Alert.objects.filter(kind="shipment_held", state="open").exists()
    assert not held_shipments.close_shipment(shipment.id, user_id=None)


def test_a_shipment_of_a_cancelled_order_says_so(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick", {})
    scene.in_warehouse(order, "pack", {})
    scene.staff(order, "cancel")
    drain()
    scene.ship(order)
    assert "the order is cancelled" in Shipment.objects.get().reason
    assert scene.row(order).state != OrderState.SHIPPED


def test_an_order_is_shipped_only_once_shopify_knows_it(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.shopify.fault("fulfillmentCreate", "503", count=None)
    scene.ship(order)
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED
    scene.shopify.heal()
    Shipment.objects.update(attempt_at=None, state="received")
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.SHIPPED


def spread(scene: Scene, units: int, *, elsewhere: int) -> Json:
    """An order of one line at Berlin's WMS; then Shopify spreads it over two locations, and nobody tells us."""
    order = scene.arrive((MUG, units))
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    scene.move_units(work, work["lines"][0], elsewhere, to=LYON)
    return order


def test_one_line_at_two_locations_is_moved_together_and_told_as_one(scene: Scene) -> None:
    order = spread(scene, 3, elsewhere=1)
    scene.ship(order, tracking="ONE")
    made = scene.fulfillments(order)
    assert {each["location_id"] for each in made} == {BERLIN}
    assert units_of(made) == 3
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


def units_of(made: list[Json]) -> int:
    return sum(line["quantity"] for each in made for line in each["lines"])


def test_where_no_move_is_possible_each_location_gets_a_fulfillment_with_the_same_tracking(
    scene: Scene,
) -> None:
    data = {"fulfillmentOrderMove": {"userErrors": [{"message": "not stocked there"}]}}
    refused = Answer(data, served_at=None)
    order = spread(scene, 3, elsewhere=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fulfillment.fulfillments.location_moves.execute", lambda *_, **__: refused)
        scene.ship(order, tracking="TWO")
    made = scene.fulfillments(order)
    assert sorted((each["location_id"], units_of([each])) for each in made) == [(BERLIN, 2), (LYON, 1)]
    assert {tuple(each["tracking"]["numbers"]) for each in made} == {("TWO",)}
    assert Shipment.objects.get().fulfillments.filter(state="told").count() == 2
    assert scene.row(order).state == OrderState.SHIPPED


def test_a_shipment_that_overtakes_a_move_that_fails_is_told_in_the_end(scene: Scene) -> None:
    order = spread(scene, 3, elsewhere=1)
    scene.shopify.fault("fulfillmentOrderMove", "500", count=None)
    scene.ship(order, tracking="LATE")
    scene.shopify.heal()
    drain(advance=LATER)
    assert units_of(scene.fulfillments(order)) == 3
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


@pytest.mark.parametrize("fault", ["timeout_after", "500_after", "reset_after"])
def test_a_lost_answer_in_the_middle_of_two_fulfillments_doubles_neither(scene: Scene, fault: str) -> None:
    data = {"fulfillmentOrderMove": {"userErrors": [{"message": "not stocked there"}]}}
    refused = Answer(data, served_at=None)
    order = spread(scene, 3, elsewhere=1)
    jobs.orders.read_order(scene.shop, order["id"], delay=LATER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fulfillment.fulfillments.location_moves.execute", lambda *_, **__: refused)
        scene.shopify.fault("fulfillmentCreate", fault, delay=0.1)
        scene.ship(order, tracking="")
        drain(advance=LATER)
    assert sorted(units_of([each]) for each in scene.fulfillments(order)) == [1, 2]
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


def test_what_was_told_before_it_was_kept_by_item_is_filled_in() -> None:
    warehouse = place()
    fulfilled, held = shipped(warehouse), shipped(warehouse, state="held")
    Fulfillment.objects.all().delete()
    ShipmentUnit.objects.update(fulfilled=0)
    ShipmentLine.objects.update(counted=0)
    migration = import_module("fulfillment.migrations.0007_what_was_told_is_filled_in")
    for _ in range(2):
        migration.fill_in(None, mock.Mock(connection=connection))
    assert held_shipments.unfulfilled_units(fulfilled) == {}
    assert list(held_shipments.unfulfilled_units(held).values()) == [2]
    assert held_shipments.misfit_units(held) == held_shipments.misfit_units(fulfilled) == {}
    (told,) = Fulfillment.objects.all()
    line = fulfilled.units.get().order_line.shopify_line_id
    assert (told.units, told.tracking) == ({str(line): 2}, {"number": fulfilled.tracking_number})


def test_a_person_closes_a_held_shipment_on_its_page(client: Client) -> None:
    shipment = shipped(place(), state="held")
    user = staff(client, "view_shipment", "change_shipment")
    page = client.get(page_of(shipment)).content.decode()
    assert "Nothing more to tell" in page
    client.post(
        reverse("admin:fulfillment_shipment_changelist"),
        {"action": "nothing_more", "_selected_action": [shipment.pk]},
    )
    shipment.refresh_from_db()
    assert (shipment.state, shipment.decided_by) == (ShipmentState.CLOSED, user)
