from __future__ import annotations

import time
from datetime import timedelta
from unittest import mock

import pytest
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.fulfillments import creation
from fulfillment.models import Shipment, WmsOrder, WmsOrderLine
from fulfillment.models.states import OrderState, ShipmentState
from fulfillment.shipments import intake
from fulfillment.shipments.counting import allocate
from fulfillment.shopify import queries
from inventory.models import Reservation
from ops.models import Alert, Job
from shops.api.client import Answer
from tests.drain import drain, drain_counting
from tests.fulfillment import scene as scenes
from tests.fulfillment.scene import GIFT_SET, LATER, LYON, MUG, TEE, Scene

pytestmark = pytest.mark.django_db
CREATE = "fulfillmentCreate"


def test_a_shipment_becomes_one_fulfillment_with_tracking_and_carrier(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    scene.ship(order, tracking="JD01")
    (made,) = scene.fulfillments(order)
    assert made["tracking"]["numbers"] == ["JD01"]
    assert made["tracking"]["company"] == "DHL Express" or "DHL" in made["tracking"]["company"]
    assert made["notify_customer"] is True
    assert sorted(line["quantity"] for line in made["lines"]) == [1, 2]
    assert scene.row(order).state == OrderState.SHIPPED
    assert not Reservation.objects.filter(shipped_at__isnull=True).exists()


def test_a_partial_and_a_split_order_become_one_fulfillment_each(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.ship(order, ("MUG", 1), tracking="A")
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED
    scene.ship(order, ("MUG", 2), tracking="B")
    assert [(f["tracking"]["numbers"], f["lines"][0]["quantity"]) for f in scene.fulfillments(order)] == [
        (["A"], 1),
        (["B"], 2),
    ]
    assert scene.row(order).state == OrderState.SHIPPED


def test_the_same_shipment_reported_thrice_is_one_fulfillment(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    for _ in range(3):
        scene.ship(order, ("MUG", 1), shipment="S1")
    assert len(scene.fulfillments(order)) == 1
    assert WmsOrderLine.objects.get().shipped == 1


def test_two_equal_shipments_without_tracking_are_two_fulfillments(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.ship(order, ("MUG", 1), tracking="")
    scene.ship(order, ("MUG", 1), tracking="")
    assert len(scene.fulfillments(order)) == 2
    assert Shipment.objects.values("shopify_fulfillment_id").distinct().count() == 2


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "truncate", "not_json", "500_after"])
def test_a_lost_answer_is_read_back_and_never_doubled(scene: Scene, fault: str) -> None:
    order = scene.arrive((MUG, 3))
    scene.shopify.fault(CREATE, fault, delay=0.1)
    scene.ship(order, ("MUG", 1), tracking="")
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


@pytest.mark.parametrize("fault", ["timeout_before", "reset", "500", "503"])
def test_not_there_is_believed_only_once_shopify_must_be_done(scene: Scene, fault: str) -> None:
    order = scene.arrive((MUG, 1))
    scene.shopify.fault(CREATE, fault, delay=0.1)
    scene.ship(order)
    drain(advance=timedelta(seconds=70))
    assert scene.fulfillments(order) == []
    Shipment.objects.update(attempt_at=Now() - creation.SETTLE_TIME)
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1


def test_a_throttled_fulfillment_is_made_later_and_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.shopify.fault(CREATE, "throttled")
    scene.ship(order)
    time.sleep(1)  # the budget's clock is the real one: Shopify restores 100 points a second
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1


def test_a_crash_after_the_call_is_found_out_by_reading_back(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fulfillment.fulfillments.creation.record", crash)
        scene.ship(order, ("MUG", 1))
    assert Shipment.objects.get().state == ShipmentState.FULFILLING
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


def crash(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


@pytest.mark.parametrize(
    ("items", "told", "held"),
    [
        ((("GHOST", 1),), 0, "1 × GHOST: an item that the order does not have"),
        ((("MUG", 9),), 2, "7 × MUG: more than the warehouse was asked for"),
        ((("MUG", 1), ("GHOST", 3)), 1, "3 × GHOST: an item that the order does not have"),
    ],
)
def test_what_does_not_fit_the_order_holds_only_itself_and_is_told_by_item(
    scene: Scene, items: tuple[tuple[str, int], ...], told: int, held: str
) -> None:
    order = scene.arrive((MUG, 2))
    scene.ship(order, *items)
    shipment = Shipment.objects.get()
    assert (shipment.state, shipment.reason) == (ShipmentState.HELD, held)
    alert = Alert.objects.get(kind="shipment_held", subject=shipment.subject)
    assert held in alert.meaning
    assert "berlin" in alert.title
    made = scene.fulfillments(order)
    assert [line["quantity"] for each in made for line in each["lines"]] == ([told] if told else [])
    assert all(each["tracking"]["numbers"] == ["T1"] for each in made)
    assert WmsOrderLine.objects.get().shipped == told
    assert shipment.lines.count() == len(items)


def test_a_held_shipment_goes_on_when_a_person_says_look_again(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.ship(order, ("MUG", 2))
    held = Shipment.objects.get()
    held.lines.update(quantity=1)
    assert intake.recheck_held(held.id)
    drain()
    assert len(scene.fulfillments(order)) == 1
    assert Alert.objects.get(kind="shipment_held").state == "closed"
    assert not intake.recheck_held(held.id)


def test_a_kit_is_fulfilled_with_its_last_item(scene: Scene) -> None:
    order = scene.arrive((GIFT_SET, 1))
    scene.ship(order, ("MUG", 2), tracking="A")
    assert scene.fulfillments(order) == []
    scene.ship(order, ("BOX", 1), tracking="B")
    (made,) = scene.fulfillments(order)
    assert [line["quantity"] for line in made["lines"]] == [1]


def test_a_callback_that_overtakes_our_own_call_waits_for_it(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    scene.webhook(order)
    scene.wms.fault("POST /north/orders", "timeout_after", delay=0.1)
    drain()
    (there,) = scene.wms_books()["orders"]
    data = {
        "wmsOrderId": there["id"],
        "wmsShipmentId": "early",
        "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
        "trackingNumber": "E",
        "shippedAt": "2027-01-01T00:00:00Z",
    }
    scene.callback("shipment", data)
    assert Job.objects.get(kind="wms.shipment").parked_on
    assert not Alert.objects.filter(kind="unknown_wms_order").exists()
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1


def test_one_that_waits_for_long_is_told_however_much_is_under_way(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "timeout_before", delay=0.1)
    scene.arrive((MUG, 1))
    data = {
        "wmsOrderId": "W-nobody",
        "wmsShipmentId": "S1",
        "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
        "shippedAt": "2026-01-01T00:00:00Z",
    }
    scene.callback("shipment", data, at="2026-01-01T00:00:00+00:00")
    assert WmsOrder.objects.get().wms_status == "submitting"
    assert Alert.objects.filter(kind="unknown_wms_order", state="open").exists()


def test_a_shipment_of_an_order_nobody_placed_is_told_at_once(scene: Scene) -> None:
    data = {
        "wmsOrderId": "W-nobody",
        "wmsShipmentId": "S1",
        "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
        "shippedAt": "2027-01-01T00:00:00Z",
    }
    scene.callback("shipment", data)
    assert Alert.objects.get().kind == "unknown_wms_order"
    assert Job.objects.get(kind="wms.shipment").parked_on


def test_units_that_shopify_no_longer_asks_for_hold_the_shipment(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "fulfill")
    scene.ship(order)
    assert Shipment.objects.get().state == ShipmentState.HELD
    assert len(scene.fulfillments(order)) == 1


def test_a_shipment_that_overtakes_the_move_is_fulfilled_at_its_warehouse_s_location(scene: Scene) -> None:
    scene.shopify.fault("fulfillmentOrderMove", "500", count=None)
    order = scene.arrive((MUG, 1), at=LYON)
    assert WmsOrder.objects.get().warehouse == scene.berlin
    scene.ship(order)
    scene.shopify.heal()
    drain(advance=LATER)
    (made,) = scene.fulfillments(order)
    assert made["location_id"] == scene.berlin.shopify_location_id


def test_where_shopify_refuses_the_move_the_other_location_serves(scene: Scene) -> None:
    data = {"fulfillmentOrderMove": {"userErrors": [{"message": "not stocked there"}]}}
    refused = Answer(data, served_at=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fulfillment.fulfillments.location_moves.execute", lambda *_, **__: refused)
        order = scene.arrive((MUG, 1), at=LYON)
        scene.ship(order)
    (made,) = scene.fulfillments(order)
    assert made["location_id"] == LYON
    assert Alert.objects.filter(kind="move_refused").exists()


@given(
    asked=st.dictionaries(st.sampled_from("ABC"), st.integers(1, 5), min_size=1),
    sent=st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(1, 4)), max_size=8),
)
def test_allocation_never_counts_a_unit_twice_nor_drops_one(
    asked: dict[str, int], sent: list[tuple[str, int]]
) -> None:
    rows = [
        WmsOrderLine(id=n, order_line_id=n, item_code=item, quantity=units, per_unit=1, shipped=0)
        for n, (item, units) in enumerate(sorted(asked.items()), start=1)
    ]
    fulfilled: dict[int, int] = {}
    for item, units in sent:
        found = allocate(rows, {item: units})
        assert sum(found.shipped.values()) + found.misfits.get(item, 0) == units
        for row in rows:
            row.shipped += found.shipped.get(row.id, 0)
            fulfilled[row.id] = fulfilled.get(row.id, 0) + found.units.get(row.id, 0)
    assert all(row.shipped <= row.quantity and fulfilled.get(row.id, 0) == row.shipped for row in rows)


def test_a_corrected_tracking_number_reaches_shopify_and_an_older_report_does_not(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    data = scene.ship(order, tracking="WRONG")
    scene.callback("shipment", {**data, "trackingNumber": "RIGHT"}, at="2027-01-02T00:00:00+00:00")
    scene.callback("shipment", data, at="2027-01-01T12:00:00+00:00")
    (made,) = scene.fulfillments(order)
    assert made["tracking"]["numbers"] == ["RIGHT"]
    assert Shipment.objects.get().tracking_number == "RIGHT"


def test_fulfillment_orders_that_are_moved_meanwhile_are_read_again(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    (stale,) = queries.fulfillment_orders(scene.shop, order["id"])
    real, refused = queries.fulfillment_orders, {"userErrors": [{"message": "it is closed"}]}
    readings = iter([[stale.model_copy(update={"id": 1})], *[None] * 9])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "fulfillment_orders", lambda *given: next(readings) or real(*given))
        patch.setattr(
            creation, "execute", lambda *_, **__: Answer({"fulfillmentCreate": refused}, served_at=None)
        )
        scene.ship(order)
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1
    assert not Alert.objects.exists()


def test_tracking_is_not_corrected_while_its_fulfillment_is_in_doubt(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.shopify.fault(CREATE, "timeout_after", delay=0.1)
    told = scene.ship(order, ("MUG", 1), tracking="OLD")
    scene.callback("shipment", {**told, "trackingNumber": "NEW"}, at="2027-01-02T00:00:00+00:00")
    for _ in range(3):
        drain(advance=LATER)
    (made,) = scene.fulfillments(order)
    assert made["tracking"]["numbers"] == ["NEW"]


def test_an_order_called_shipped_without_a_shipment_is_told_after_a_while(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    row = WmsOrder.objects.get()
    scene.callback("order_status", {"wmsOrderId": row.remote_id, "status": "shipped"})
    assert not Alert.objects.filter(kind="shipment_missing").exists()
    drain(advance=timedelta(minutes=11))
    assert Alert.objects.get(kind="shipment_missing").state == "open"
    scene.ship(order)
    assert Alert.objects.get(kind="shipment_missing").state == "closed"


def test_a_shipment_and_its_fulfillment_take_few_statements_whatever_is_in_it(scene: Scene) -> None:
    """With the claim and the end of the run, and without what a run does for a lane that had failures."""
    counts = []

    def work() -> None:
        found = dict(drain_counting())
        counts.append((found["wms.shipment"], found["fulfillment.fulfil"]))

    for lines in ([(MUG, 1)], [(MUG, 1), (TEE, 1)]):
        order = scene.arrive(*lines)
        with mock.patch.object(scenes, "drain", work):
            scene.ship(order)
    assert counts == [(10, 13), (10, 13)]
