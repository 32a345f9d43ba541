from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from fulfillment.models import Order, WmsOrder, WmsOrderLine
from fulfillment.models.states import OrderState, Outcome, Reason
from fulfillment.orders import sync
from fulfillment.wms_orders import attempts, manual_resolution
from inventory import reservations
from inventory.models import Reservation
from inventory.reservations import Shortage
from ops.errors import Throttled, Transient
from ops.models import Alert, Job, Lane
from ops.queue import jobs
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, TEE, Scene
from tests.world import Json
from wms.availability import warehouses
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db
CREATE = "POST /north/orders"


def able_to(*capabilities: str) -> None:
    Connection.objects.filter(slug="north").update(capabilities=list(capabilities))


def placed(scene: Scene) -> int:
    return len(scene.wms_books()["orders"])


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "truncate", "not_json", "500_after"])
def test_a_lost_answer_is_looked_up_and_never_sent_twice(scene: Scene, fault: str) -> None:
    scene.wms.fault(CREATE, fault, delay=0.1)
    order = scene.arrive((MUG, 1))
    assert WmsOrder.objects.get().wms_status == "submitting"
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert list(scene.wms_books()["create_calls"].values()) == [1]


@pytest.mark.parametrize("fault", ["timeout_before", "reset", "500", "503", "429"])
def test_a_call_that_did_nothing_is_made_again(scene: Scene, fault: str) -> None:
    scene.wms.fault(CREATE, fault, delay=0.1)
    order = scene.arrive((MUG, 1))
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert placed(scene) == 1


def test_the_attempt_is_recorded_before_the_call(scene: Scene) -> None:
    scene.wms.fault(CREATE, "503", count=None)
    scene.arrive((MUG, 1))
    row = WmsOrder.objects.get()
    assert (row.attempt, row.outcome, row.wms_status) == (1, Outcome.IN_FLIGHT, "submitting")


