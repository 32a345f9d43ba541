"""An alert about an order ends with its cause, and nobody is told to stop what is wanted again or has left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fulfillment.jobs.wms_orders import SHIPMENT_GRACE
from fulfillment.models import WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.reductions import surplus
from fulfillment.wms_orders import manual_resolution
from inventory.models import Reservation
from ops.models import Alert
from tests.drain import drain
from tests.fulfillment.scene import LATER, LYON, MUG, Scene
from wms.models import Connection

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look at Shopify comes right after the first."""
    monkeypatch.setattr(surplus, "SECOND_LOOK", timedelta(0))


def says(scene: Scene, status: str) -> None:
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": status})


def open_alerts() -> set[str]:
    return set(Alert.objects.filter(state="open").values_list("kind", flat=True))


def fulfilled(scene: Scene, order: Json) -> list[tuple[list[str], int]]:
    return [
        (each["tracking"]["numbers"], sum(line["quantity"] for line in each["lines"]))
        for each in scene.fulfillments(order)
    ]


def fulfilled_by_hand(scene: Scene, *, declines: bool) -> Json:
    """An order that a warehouse goes on with, although staff fulfilled it in Shopify."""
    scene.wms.post("/connections/north", {"cancel_in_picking": "decline"})
    if not declines:
        Connection.objects.filter(slug="north").update(capabilities=["find_order"])
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick")
    scene.staff(order, "fulfill")
    drain()
    return order


@pytest.mark.parametrize("declines", [True, False])
def test_nobody_is_to_stop_by_hand_what_is_wanted_again(scene: Scene, declines: bool) -> None:
    order = fulfilled_by_hand(scene, declines=declines)
    assert open_alerts() == {"order_edited", "cancel_declined" if declines else "cancel_by_hand"}
    (made,) = scene.fulfillments(order)
    scene.cancel_fulfillment(made)
    scene.webhook(order)
    drain()
    assert open_alerts() == set()
    scene.ship(order, tracking="W")
    assert (fulfilled(scene, order), scene.row(order).state) == ([(["W"], 1)], OrderState.SHIPPED)


def test_nor_what_left_of_a_cancelled_order(scene: Scene) -> None:
    Connection.objects.filter(slug="north").update(capabilities=["find_order"])
    order = scene.arrive((MUG, 1))
    scene.staff(order, "cancel")
    drain()
    assert open_alerts() == {"cancel_by_hand"}
    scene.ship(order)
    assert "cancel_by_hand" not in open_alerts()
    assert {"cancel_too_late", "shipment_held"} <= open_alerts()


def test_a_shipment_that_was_fulfilled_by_hand_and_left_all_the_same_is_in_one_alert(scene: Scene) -> None:
    order = fulfilled_by_hand(scene, declines=True)
    scene.ship(order, tracking="W")
    scene.webhook(order)
    drain()
    assert "shipment_held" in open_alerts()
    (made,) = scene.fulfillments(order)
    scene.cancel_fulfillment(made)
    scene.webhook(order)
    drain()
    assert (fulfilled(scene, order), open_alerts()) == ([(["W"], 1)], set())


@pytest.mark.parametrize("ends", ["ship", "cancel"])
def test_a_move_is_no_matter_any_more_once_the_order_is_shipped_or_cancelled(scene: Scene, ends: str) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "move", {"location_id": LYON})
    drain()
    assert open_alerts() == {"order_moved"}
    if ends == "ship":
        scene.ship(order)
    else:
        scene.staff(order, "cancel")
    drain()
    assert open_alerts() == set()


# The WMS says one thing and does another


def called_shipped(scene: Scene) -> Json:
    """An order that its WMS calls shipped, and of which no shipment is reported."""
    order = scene.arrive((MUG, 1))
    says(scene, "shipped")
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_missing"}
    return order


def test_no_shipment_is_missed_of_what_the_wms_cancelled_after_it_said_shipped(scene: Scene) -> None:
    order = called_shipped(scene)
    says(scene, "cancelled")
    assert open_alerts() == {"wms_cancelled"}
    assert scene.row(order).reason == Reason.WMS_CANCELLED


def test_nor_of_what_was_fulfilled_by_hand_which_is_shipped_and_holds_no_stock(scene: Scene) -> None:
    order = called_shipped(scene)
    scene.staff(order, "fulfill")
    drain()
    assert (open_alerts(), scene.row(order).state) == (set(), OrderState.SHIPPED)
    assert not Reservation.objects.filter(shipped_at__isnull=True).exists()


def test_it_is_missed_again_when_that_fulfillment_is_cancelled(scene: Scene) -> None:
    order = called_shipped(scene)
    scene.staff(order, "fulfill")
    drain()
    (made,) = scene.fulfillments(order)
    scene.cancel_fulfillment(made)
    scene.webhook(order)
    drain()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_missing"}
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert WmsOrder.objects.count() == 1


def test_what_left_unreported_and_was_refunded_stays_for_a_person(scene: Scene) -> None:
    order = called_shipped(scene)
    scene.staff(order, "edit", {"changes": [{"line_id": order["lines"][0]["id"], "quantity": 0}]})
    drain()
    assert "shipment_missing" in open_alerts()


def test_nobody_decides_on_what_the_wms_called_cancelled_and_sent_all_the_same(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    says(scene, "cancelled")
    assert open_alerts() == {"wms_cancelled"}
    scene.ship(order, tracking="ALL")
    assert (fulfilled(scene, order), open_alerts()) == ([(["ALL"], 2)], set())
    assert scene.row(order).state == OrderState.SHIPPED


def test_what_it_kept_of_that_is_still_for_a_person_and_is_sent_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    says(scene, "cancelled")
    scene.ship(order, ("MUG", 2), tracking="SOME")
    assert (fulfilled(scene, order), open_alerts()) == ([(["SOME"], 2)], {"wms_cancelled"})
    assert manual_resolution.route_again(scene.row(order).id)
    drain(advance=LATER)
    assert [line.quantity for line in WmsOrder.objects.get(part=2).lines.all()] == [1]
    scene.ship(order, part=2, tracking="REST")
    assert fulfilled(scene, order) == [(["SOME"], 2), (["REST"], 1)]
    assert (open_alerts(), scene.row(order).state) == (set(), OrderState.SHIPPED)


# What a later report puts right


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"trackingUrl": "javascript:alert(1)"}, "tracking_unusable"),
        ({"shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}]}, "shipment_contradicted"),
        ({"warehouseId": "HAM1"}, "shipment_contradicted"),
    ],
)
def test_a_corrected_report_ends_what_the_wrong_one_raised(scene: Scene, wrong: Json, kind: str) -> None:
    order = scene.arrive((MUG, 2))
    data = scene.ship(order)
    scene.callback("shipment", {**data, **wrong}, at="2027-01-03T00:00:00+00:00")
    assert open_alerts() == {kind}
    scene.callback("shipment", data, at="2027-01-02T00:00:00+00:00")
    assert open_alerts() == {kind}, "an older report corrects nothing"
    scene.callback("shipment", data, at="2027-01-04T00:00:00+00:00")
    assert (open_alerts(), fulfilled(scene, order)) == (set(), [(["T1"], 2)])
