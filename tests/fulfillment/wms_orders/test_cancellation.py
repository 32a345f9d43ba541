from __future__ import annotations

from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from fulfillment import order_states
from fulfillment.jobs.wms_orders import CANCELLATION_GRACE
from fulfillment.models import Return, WmsOrder
from fulfillment.models.states import OrderState, Reason, ReturnState
from fulfillment.wms_orders import attempts, cancellation, manual_resolution
from inventory.models import Reservation, StockLevel
from inventory.stock import locking
from ops.models import Alert, Job, Lane
from tests.builders import make_wms_order
from tests.drain import drain
from tests.fulfillment.order_rows import at_warehouse, place
from tests.fulfillment.scene import LATER, MUG, TEE, UNMAPPED, Scene
from wms.adapters.base import CancelAnswer
from wms.models import Connection
from wms.vocabulary.statuses import WmsStatus

pytestmark = pytest.mark.django_db


def test_an_order_cancelled_before_submission_never_reaches_the_wms(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), (UNMAPPED, 1))
    scene.staff(order, "cancel")
    drain()
    assert scene.row(order).state == OrderState.CANCELLED
    assert scene.wms_books()["orders"] == []
    assert not Job.objects.filter(state="ready").exclude(kind="inventory.push").exists()


def test_one_that_is_routed_but_not_sent_is_stopped_for_certain(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    hold_lane("wms:north")
    scene.webhook(order)
    drain()
    assert WmsOrder.objects.get().wms_status == "pending"
    scene.staff(order, "cancel")
    drain()
    hold_lane("wms:north", paused=False)
    drain(advance=LATER)
    assert WmsOrder.objects.get().wms_status == "cancelled"
    assert scene.wms_books()["orders"] == []
    assert not Reservation.objects.exists()


def hold_lane(name: str, *, paused: bool = True) -> None:
    Lane.objects.update_or_create(name=name, defaults={"paused": paused})


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before"])
def test_one_in_flight_is_cancelled_as_soon_as_its_outcome_is_known(scene: Scene, fault: str) -> None:
    scene.wms.fault("POST /north/orders", fault, delay=0.1)
    order = scene.arrive((MUG, 1))
    assert WmsOrder.objects.get().wms_status == "submitting"
    scene.staff(order, "cancel")
    drain()
    drain(advance=LATER)
    WmsOrder.objects.update(attempt_at=Now() - attempts.SETTLE_TIME)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.CANCELLED
    assert [o["status"] for o in scene.wms_books()["orders"]] == (
        ["cancelled"] if fault == "timeout_after" else []
    )
    assert not Reservation.objects.exists()


def test_an_accepted_order_is_cancelled_at_the_wms_and_its_stock_is_free(scene: Scene) -> None:
    order = scene.arrive((MUG, 4))
    scene.staff(order, "cancel")
    drain()
    assert scene.wms_books()["orders"][0]["status"] == "cancelled"
    assert scene.row(order).state == OrderState.CANCELLED
    assert StockLevel.objects.get(warehouse=scene.berlin, item_code="MUG").reserved == 0


def picking(scene: Scene, decision: str) -> dict[str, object]:
    scene.wms.post("/connections/north", {"cancel_in_picking": decision})
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick")
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "picking"})
    scene.staff(order, "cancel")
    drain()
    return order


def test_while_it_is_picked_the_wms_is_asked_and_may_confirm(scene: Scene) -> None:
    order = picking(scene, "ask")
    assert WmsOrder.objects.get().wms_status == "cancel_requested"
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "cancelled"})
    assert scene.row(order).state == OrderState.CANCELLED
    assert not Reservation.objects.exists()


def test_a_word_that_decides_nothing_leaves_the_request_to_cancel(scene: Scene) -> None:
    order = picking(scene, "ask")
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "on_hold"})
    assert WmsOrder.objects.get().wms_status == "cancel_requested"
    drain(advance=CANCELLATION_GRACE)
    assert Alert.objects.filter(kind="cancel_unanswered", state="open").exists()
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "cancelled"})
    assert scene.row(order).state == OrderState.CANCELLED