def test_a_crash_before_the_answer_was_recorded_is_found_out_by_a_look_up(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    scene.webhook(order)
    crash_after_sending(scene)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert list(scene.wms_books()["create_calls"].values()) == [1]


def crash_after_sending(scene: Scene) -> None:
    """The worker dies between the WMS's answer and the recording of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fulfillment.wms_orders.submission.record_acceptance", die)
        drain()
    assert placed(scene) == 1


def die(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


def test_without_look_up_idempotency_is_trusted(scene: Scene) -> None:
    able_to("idempotent_create")
    scene.wms.fault(CREATE, "timeout_after", delay=0.1)
    order = scene.arrive((MUG, 1))
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert scene.wms_books()["duplicates"] == []


def test_not_found_is_believed_only_when_the_first_request_must_be_over(scene: Scene) -> None:
    able_to("find_order")
    scene.wms.fault(CREATE, "timeout_before", delay=0.1)
    scene.arrive((MUG, 1))
    drain(advance=timedelta(seconds=70))
    job = Job.objects.get(kind="fulfillment.submit")
    assert job.error_class == "Throttled"
    assert placed(scene) == 0
    WmsOrder.objects.update(attempt_at=Now() - attempts.SETTLE_TIME)
    drain(advance=LATER)
    assert placed(scene) == 1


def doubtful(scene: Scene, fault: str) -> WmsOrder:
    """An order whose placing got no answer, at a WMS that can neither be asked nor told twice."""
    scene.wms.post("/connections/north", {"lookup": False, "idempotency": False})
    able_to("cancel_order")
    scene.wms.fault(CREATE, fault, delay=0.1)
    scene.arrive((MUG, 1))
    drain(advance=LATER)
    return WmsOrder.objects.get()


def test_where_nothing_can_tell_a_person_decides_and_nothing_is_sent_blindly(scene: Scene) -> None:
    row = doubtful(scene, "timeout_after")
    assert row.outcome == Outcome.UNKNOWN
    assert row.order.reason == Reason.OUTCOME_UNKNOWN
    assert Alert.objects.filter(kind="outcome_unknown", subject=row.external_id).exists()
    drain(advance=timedelta(hours=2))
    assert list(scene.wms_books()["create_calls"].values()) == [1]


def test_it_is_there_is_recorded_with_who_said_so(scene: Scene) -> None:
    row = doubtful(scene, "timeout_after")
    person = User.objects.create_user("ada")
    (there,) = scene.wms_books()["orders"]
    manual_resolution.confirm_present(row.id, as_id=there["id"], user_id=person.id)
    drain()
    row.refresh_from_db()
    assert (row.wms_status, row.remote_id, row.decided_by) == ("accepted", there["id"], person)
    assert row.order.state == OrderState.AT_WAREHOUSE
    assert placed(scene) == 1


def test_it_is_not_there_submits_again_under_the_same_identity(scene: Scene) -> None:
    row = doubtful(scene, "timeout_before")
    scene.settle()
    manual_resolution.confirm_absent(row.id, user_id=User.objects.create_user("ada").id)
    drain()
    row.refresh_from_db()
    assert row.wms_status == "accepted"
    assert list(scene.wms_books()["creates"].values()) == [1]


def test_nobody_knows_that_it_is_not_there_while_it_may_still_arrive(scene: Scene) -> None:
    row = doubtful(scene, "timeout_before")
    with pytest.raises(manual_resolution.TooEarly, match=r"Look again after \d\d:\d\d:\d\d UTC"):
        manual_resolution.confirm_absent(row.id, user_id=User.objects.create_user("ada").id)
    drain(advance=LATER)
    row.refresh_from_db()
    assert (row.outcome, row.decided_by, placed(scene)) == (Outcome.UNKNOWN, None, 0)


def test_a_decision_nobody_waits_for_changes_nothing(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    row = WmsOrder.objects.get()
    with pytest.raises(manual_resolution.NothingToDecide):
        manual_resolution.confirm_absent(row.id, user_id=1)
    assert WmsOrder.objects.get().wms_status == "accepted"


def test_a_refusal_holds_the_order_with_the_wms_s_words_and_keeps_its_stock(scene: Scene) -> None:
    scene.berlin.wms_warehouse_code = "NOWHERE"
    scene.berlin.save()
    order = scene.arrive((MUG, 1))
    row = scene.row(order)
    assert (row.state, row.reason) == (OrderState.HELD, Reason.WMS_REJECTED)
    assert WmsOrder.objects.get().wms_status == "rejected"
    assert Reservation.objects.count() == 1
    assert set(Alert.objects.values_list("kind", flat=True)) == {"wms_rejected", "dead_letter"}


def test_a_fixed_refusal_is_replayed_as_the_same_order(scene: Scene) -> None:
    scene.berlin.wms_warehouse_code = "NOWHERE"
    scene.berlin.save()
    order = scene.arrive((MUG, 1))
    scene.berlin.wms_warehouse_code = "BER1"
    scene.berlin.save()
    assert jobs.replay([Job.objects.get(state="dead").id]) == 1
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert WmsOrder.objects.get().part == 1
    assert Alert.objects.get(kind="wms_rejected").state == "closed"


def refused_beside_another(scene: Scene) -> Json:
    """An order whose MUG was refused after its TEE, which was added later, had been accepted."""
    Lane.objects.update_or_create(name="wms:north", defaults={"paused": True})
    order = scene.arrive((MUG, 1))
    WmsOrderLine.objects.update(item_code="GONE")
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 1}]})
    drain()
    Lane.objects.filter(name="wms:north").update(paused=False)
    drain()
    assert list(WmsOrder.objects.order_by("part").values_list("wms_status", flat=True)) == [
        "rejected",
        "accepted",
    ]
    return order


def units(scene: Scene) -> dict[str, int]:
    """Item -> units that the WMS was asked for."""
    asked: dict[str, int] = {}
    for each in (line for order in scene.wms_books()["orders"] for line in order["lines"]):
        asked[each["wmsItemCode"]] = asked.get(each["wmsItemCode"], 0) + each["quantity"]
    return asked


def test_what_was_refused_is_routed_to_nobody_else_while_it_can_be_replayed(scene: Scene) -> None:
    order = refused_beside_another(scene)
    scene.webhook(order)
    drain()
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.WMS_REJECTED)
    assert Alert.objects.get(kind="wms_rejected").state == "open"
    WmsOrderLine.objects.filter(item_code="GONE").update(item_code="MUG")
    jobs.replay(Job.objects.filter(state="dead").values_list("id", flat=True))
    drain()
    assert (WmsOrder.objects.count(), units(scene)) == (2, {"MUG": 1, "TEE": 1})
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert Alert.objects.get(kind="wms_rejected").state == "closed"


def test_nor_when_nothing_says_that_the_order_is_held(scene: Scene) -> None:
    order = refused_beside_another(scene)
    Order.objects.update(state=OrderState.AT_WAREHOUSE, reason="")
    scene.webhook(order)
    drain()
    assert (scene.row(order).reason, WmsOrder.objects.count()) == (Reason.WMS_REJECTED, 2)


def test_what_was_added_while_a_person_had_to_decide_follows(scene: Scene) -> None:
    scene.berlin.wms_warehouse_code = "NOWHERE"
    scene.berlin.save()
    order = scene.arrive((MUG, 1))
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 1}]})
    drain()
    assert WmsOrder.objects.count() == 1
    scene.berlin.wms_warehouse_code = "BER1"
    scene.berlin.save()
    jobs.replay(Job.objects.filter(state="dead").values_list("id", flat=True))
    drain()
    assert units(scene) == {"MUG": 1, "TEE": 1}
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def refund(scene: Scene, order: Json) -> None:
    """All of it."""
    scene.staff(order, "edit", {"changes": [{"line_id": order["lines"][0]["id"], "quantity": 0}]})
    drain()


def test_a_lost_request_waits_while_shopify_holds_the_order(scene: Scene) -> None:
    scene.wms.fault(CREATE, "timeout_before", delay=0.1)
    order = scene.arrive((MUG, 1))
    scene.staff(order, "hold")
    drain()
    scene.settle()
    drain(advance=LATER)
    assert placed(scene) == 0
    assert Job.objects.get(kind="fulfillment.submit").parked_on
    scene.staff(order, "release")
    drain()
    assert (placed(scene), scene.row(order).state) == (1, OrderState.AT_WAREHOUSE)


@pytest.mark.parametrize(
    "capabilities", [("find_order", "idempotent_create"), ("find_order",), ("idempotent_create",)]
)
def test_a_lost_request_for_what_was_refunded_is_not_repeated(
    scene: Scene, capabilities: tuple[str, ...]
) -> None:
    able_to(*capabilities)
    scene.wms.fault(CREATE, "timeout_before", delay=0.1)
    order = scene.arrive((MUG, 1))
    refund(scene, order)
    drain(advance=LATER)
    scene.settle()
    drain(advance=LATER)
    if "find_order" not in capabilities:
        assert scene.row(order).reason == Reason.OUTCOME_UNKNOWN
        manual_resolution.confirm_absent(
            WmsOrder.objects.get().id, user_id=User.objects.create_user("ada").id
        )
        drain()
    assert (placed(scene), WmsOrder.objects.get().wms_status) == (0, "cancelled")
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP
    assert not Reservation.objects.exists()
    assert not Alert.objects.filter(state="open").exists()


def test_nor_is_it_sent_by_a_replay_of_a_refusal(scene: Scene) -> None:
    scene.berlin.wms_warehouse_code = "NOWHERE"
    scene.berlin.save()
    order = scene.arrive((MUG, 1))
    refund(scene, order)
    scene.berlin.wms_warehouse_code = "BER1"
    scene.berlin.save()
    jobs.replay(Job.objects.filter(state="dead").values_list("id", flat=True))
    drain()
    assert (placed(scene), scene.row(order).state) == (0, OrderState.NOTHING_TO_SHIP)


def test_replaying_a_finished_submission_changes_nothing(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    Job.objects.filter(kind="fulfillment.submit").update(state="dead")
    jobs.replay(Job.objects.filter(state="dead").values_list("id", flat=True))
    drain()
    assert list(scene.wms_books()["create_calls"].values()) == [1]


def test_two_orders_never_share_the_last_unit(scene: Scene) -> None:
    orders = [scene.place((TEE, 6)) for _ in range(3)]
    for order in orders:
        scene.webhook(order)
    drain()
    states = sorted(scene.row(order).state for order in orders)
    assert states == [OrderState.AT_WAREHOUSE, OrderState.AT_WAREHOUSE, OrderState.HELD]


def test_the_database_refuses_a_second_order_with_the_same_identity(scene: Scene) -> None:
    scene.arrive((MUG, 1))
    row = WmsOrder.objects.get()
    with pytest.raises(IntegrityError, match="external_id"), transaction.atomic():
        WmsOrder.objects.create(order=row.order, part=2, warehouse=row.warehouse, external_id=row.external_id)


def test_a_refused_look_up_says_nothing_about_the_order(scene: Scene) -> None:
    scene.wms.fault(CREATE, "timeout_after", delay=0.1)
    scene.wms.fault("GET /north/orders", "404")
    order = scene.arrive((MUG, 1))
    drain(advance=LATER)
    assert (WmsOrder.objects.get().wms_status, scene.row(order).state) == ("submitting", OrderState.READY)
    assert not manual_resolution.route_again(scene.row(order).id)
    jobs.replay([Job.objects.get(state="dead").id])
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert placed(scene) == 1


def test_without_look_up_a_refusal_after_a_lost_answer_is_for_a_person_to_judge(scene: Scene) -> None:
    able_to("idempotent_create")
    scene.wms.fault(CREATE, "timeout_after", delay=0.1)
    scene.wms.fault(CREATE, "422")
    order = scene.arrive((MUG, 1))
    drain(advance=LATER)
    assert scene.row(order).reason == Reason.OUTCOME_UNKNOWN
    assert WmsOrder.objects.get().outcome == Outcome.UNKNOWN


@pytest.mark.parametrize("nothing_sent", [Transient("could not connect"), Throttled("429", wait=LATER)])
def test_where_nothing_was_sent_no_outcome_is_unknown(scene: Scene, nothing_sent: Exception) -> None:
    able_to("cancel_order")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wms.adapters.rest.RestAdapter.create_order", raising(nothing_sent))
        scene.arrive((MUG, 1))
    assert WmsOrder.objects.get().wms_status == "pending"
    drain(advance=LATER)
    assert WmsOrder.objects.get().wms_status == "accepted"
    assert not Alert.objects.exists()


def test_where_nothing_was_sent_a_cancellation_meanwhile_ends_it(scene: Scene) -> None:
    def cancel_and_fail(*_: object) -> None:
        scene.staff(order, "cancel")
        sync.read(scene.shop.id, [order["id"]])
        raise Transient("could not connect")

    order = scene.place((MUG, 1))
    scene.webhook(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wms.adapters.rest.RestAdapter.create_order", cancel_and_fail)
        drain()
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.CANCELLED
    assert placed(scene) == Reservation.objects.count() == 0


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_an_order_that_is_found_cancelled_at_the_wms_waits_for_a_person(scene: Scene) -> None:
    scene.wms.fault(CREATE, "timeout_after", delay=0.1)
    order = scene.arrive((MUG, 1))
    scene.in_warehouse(order, "cancel")
    drain(advance=LATER)
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.WMS_CANCELLED)
    assert Alert.objects.filter(kind="wms_cancelled").exists()
    assert not Reservation.objects.exists()


def test_not_there_is_judged_by_the_database_s_clock(scene: Scene) -> None:
    able_to("find_order")
    scene.wms.fault(CREATE, "timeout_before", delay=0.1)
    scene.arrive((MUG, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: datetime(2099, 1, 1, tzinfo=UTC))
        drain(advance=LATER)
    assert placed(scene) == 0


def test_two_orders_that_meet_over_the_last_unit_alarm_nobody(scene: Scene) -> None:
    order = scene.place((MUG, 8))
    scene.webhook(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reservations, "reserve", lambda *_: [Shortage(scene.berlin.id, "MUG", 8, 0)])
        drain()
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert not Alert.objects.exists()


@pytest.mark.parametrize("what", ["connection off", "warehouse off", "warehouse paused"])
def test_nothing_new_is_sent_to_a_warehouse_that_is_shut_until_it_opens(scene: Scene, what: str) -> None:
    """Also what was routed to it before: it waits, and goes on by itself."""
    order = routed(scene)
    stand_open(scene, what, is_open=False)
    drain()
    assert WmsOrder.objects.get().wms_status == "pending"
    assert Job.objects.get(kind="fulfillment.submit").parked_on[0] == f"warehouse:{scene.berlin.id}"
    assert scene.wms_books()["create_calls"] == {}
    stand_open(scene, what, is_open=True)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def stand_open(scene: Scene, what: str, *, is_open: bool) -> None:
    """A person switches in the console, or by load_config."""
    if what == "connection off":
        Connection.objects.filter(slug="north").update(is_active=is_open)
        warehouses.connection_changed(scene.berlin.connection)
        return
    field = {"is_active": is_open} if what == "warehouse off" else {"paused": not is_open}
    Warehouse.objects.filter(id=scene.berlin.id).update(**field)
    warehouses.changed(scene.berlin)


def routed(scene: Scene) -> Json:
    """An order that is routed to Berlin and waits for its lane."""
    order = scene.place((MUG, 1))
    Lane.objects.update_or_create(name="wms:north", defaults={"paused": True})
    scene.webhook(order)
    drain()
    Lane.objects.filter(name="wms:north").update(paused=False)
    return order


def test_one_that_waits_for_a_shut_warehouse_is_ended_by_its_cancellation(scene: Scene) -> None:
    order = routed(scene)
    Connection.objects.update(is_active=False)
    drain()
    scene.staff(order, "cancel")
    drain()
    assert WmsOrder.objects.get().wms_status == "cancelled"
    assert Job.objects.get(kind="fulfillment.submit").state == "done"


@pytest.mark.parametrize(("fault", "then"), [("timeout_after", "accepted"), ("timeout_before", "submitting")])
def test_a_lost_answer_of_a_connection_now_off_is_looked_up_and_nothing_is_sent_again(
    scene: Scene, fault: str, then: str
) -> None:
    scene.wms.fault(CREATE, fault, delay=0.1)
    scene.arrive((MUG, 1))
    Connection.objects.update(is_active=False)
    drain(advance=LATER)
    assert WmsOrder.objects.get().wms_status == then
    assert sum(scene.wms_books()["create_calls"].values()) == (fault == "timeout_after")
    Connection.objects.update(is_active=True)
    warehouses.connection_changed(scene.berlin.connection)
    drain(advance=LATER)
    assert WmsOrder.objects.get().wms_status == "accepted"
    assert placed(scene) == 1
