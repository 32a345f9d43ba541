"""Shopify asks for less than a warehouse was given: a person hears at once, and what can be stopped is stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from fulfillment.models import Order, Return, WmsOrder, WmsOrderLine
from fulfillment.models.states import OrderState, Reason
from fulfillment.reductions import surplus
from fulfillment.wms_orders import attempts
from inventory.models import Reservation
from ops.models import Alert, Job
from tests.drain import drain
from tests.fulfillment.scene import GIFT_SET, LATER, LYON, MUG, TEE, Scene
from tests.fulfillment.wms_orders.test_cancellation import hold_lane
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look at Shopify comes right after the first."""
    monkeypatch.setattr(surplus, "SECOND_LOOK", timedelta(0))


def reduce_to(scene: Scene, order: Json, quantity: int) -> None:
    scene.staff(order, "edit", {"changes": [{"line_id": order["lines"][0]["id"], "quantity": quantity}]})


def says(scene: Scene, status: str, *, reason: str = "") -> None:
    wms_id = WmsOrder.objects.latest("id").remote_id
    scene.callback("order_status", {"wmsOrderId": wms_id, "status": status, "reason": reason})


def at_the_wms(scene: Scene) -> list[tuple[str, list[int]]]:
    return [(o["status"], [line["quantity"] for line in o["lines"]]) for o in scene.wms_books()["orders"]]


def open_alerts(kind: str = "") -> list[str]:
    rows = Alert.objects.filter(state="open", **({"kind": kind} if kind else {}))
    return sorted(rows.values_list("kind", flat=True))


def cancels(scene: Scene) -> int:
    return int(scene.wms_books()["requests"].get("POST /cancel", 0))


def promised() -> list[int]:
    return list(Reservation.objects.order_by("id").values_list("quantity", flat=True))


# Nobody sends a second parcel of what was fulfilled by hand


def test_what_staff_fulfill_by_hand_is_cancelled_at_the_warehouse(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.staff(order, "fulfill")
    drain()
    alert = Alert.objects.get(kind="order_edited")
    assert "2 × MUG" in alert.meaning
    assert "berlin.myshopify.com" in alert.title
    assert at_the_wms(scene) == [("cancelled", [2])]
    assert (cancels(scene), promised(), open_alerts()) == (1, [], [])
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP


def test_one_reading_alone_raises_the_alert_and_asks_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surplus, "SECOND_LOOK", timedelta(hours=1))
    order = scene.arrive((MUG, 2))
    scene.staff(order, "fulfill")
    drain()
    assert open_alerts() == ["order_edited"]
    assert at_the_wms(scene) == [("accepted", [2])]
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.AT_WAREHOUSE, Reason.EDITED)


def test_what_is_fulfilled_by_hand_while_it_is_picked_is_asked_for_and_told_when_declined(
    scene: Scene,
) -> None:
    scene.wms.post("/connections/north", {"cancel_in_picking": "decline"})
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick")
    says(scene, "picking")
    scene.staff(order, "fulfill")
    drain()
    assert open_alerts() == ["cancel_declined", "order_edited"]
    assert Alert.objects.get(kind="order_edited").severity == "critical"
    assert "already picking" in scene.row(order).reason_detail
    scene.webhook(order)
    drain()
    assert cancels(scene) == 1


def test_a_cancelled_fulfillment_sends_the_units_once_more_and_closes_the_alert(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surplus, "SECOND_LOOK", timedelta(hours=1))
    order = scene.arrive((MUG, 2))
    scene.staff(order, "fulfill")
    drain()
    (made,) = scene.fulfillments(order)
    scene.cancel_fulfillment(made)
    scene.webhook(order)
    drain()
    assert (open_alerts(), at_the_wms(scene)) == ([], [("accepted", [2])])
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.AT_WAREHOUSE, "")


# Reductions