def test_or_it_may_decline_and_staff_are_alerted(scene: Scene) -> None:
    order = picking(scene, "ask")
    data = {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "picking", "reason": "too late"}
    scene.callback("order_status", data)
    assert WmsOrder.objects.get().wms_status == "picking"
    assert Alert.objects.filter(kind="cancel_declined", subject=scene.row(order).subject).exists()
    assert Reservation.objects.exists()


def test_once_packed_a_return_is_opened_and_staff_are_alerted(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.in_warehouse(order, "pick")
    scene.in_warehouse(order, "pack")
    scene.staff(order, "cancel")
    drain()
    opened = Return.objects.get()
    assert opened.state == ReturnState.OPEN
    assert scene.wms_books()["returns"][0]["id"] == opened.remote_id
    assert Alert.objects.filter(kind="cancel_too_late").exists()


def test_a_lost_answer_to_a_cancellation_is_asked_again(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.wms.fault("POST /north/orders/*/cancel", "timeout_after", delay=0.1)
    scene.staff(order, "cancel")
    drain()
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.CANCELLED


def test_a_cancellation_by_the_wms_frees_the_stock_and_waits_for_a_person(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    data = {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "cancelled", "reason": "damaged"}
    scene.callback("order_status", data)
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.WMS_CANCELLED)
    assert not Reservation.objects.exists()
    scene.webhook(order)
    drain()
    assert WmsOrder.objects.count() == 1


def test_the_person_may_route_it_again_as_a_new_part(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "cancelled"})
    assert manual_resolution.route_again(scene.row(order).id)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert [w.wms_status for w in WmsOrder.objects.order_by("part")] == ["cancelled", "accepted"]
    assert not manual_resolution.route_again(scene.row(order).id)


def test_a_late_status_never_takes_an_order_back(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    wms_id = WmsOrder.objects.get().remote_id
    for status in ("packed", "picking", "accepted", "packed"):
        scene.callback("order_status", {"wmsOrderId": wms_id, "status": status})
    assert WmsOrder.objects.get().wms_status == "packed"


def test_a_word_we_do_not_know_changes_nothing_and_is_told(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "frobnicated"})
    assert WmsOrder.objects.get().wms_status == "accepted"
    assert Alert.objects.get().kind == "unknown_wms_status"


def test_received_returns_are_recorded_once(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.in_warehouse(order, "pick")
    scene.in_warehouse(order, "pack")
    scene.staff(order, "cancel")
    drain()
    data = {
        "wmsReturnId": Return.objects.get().remote_id,
        "wmsOrderId": WmsOrder.objects.get().remote_id,
        "warehouseId": "BER1",
        "items": [
            {"wmsItemCode": "MUG", "quantity": 1, "condition": "sellable"},
            {"wmsItemCode": "MUG", "quantity": 1, "condition": "damaged"},
        ],
        "receivedAt": "2027-01-02T00:00:00Z",
    }
    scene.callback("return_receipt", data)
    scene.callback("return_receipt", data)
    line = Return.objects.get().lines.get()
    assert (line.quantity, line.sellable, line.damaged) == (2, 1, 1)


def test_a_cancellation_has_a_forgotten_submission_looked_up(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "timeout_after", delay=0.1)
    order = scene.arrive((MUG, 1))
    Job.objects.filter(kind="fulfillment.submit").update(state="dead")
    scene.staff(order, "cancel")
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.CANCELLED
    assert [o["status"] for o in scene.wms_books()["orders"]] == ["cancelled"]


def test_what_ships_although_it_was_cancelled_is_to_come_back(scene: Scene) -> None:
    order = picking(scene, "ask")
    scene.ship(order)
    assert Return.objects.get().wms_order == WmsOrder.objects.get()
    assert Alert.objects.filter(kind="cancel_too_late", subject=scene.row(order).subject).exists()


def test_one_that_a_person_found_absent_is_not_sent_once_it_is_cancelled(scene: Scene) -> None:
    scene.wms.post("/connections/north", {"lookup": False, "idempotency": False})
    Connection.objects.filter(slug="north").update(capabilities=["cancel_order"])
    scene.wms.fault("POST /north/orders", "timeout_before", delay=0.1)
    order = scene.arrive((MUG, 1))
    drain(advance=LATER)
    scene.settle()
    manual_resolution.confirm_absent(WmsOrder.objects.get().id, user_id=User.objects.create_user("ada").id)
    hold_lane("wms:north")
    scene.staff(order, "cancel")
    drain()
    hold_lane("wms:north", paused=False)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.CANCELLED
    assert scene.wms_books()["create_calls"] == {}


def test_a_wms_that_had_cancelled_already_has_cancelled(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    answer = CancelAnswer(cancelled=False, status=WmsStatus.CANCELLED, reason="is cancelled")
    scene.staff(order, "cancel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wms.adapters.rest.RestAdapter.cancel_order", lambda *_, **__: answer)
        drain()
    assert scene.row(order).state == OrderState.CANCELLED


def test_a_cancelled_order_needs_no_person_any_more(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 1}]})
    drain()
    first, second = WmsOrder.objects.order_by("part")
    scene.callback("order_status", {"wmsOrderId": first.remote_id, "status": "cancelled"})
    assert scene.row(order).reason == Reason.WMS_CANCELLED
    scene.staff(order, "cancel")
    drain()
    second.refresh_from_db()
    assert (second.wms_status, scene.row(order).state) == ("cancelled", OrderState.CANCELLED)


