"""Callbacks that never came: the WMS is asked, and what it answers goes the way of a callback."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from fulfillment import tasks, wms_order_states
from fulfillment.jobs.wms_orders import SHIPMENT_GRACE
from fulfillment.models import Return, WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.wms_orders import polling
from inventory.models import Reservation
from ops.models import Alert, Job, Lane, Priority
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, TEE, Scene
from tests.world import Json
from wms.adapters.base import OrderAnswer
from wms.ids import ConnectionPk
from wms.models import Connection
from wms.vocabulary.statuses import WmsStatus

pytestmark = pytest.mark.django_db

AN_HOUR = timedelta(hours=1, minutes=1)


def silence() -> None:
    """Nothing is heard of any order for as long as it takes until the WMSs are asked."""
    WmsOrder.objects.update(look_up_at=Now())


def tick() -> list[str]:
    silence()
    tasks.look_up_all()
    return drain()


def status() -> str:
    return WmsOrder.objects.get().wms_status


def open_alerts() -> set[str]:
    return set(Alert.objects.filter(state="open").values_list("kind", flat=True))


def asked(scene: Scene, slug: str = "north") -> int:
    found: int = scene.wms_books(slug)["requests"].get("GET /orders", 0)
    return found


def test_a_status_whose_callback_never_came_is_asked_for(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick")
    tick()
    assert status() == "picking"
    scene.in_warehouse(order, "pack")
    tick()
    assert status() == "packed"


def test_nothing_is_asked_while_news_are_fresh(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    tasks.look_up_all()
    drain()
    silence()
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "picking"})
    tasks.look_up_all()
    drain()
    assert asked(scene) == 0
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_it_is_asked_ever_more_seldom(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    WmsOrder.objects.update(status_at=Now() - timedelta(hours=8))
    tick()
    row = WmsOrder.objects.annotate(now=Now()).get()
    assert timedelta(hours=1, minutes=59) < row.look_up_at - row.now <= timedelta(hours=2)
    assert polling.look_up_interval(timedelta(hours=-5)) == wms_order_states.FIRST_LOOK_UP
    assert polling.look_up_interval(timedelta(days=30)) == polling.LONGEST_INTERVAL


def test_an_order_that_nobody_moves_for_months_is_left_to_people(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    WmsOrder.objects.update(accepted_at=Now() - polling.OLDEST_ASKED_ABOUT)
    assert "fulfillment.look_up" not in tick()


def test_a_cancellation_by_the_wms_is_webhookd(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "status", {"status": "cancelled"})
    tick()
    assert scene.row(order).reason == Reason.WMS_CANCELLED
    assert "wms_cancelled" in open_alerts()


def shipped_unheard(scene: Scene, *items: tuple[str, int], order: Json) -> Json:
    body = {"items": [{"wmsItemCode": item, "quantity": units} for item, units in items]} if items else {}
    scene.in_warehouse(order, "ship", {**body, "callback": False})
    data: Json = scene.wms_books()["shipments"][-1]
    return data


def heard(scene: Scene, shipment: Json) -> None:
    """The WMS sends the callback of a shipment again."""
    data = {
        "wmsOrderId": shipment["order_id"],
        "wmsShipmentId": shipment["id"],
        "warehouseId": "BER1",
        "shippedItems": [
            {"wmsItemCode": each["wmsItemCode"], "quantityShipped": each["quantity"]}
            for each in shipment["items"]
        ],
        "trackingNumber": "T1",
        "carrierCode": "dhl",
        "shippedAt": "2026-01-01T00:00:00Z",
    }
    scene.callback("shipment", data)


def test_a_lost_shipment_is_told_and_its_alert_closes_when_it_comes(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    lost = shipped_unheard(scene, order=order)
    tick()
    assert open_alerts() == set()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_missing"}
    heard(scene, lost)
    assert open_alerts() == set()
    assert status() == "shipped"


def test_the_rest_of_an_order_whose_shipment_was_lost_is_told_too(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    heard(scene, shipped_unheard(scene, ("MUG", 2), order=order))
    lost = shipped_unheard(scene, ("TEE", 1), order=order)
    tick()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_incomplete"}
    assert "2 of 3 units" in Alert.objects.get(kind="shipment_incomplete").meaning
    heard(scene, lost)
    assert open_alerts() == set()


def test_nobody_is_alerted_of_a_lost_shipment_that_was_fulfilled_by_hand(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    shipped_unheard(scene, order=order)
    tick()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_missing"}
    scene.staff(order, "fulfill")
    drain()
    assert open_alerts() == set()
    tick()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == set()


def test_a_lost_shipment_of_an_order_that_was_cancelled_too_late_is_told(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    came = shipped_unheard(scene, ("MUG", 1), order=order)
    lost = shipped_unheard(scene, ("MUG", 1), order=order)
    scene.staff(order, "cancel")
    drain(advance=LATER)
    heard(scene, came)
    assert open_alerts() == {"cancel_too_late", "shipment_held"}
    tick()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"cancel_too_late", "shipment_held", "shipment_incomplete"}
    assert Reservation.objects.exists()
    heard(scene, lost)
    assert "shipment_incomplete" not in open_alerts()
    assert status() == "shipped"


def test_one_that_is_held_has_its_own_alert(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.ship(order, ("MUG", 9))
    scene.in_warehouse(order, "ship", {"callback": False})
    tick()
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_held"}


def test_an_order_found_shipped_after_a_lost_answer_waits_for_its_shipment(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "timeout_after", delay=0.1)
    order = scene.arrive((MUG, 1))
    lost = shipped_unheard(scene, order=order)
    drain(advance=LATER)
    assert status() == "manifested"
    drain(advance=SHIPMENT_GRACE)
    assert open_alerts() == {"shipment_missing"}
    heard(scene, lost)
    assert (status(), open_alerts()) == ("shipped", set())


def test_a_cancellation_that_meets_a_shipped_order_waits_for_its_shipment(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    lost = shipped_unheard(scene, order=order)
    scene.staff(order, "cancel")
    drain()
    assert (status(), Return.objects.count()) == ("manifested", 1)
    heard(scene, lost)
    assert status() == "shipped"


def test_an_answer_older_than_a_callback_never_takes_an_order_back(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    row = WmsOrder.objects.annotate(now=Now()).select_related("order__shop", "warehouse__connection").get()
    scene.callback("order_status", {"wmsOrderId": row.remote_id, "status": "packed"})
    late = OrderAnswer(row.remote_id, WmsStatus.PICKING, "picking")
    polling.apply_answer(row, late, asked_at=row.now)
    assert status() == "packed"


def cancelling(scene: Scene) -> Json:
    scene.wms.post("/connections/north", {"cancel_in_picking": "ask"})
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick")
    tick()
    scene.staff(order, "cancel")
    drain()
    assert status() == "cancel_requested"
    return order


def test_an_answer_older_than_a_request_to_cancel_does_not_decline_it(scene: Scene) -> None:
    cancelling(scene)
    row = WmsOrder.objects.annotate(before=Now() - AN_HOUR).select_related("order__shop", "warehouse").get()
    polling.apply_answer(row, OrderAnswer(row.remote_id, WmsStatus.PACKED, "packed"), asked_at=row.before)
    assert status() == "cancel_requested"


@pytest.mark.parametrize(("answer", "then"), [("confirm", "cancelled"), ("decline", "cancel_requested")])
def test_a_wms_that_was_asked_to_cancel_is_asked_what_became_of_it(
    scene: Scene, answer: str, then: str
) -> None:
    """Its «picking» may be a no, or no answer yet: a look-up cannot tell, so a person is told after an hour."""
    order = cancelling(scene)
    scene.in_warehouse(order, f"{answer}_cancel")
    tick()
    assert status() == then
    drain(advance=AN_HOUR)
    assert open_alerts() == ({"cancel_unanswered"} if then == "cancel_requested" else set())


def test_silence_after_a_request_to_cancel_ends_with_the_answer(scene: Scene) -> None:
    order = cancelling(scene)
    drain(advance=AN_HOUR)
    assert open_alerts() == {"cancel_unanswered"}
    scene.in_warehouse(order, "pack")
    tick()
    assert status() == "packed"
    assert open_alerts() == {"cancel_too_late"}


def test_that_it_was_asked_to_cancel_is_no_answer(scene: Scene) -> None:
    cancelling(scene)
    data = {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "cancel_requested"}
    scene.callback("order_status", data)
    assert (status(), open_alerts()) == ("cancel_requested", set())


def test_an_order_that_the_wms_does_not_know_any_more_is_told(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    WmsOrder.objects.update(external_id="wms:order:another")
    tick()
    assert open_alerts() == {"wms_order_gone"}
    WmsOrder.objects.update(external_id=f"wms:order:berlin.myshopify.com:{order['id']}:1")
    Alert.objects.update(subject=WmsOrder.objects.get().external_id)
    tick()
    assert open_alerts() == set()


def test_a_wms_that_cannot_look_orders_up_is_not_asked(scene: Scene) -> None:
    Connection.objects.update(capabilities=["cancel_order"])
    scene.arrive((MUG, 1))
    assert "fulfillment.look_up" not in tick()
    assert polling.look_up(ConnectionPk(scene.berlin.connection_id)) == 0


def test_a_connection_that_is_switched_off_is_not_asked(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    Connection.objects.update(is_active=False)
    assert "fulfillment.look_up" not in tick()


def test_each_wms_has_one_job_at_low_priority_however_many_orders(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "BATCH", 2)
    for _ in range(5):
        scene.arrive((MUG, 1))
    assert tick().count("fulfillment.look_up") == 3
    job = Job.objects.get(kind="fulfillment.look_up")
    assert (job.lane_id, job.priority) == ("wms:north", Priority.LOW)
    assert asked(scene) == 5
    assert "fulfillment.look_up" not in drain()


def test_a_run_begins_no_call_that_could_outlive_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.arrive((MUG, 1))
    silence()
    monkeypatch.setattr(polling, "TIME_LIMIT_SECONDS", -1.0)
    assert polling.look_up(ConnectionPk(scene.berlin.connection_id)) == 0
    assert Job.objects.filter(kind="fulfillment.look_up", state="ready").exists()


def test_one_order_that_the_wms_will_not_tell_of_does_not_hide_the_others(scene: Scene) -> None:
    first, second = scene.arrive((MUG, 1)), scene.arrive((MUG, 1))
    scene.in_warehouse(second, "pick")
    scene.wms.fault("GET /north/orders", "400")
    tick()
    assert [row.wms_status for row in WmsOrder.objects.order_by("id")] == ["accepted", "picking"]
    assert open_alerts() == {"look_up_refused"}
    tick()
    assert open_alerts() == set()
    assert scene.row(first).state == OrderState.AT_WAREHOUSE


def test_a_wms_that_tells_of_no_order_at_all_raises_one_alert(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    scene.arrive((MUG, 1))
    scene.wms.fault("GET /north/orders", "404", count=2)
    tick()
    assert Alert.objects.get().subject == "wms:north"
    tick()
    assert open_alerts() == set()


def test_a_wms_that_is_down_is_asked_later_and_nothing_is_put_off(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "pick")
    scene.wms.fault("GET /north/orders", "503")
    tick()
    assert status() == "accepted"
    drain(advance=LATER)
    assert status() == "picking"


def test_one_order_that_fails_does_not_stand_before_the_others_for_long(scene: Scene) -> None:
    orders = [scene.arrive((MUG, 1)), scene.arrive((MUG, 1))]
    for order in orders:
        scene.in_warehouse(order, "pick")
    states = WmsOrder.objects.order_by("id").values_list("wms_status", flat=True)
    scene.wms.fault("GET /north/orders", "500", count=1)
    WmsOrder.objects.update(look_up_at=Now() - polling.LONGEST_BLOCKING - timedelta(minutes=1))
    tasks.look_up_all()
    drain()
    drain(advance=LATER)
    assert list(states) == ["accepted", "picking"]
    assert open_alerts() == {"look_up_refused"}
    tick()
    assert list(states.all()) == ["picking", "picking"]
    assert open_alerts() == set()


def test_a_tick_leaves_alone_what_waits_for_credentials(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    Connection.objects.update(token="wrong")
    tick()
    (parked,) = Job.objects.filter(kind="fulfillment.look_up").exclude(parked_on=[])
    tick()
    parked.refresh_from_db()
    assert parked.parked_on
    assert not Lane.objects.filter(circuit="open").exists()
