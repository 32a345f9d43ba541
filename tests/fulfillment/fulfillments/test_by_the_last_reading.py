"""A fulfilment is made with one call, by what the last reading says, unless that is in doubt or Shopify refuses it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db.models import F

from fulfillment import coverage, jobs
from fulfillment.fulfillments import creation, recording
from fulfillment.models import Fulfillment, FulfillmentOrder, FulfillmentOrderLine, Shipment
from fulfillment.models.states import OrderState, ShipmentState
from ops.errors import Throttled
from ops.models import Alert, Job
from tests.builders import make_shipment
from tests.drain import drain
from tests.fulfillment.scene import DOMAIN, LATER, LYON, MUG, TEE, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db
SOON = timedelta(minutes=1)


def calls(scene: Scene) -> Counter[str]:
    """What Shopify was asked for so far, by the names of the fields."""
    return Counter(scene.shopify.get(f"/books?domain={DOMAIN}")["shops"][DOMAIN]["requests"])


def ship(scene: Scene, order: Json, *items: tuple[str, int], tracking: str = "T1") -> Counter[str]:
    """The warehouse ships; returns what Shopify was asked for, but for its stock."""
    before = calls(scene)
    scene.ship(order, *items, tracking=tracking)
    asked = calls(scene) - before
    return Counter({what: asked[what] for what in ("order", "fulfillmentCreate") if asked[what]})


def told(scene: Scene, order: Json) -> list[tuple[list[str], int]]:
    """Tracking numbers and units of each live fulfilment in Shopify's books."""
    return [
        (each["tracking"]["numbers"], sum(line["quantity"] for line in each["lines"]))
        for each in scene.fulfillments(order)
    ]


def stored(scene: Scene, order: Json) -> list[Any]:
    """What is stored of the order's fulfilment orders."""
    lines = FulfillmentOrderLine.objects.filter(fulfillment_order__order=scene.row(order))
    names = ("fulfillment_order__status", "shopify_line_id", "total_quantity", "remaining_quantity")
    return list(lines.order_by("shopify_line_id").values_list(*names))


def by_hand(scene: Scene, order: Json, units: int, *, number: str) -> None:
    """The merchant's staff make a fulfilment of some units in Shopify; nobody tells us."""
    (work,) = (
        each for each in scene.shopify_order(order)["fulfillment_orders"] if each["status"] != "CLOSED"
    )
    line = {
        "id": f"gid://shopify/FulfillmentOrderLineItem/{work['lines'][0]['id']}",
        "quantity": units,
    }
    scene.merchant(
        "fulfillmentCreate",
        "$fulfillment: FulfillmentInput!",
        "fulfillment { id }",
        fulfillment={
            "lineItemsByFulfillmentOrder": [
                {
                    "fulfillmentOrderId": f"gid://shopify/FulfillmentOrder/{work['id']}",
                    "fulfillmentOrderLineItems": [line],
                }
            ],
            "trackingInfo": {"number": number},
        },
    )