def test_all_parts_are_freed_at_once_so_that_two_orders_cannot_wait_for_each_other(
    scene: Scene,
) -> None:
    hold_lane("wms:north")
    order = scene.arrive((MUG, 1))
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 1}]})
    drain()
    with mock.patch.object(locking, "lock", wraps=locking.lock) as lock:
        scene.staff(order, "cancel")
        drain()
    freed = [call.kwargs["references"] for call in lock.call_args_list if "references" in call.kwargs]
    assert [len(references) for references in freed] == [2]
    assert not Reservation.objects.exists()
    assert set(WmsOrder.objects.values_list("wms_status", flat=True)) == {"cancelled"}


def test_a_question_about_units_that_nobody_wants_any_more_holds_no_order(db: None) -> None:
    warehouse = place()
    packed = {"wms_status": "packed"}
    order = at_warehouse(
        warehouse, part=packed, state="held", reason="wms_rejected", cancelled_at=timezone.now()
    )
    make_wms_order(order, warehouse, part=2, external_id="second", wms_status="rejected", remote_id="")
    with transaction.atomic():
        cancellation.stop_order(order_states.lock(order.id))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.AT_WAREHOUSE, "")
    assert Job.objects.filter(kind="fulfillment.cancel").exists()


def test_a_cancellation_that_the_wms_declines_in_its_answer_is_told_at_once(scene: Scene) -> None:
    order = picking(scene, "decline")
    alert = Alert.objects.get(state="open")
    assert (alert.kind, alert.severity) == ("cancel_declined", "critical")
    assert "already picking" in alert.meaning
    assert "berlin.myshopify.com" in alert.title
    row = scene.row(order)
    assert (row.state, row.reason) == (OrderState.AT_WAREHOUSE, Reason.CANCEL_ASKED)
    assert "declined to cancel" in row.reason_detail
    assert "already picking" in row.reason_detail
    drain(advance=CANCELLATION_GRACE)
    assert Alert.objects.filter(state="open").count() == 1
    scene.ship(order)
    assert Return.objects.count() == 1
    assert set(Alert.objects.filter(state="open").values_list("kind", flat=True)) >= {"cancel_too_late"}
    assert not Alert.objects.filter(state="open", kind="cancel_declined").exists()


def test_one_that_it_carries_out_after_all_closes_the_alert(scene: Scene) -> None:
    order = picking(scene, "decline")
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "cancelled"})
    assert not Alert.objects.filter(state="open").exists()
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.CANCELLED, "")


def test_an_error_in_answer_to_a_cancellation_is_a_no_too(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.wms.fault("POST /north/orders/*/cancel", "422", count=1)
    scene.staff(order, "cancel")
    drain()
    assert {"cancel_declined", "dead_letter"} <= set(
        Alert.objects.filter(state="open").values_list("kind", flat=True)
    )
    assert scene.row(order).reason == Reason.CANCEL_ASKED