def test_a_reduced_order_is_reduced_at_the_warehouse_and_its_stock_is_free(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    reduce_to(scene, order, 1)
    drain()
    assert at_the_wms(scene) == [("accepted", [1])]
    assert (promised(), open_alerts()) == ([1], [])
    scene.ship(order)
    drain()
    scene.webhook(order)
    drain()
    assert scene.row(order).state == OrderState.SHIPPED
    assert [line["quantity"] for made in scene.fulfillments(order) for line in made["lines"]] == [1]


def test_units_that_are_added_again_go_out_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    reduce_to(scene, order, 1)
    drain()
    reduce_to(scene, order, 2)
    drain()
    scene.webhook(order)
    drain()
    assert at_the_wms(scene) == [("accepted", [1]), ("accepted", [1])]
    reduce_to(scene, order, 1)
    drain()
    assert at_the_wms(scene) == [("accepted", [1]), ("cancelled", [1])]


def test_a_lost_answer_to_a_reduction_is_asked_again_the_same(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    # The second reading of the order has it asked once more at once.
    scene.wms.fault("PUT /north/orders/*", "timeout_after", delay=0.1, count=2)
    reduce_to(scene, order, 2)
    drain()
    assert WmsOrder.objects.get().change_request == "less_asked"
    reduce_to(scene, order, 1)
    drain(advance=LATER)
    drain(advance=LATER)
    assert at_the_wms(scene) == [("accepted", [1])]
    assert WmsOrderLine.objects.get().quantity == 1


def test_a_warehouse_that_picks_already_declines_and_a_person_is_alerted(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.in_warehouse(order, "pick")
    reduce_to(scene, order, 1)
    drain()
    alert = Alert.objects.get(kind="order_edited", state="open")
    assert (alert.severity, WmsOrder.objects.get().change_request) == ("critical", "less_declined")
    assert "already picking" in alert.meaning
    assert "2 × MUG" in alert.meaning
    assert (at_the_wms(scene), promised()) == ([("picking", [3])], [3])


def test_a_wms_that_cannot_be_asked_is_asked_by_a_person(scene: Scene) -> None:
    Connection.objects.filter(slug="north").update(capabilities=["find_order", "cancel_order"])
    order = scene.arrive((MUG, 3))
    reduce_to(scene, order, 1)
    drain()
    assert Alert.objects.get(kind="order_edited", state="open").severity == "critical"
    assert at_the_wms(scene) == [("accepted", [3])]


def test_what_is_on_hold_is_still_wanted(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "hold")
    drain()
    assert "order_edited" not in open_alerts()
    assert at_the_wms(scene) == [("accepted", [1])]


def test_a_shipment_without_a_fulfilment_yet_is_no_reason_to_stop_the_rest(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    hold_lane(scene.shop.lane)
    scene.ship(order, ("MUG", 1))
    hold_lane(scene.shop.lane, paused=False)
    drain()
    scene.webhook(order)
    drain()
    assert (cancels(scene), open_alerts()) == (0, [])
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED


def test_an_old_reading_is_no_ground_to_ask(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    hold_lane("wms:north")
    scene.staff(order, "fulfill")
    drain()
    (made,) = scene.fulfillments(order)
    scene.cancel_fulfillment(made)  # and its webhook is lost
    Order.objects.update(read_at=F("read_at") - timedelta(hours=1))
    hold_lane("wms:north", paused=False)
    drain()
    assert (cancels(scene), at_the_wms(scene), open_alerts()) == (0, [("accepted", [2])], [])


# What was not sent yet


def wms_is_up_again(scene: Scene) -> None:
    drain()
    scene.settle()
    for _ in range(2):
        drain(advance=LATER)


def test_an_order_reduced_while_its_wms_is_down_is_placed_as_it_is_asked_for(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "503", count=1)
    order = scene.arrive((MUG, 3), (TEE, 1))
    assert WmsOrder.objects.get().wms_status in ("pending", "submitting")
    reduce_to(scene, order, 1)
    wms_is_up_again(scene)
    assert at_the_wms(scene) == [("accepted", [1, 1])]
    assert (sorted(promised()), open_alerts("order_edited")) == ([1, 1], [])


def test_a_line_removed_while_its_wms_is_down_is_not_placed(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "503", count=1)
    order = scene.arrive((MUG, 3), (TEE, 1))
    reduce_to(scene, order, 0)
    wms_is_up_again(scene)
    assert [line.item_code for line in WmsOrderLine.objects.all()] == ["TEE"]
    assert at_the_wms(scene) == [("accepted", [1])]


def test_one_fulfilled_by_hand_while_its_wms_is_down_is_not_placed(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "503", count=1)
    order = scene.arrive((MUG, 3))
    scene.staff(order, "fulfill")
    wms_is_up_again(scene)
    assert (at_the_wms(scene), promised(), open_alerts("order_edited")) == ([], [], [])
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_one_reduced_while_its_outcome_is_unknown_is_looked_up_then_right(scene: Scene, fault: str) -> None:
    Connection.objects.filter(slug="north").update(
        capabilities=["find_order", "cancel_order", "update_order"]
    )
    scene.wms.fault("POST /north/orders", fault, delay=0.1)
    order = scene.arrive((MUG, 3))
    reduce_to(scene, order, 1)
    drain()
    WmsOrder.objects.update(attempt_at=Now() - attempts.SETTLE_TIME)
    drain(advance=LATER)
    drain(advance=LATER)
    assert at_the_wms(scene) == [("accepted", [1])]
    assert (promised(), WmsOrderLine.objects.get().quantity) == ([1], 1)


def test_a_refused_order_that_is_refunded_needs_nobody(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "422", count=1)
    order = scene.arrive((MUG, 1))
    assert scene.row(order).reason == Reason.WMS_REJECTED
    reduce_to(scene, order, 0)
    drain()
    assert (scene.row(order).state, promised()) == (OrderState.NOTHING_TO_SHIP, [])
    assert "wms_rejected" not in open_alerts()


# Refunds, and what the WMS does by itself


def test_a_full_refund_is_cancelled_at_the_warehouse(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    reduce_to(scene, order, 0)
    drain()
    assert at_the_wms(scene) == [("cancelled", [2])]
    says(scene, "cancelled", reason="on request")
    assert (open_alerts(), promised()) == ([], [])
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP


def test_a_full_refund_after_packing_opens_a_return(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    says(scene, "packed")
    reduce_to(scene, order, 0)
    drain()
    assert Return.objects.count() == 1
    assert "cancel_too_late" in open_alerts()


def test_what_the_customer_keeps_is_not_expected_back(scene: Scene) -> None:
    order = scene.arrive((MUG, 3), (GIFT_SET, 1))
    scene.ship(order, ("MUG", 4))
    without_the_set = [
        {"line_id": line["id"], "quantity": q} for line, q in zip(order["lines"], (3, 0), strict=True)
    ]
    scene.staff(order, "edit", {"changes": without_the_set})
    drain()
    (back,) = Return.objects.all()
    assert dict(back.lines.values_list("item_code", "quantity")) == {"MUG": 2, "BOX": 1}


def test_a_cancellation_by_the_wms_of_what_was_refunded_is_what_was_wanted(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    hold_lane("wms:north")
    reduce_to(scene, order, 0)
    drain()
    says(scene, "cancelled")
    assert not Alert.objects.filter(kind="wms_cancelled").exists()
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP


def test_nor_is_a_person_needed_when_the_refund_comes_after_it(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    says(scene, "cancelled")
    assert open_alerts() == ["wms_cancelled"]
    reduce_to(scene, order, 0)
    drain()
    assert (open_alerts(), scene.row(order).state) == ([], OrderState.NOTHING_TO_SHIP)


def test_a_cancellation_by_the_wms_of_what_is_still_wanted_in_part_is_for_a_person(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    hold_lane("wms:north")
    reduce_to(scene, order, 1)
    drain()
    says(scene, "cancelled")
    assert "wms_cancelled" in open_alerts()


# A warehouse that sends less


def test_an_order_of_which_all_that_is_wanted_was_shipped_is_shipped_and_holds_no_stock(scene: Scene) -> None:
    Connection.objects.filter(slug="north").update(capabilities=["find_order", "cancel_order"])
    order = scene.arrive((MUG, 3))
    reduce_to(scene, order, 2)
    drain()
    scene.ship(order, ("MUG", 2))
    scene.webhook(order)
    drain()
    assert (scene.row(order).state, promised_of_the_rest()) == (OrderState.SHIPPED, 0)
    says(scene, "shipped")
    assert (WmsOrder.objects.get().wms_status, open_alerts()) == ("shipped", [])
    drain(advance=timedelta(hours=1))
    assert open_alerts() == []


def promised_of_the_rest() -> int:
    return Reservation.objects.filter(shipped_at__isnull=True).count()


def test_one_closed_short_that_is_refunded_later_is_shipped(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.ship(order, ("MUG", 2))
    says(scene, "shipped")
    drain(advance=timedelta(hours=1))
    assert open_alerts() == ["shipment_incomplete"]
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED
    reduce_to(scene, order, 2)
    drain()
    assert (scene.row(order).state, promised_of_the_rest(), open_alerts()) == (OrderState.SHIPPED, 0, [])
    reduce_to(scene, order, 3)
    drain()
    assert [part.wms_status for part in WmsOrder.objects.order_by("part")] == ["shipped", "accepted"]


def test_the_rest_that_the_wms_cancels_while_shopify_asks_for_it_is_for_a_person(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.ship(order, ("MUG", 2))
    says(scene, "cancelled", reason="damaged")
    assert open_alerts() == ["wms_cancelled"]
    assert "rest" in Alert.objects.get(kind="wms_cancelled").meaning
    assert scene.row(order).reason == Reason.WMS_CANCELLED


# Moves


def test_a_merchant_s_move_to_another_warehouse_of_ours_is_told_at_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "move", {"location_id": LYON})
    drain()
    alert = Alert.objects.get(kind="order_moved", state="open")
    assert "from Berlin (north/BER1), location 101, to Lyon (south/LYO1), location 102" in alert.meaning
    assert "berlin.myshopify.com" in alert.title
    scene.staff(order, "move", {"location_id": scene.berlin.shopify_location_id})
    drain()
    assert open_alerts() == []


def test_our_own_move_and_shopify_s_assignment_are_none_of_the_merchant_s(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), at=LYON)
    scene.webhook(order)
    drain()
    hold_lane(scene.shop.lane)
    second = scene.place((TEE, 1), at=LYON)
    hold_lane(scene.shop.lane, paused=False)
    scene.webhook(second)
    drain()
    scene.webhook(second)
    drain()
    assert open_alerts() == []


def test_nothing_of_this_leaves_a_dead_letter(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    reduce_to(scene, order, 2)
    drain()
    scene.staff(order, "fulfill")
    drain()
    assert not Job.objects.filter(state="dead").exists()
    assert at_the_wms(scene) == [("cancelled", [2])]


def test_work_that_is_moved_to_a_place_that_is_not_ours_is_cancelled_at_the_warehouse(scene: Scene) -> None:
    Warehouse.objects.filter(name="Lyon").update(shopify_location_id=999)
    order = scene.arrive((MUG, 1))
    scene.staff(order, "move", {"location_id": LYON})
    drain()
    assert "moved to location 102" in Alert.objects.get(kind="order_edited").meaning
    assert (at_the_wms(scene), promised(), open_alerts()) == ([("cancelled", [1])], [], [])


def test_what_is_fulfilled_by_hand_in_part_leaves_the_rest_with_the_warehouse(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), (TEE, 2))
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    line = next(line for line in work["lines"] if line["remaining"] == 2)
    scene.move_units(work, line, 2, to=LYON)
    elsewhere = [w for w in scene.shopify_order(order)["fulfillment_orders"] if w["location_id"] == LYON]
    scene.staff(order, "fulfill", {"fulfillment_order_id": elsewhere[0]["id"]})
    drain()
    scene.webhook(order)
    drain()
    assert at_the_wms(scene) == [("accepted", [1])]
    assert (WmsOrder.objects.count(), open_alerts("order_edited")) == (1, [])