def test_a_shipment_takes_one_call_and_the_reading_of_its_echo_brings_nothing_new(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    assert ship(scene, order) == {"fulfillmentCreate": 1}
    known = stored(scene, order)
    assert known == [("CLOSED", line, total, 0) for _, line, total, _ in known]
    scene.webhook(order)
    drain()
    assert stored(scene, order) == known
    assert (told(scene, order), scene.row(order).state) == ([(["T1"], 3)], OrderState.SHIPPED)


def test_shipments_one_after_the_other_take_one_call_each(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    for number in ("T1", "T2"):
        assert ship(scene, order, ("MUG", 1), tracking=number) == {"fulfillmentCreate": 1}
        known = stored(scene, order)
    scene.webhook(order)
    drain()
    assert stored(scene, order) == known == [("IN_PROGRESS", known[0][1], 3, 1)]
    assert ship(scene, order, ("MUG", 1), tracking="T3") == {"fulfillmentCreate": 1}
    assert told(scene, order) == [(["T1"], 1), (["T2"], 1), (["T3"], 1)]
    assert scene.row(order).state == OrderState.SHIPPED


def test_a_reading_that_was_asked_before_the_call_does_not_hide_what_it_took(scene: Scene) -> None:
    """It is stored afterwards, so what it says is not taken for what there is."""
    order = scene.arrive((MUG, 3))
    as_read = stored(scene, order)
    ship(scene, order, ("MUG", 1), tracking="T1")
    FulfillmentOrderLine.objects.update(remaining_quantity=F("total_quantity"))
    FulfillmentOrder.objects.update(status="OPEN")
    assert stored(scene, order) == as_read
    assert ship(scene, order, ("MUG", 1), tracking="T2") == {"order": 2, "fulfillmentCreate": 1}
    assert told(scene, order) == [(["T1"], 1), (["T2"], 1)]


def test_a_reading_that_shows_the_fulfillment_before_it_is_recorded_is_left_as_it_is(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    real = recording.record

    def after_a_reading(*given: Any, **more: Any) -> bool:
        scene.webhook(order)
        with mock.patch.object(creation, "record", real):
            drain()
        return real(*given, **more)

    with mock.patch.object(creation, "record", after_a_reading):
        ship(scene, order, ("MUG", 1))
    assert [remaining for *_, remaining in stored(scene, order)] == [2]
    assert Shipment.objects.get().subtracted_from is None


def a_reading_is_due(scene: Scene, order: Json) -> None:
    jobs.orders.read_order(scene.shop, order["id"], delay=SOON)


def a_reading_failed(scene: Scene, order: Json) -> None:
    a_reading_is_due(scene, order)
    Job.objects.filter(kind="fulfillment.read_orders").update(state="dead")


def a_cancelled_fulfillment_is_to_be_looked_for(scene: Scene, order: Json) -> None:
    jobs.shipments.check_fulfillments(scene.shop, order["id"])
    Job.objects.filter(kind="fulfillment.compare").update(run_at=F("run_at") + SOON)


def a_webhook_is_not_understood_yet(scene: Scene, order: Json) -> None:
    subject = scene.row(order).subject
    Job.objects.create(
        kind="shopify.fulfillments/update",
        lane_id=scene.shop.lane,
        key="webhook",
        subject=subject,
        state="dead",
    )


def another_call_has_no_answer(scene: Scene, order: Json) -> None:
    other = make_shipment(scene.row(order).wms_orders.get(), state=ShipmentState.HELD)
    Fulfillment.objects.create(shipment=other, units={}, tracking={})


DOUBTS = [
    a_reading_is_due,
    a_reading_failed,
    a_cancelled_fulfillment_is_to_be_looked_for,
    a_webhook_is_not_understood_yet,
    another_call_has_no_answer,
]


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_shopify_is_read_first(scene: Scene, doubt: Callable[[Scene, Json], None]) -> None:
    order = scene.arrive((MUG, 2))
    doubt(scene, order)
    assert ship(scene, order, ("MUG", 1)) == {"order": 2, "fulfillmentCreate": 1}
    assert told(scene, order) == [(["T1"], 1)]


@pytest.mark.parametrize("is_read", [False, True])
def test_a_fulfillment_by_hand_of_which_we_heard_is_not_made_again(scene: Scene, is_read: bool) -> None:
    """Two more units would still fit."""
    order = scene.arrive((MUG, 3))
    by_hand(scene, order, 1, number="T1")
    a_reading_is_due(scene, order)
    if is_read:
        drain(advance=LATER)
    ship(scene, order, ("MUG", 1), tracking="T1")
    assert told(scene, order) == [(["T1"], 1)]
    assert Shipment.objects.get().state == ShipmentState.FULFILLED


def test_a_fulfillment_by_hand_of_which_nobody_told_us_is_adopted_once_nothing_remains(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    by_hand(scene, order, 2, number="T1")
    assert ship(scene, order) == {"order": 1, "fulfillmentCreate": 1}
    assert told(scene, order) == [(["T1"], 2)]
    assert (Shipment.objects.get().state, Alert.objects.count()) == (ShipmentState.FULFILLED, 0)


def is_moved_in_part(scene: Scene, order: Json) -> None:
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    scene.move_units(work, work["lines"][0], 1, to=LYON)


def is_held_and_released(scene: Scene, order: Json) -> None:
    for what in ("hold", "release"):
        scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/{what}", {"reason": "OTHER"})


def is_fulfilled_and_cancelled(scene: Scene, order: Json) -> None:
    """Shopify makes a new fulfilment order for the units."""
    by_hand(scene, order, 2, number="WRONG")
    (made,) = scene.fulfillments(order)
    scene.cancel_fulfillment(made)


@pytest.mark.parametrize("change", [is_moved_in_part, is_held_and_released, is_fulfilled_and_cancelled])
def test_what_changed_unheard_is_read_after_the_refusal_and_concerns_no_person(
    scene: Scene, change: Callable[[Scene, Json], None]
) -> None:
    order = scene.arrive((MUG, 2))
    change(scene, order)
    scene.ship(order)
    assert told(scene, order) == [(["T1"], 2)]
    assert (scene.row(order).state, Alert.objects.count()) == (OrderState.SHIPPED, 0)


def test_a_hold_of_which_nobody_told_us_holds_the_shipment(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/hold", {"reason": "HIGH_RISK_OF_FRAUD"})
    scene.ship(order)
    shipment = Shipment.objects.get()
    assert (shipment.state, told(scene, order)) == (ShipmentState.HELD, [])
    assert "on hold at Shopify" in shipment.reason


def test_units_that_were_taken_out_unheard_hold_only_themselves(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    change = {"line_id": order["lines"][0]["id"], "quantity": 1}
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/edit", {"changes": [change]})
    scene.ship(order)
    assert told(scene, order) == [(["T1"], 1)]
    assert "no longer asks" in Shipment.objects.get().reason


def test_what_was_not_sent_leaves_the_shipment_as_it_was(scene: Scene) -> None:
    """So the next run needs no reading either."""
    order = scene.arrive((MUG, 2))
    no_points = Throttled("no points", wait=SOON)
    with mock.patch.object(creation, "execute", side_effect=no_points):
        scene.ship(order)
    waiting = Shipment.objects.get()
    assert (waiting.state, waiting.attempt_at, told(scene, order)) == (ShipmentState.RECEIVED, None, [])
    before = calls(scene)
    drain(advance=LATER)
    assert (calls(scene) - before)["order"] == 0
    assert told(scene, order) == [(["T1"], 2)]


def test_a_held_unit_of_the_same_line_is_still_to_come(scene: Scene) -> None:
    """The unit that is fulfilled counts as fulfilled at once, and not as one that is on its way."""
    order = scene.place((MUG, 2))
    is_moved_in_part(scene, order)
    held = max(each["id"] for each in scene.shopify_order(order)["fulfillment_orders"])
    scene.staff(order, "hold", {"fulfillment_order_id": held, "reason": "OTHER"})
    drain()
    assert ship(scene, order) == {"fulfillmentCreate": 1}
    row = scene.row(order)
    assert (row.state, list(coverage.measure(row).unsent.values())) == (OrderState.WAITING, [1])
