"""What only a person can know, against WMSs that can neither be asked nor told twice."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from fulfillment.models import Return, WmsOrder
from fulfillment.models.states import OrderState, Outcome, ReturnState
from fulfillment.wms_orders import manual_resolution
from ops.models import Alert, Job
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, Scene
from wms.ids import RemoteOrderId
from wms.models import Connection

pytestmark = pytest.mark.django_db


def deaf(scene: Scene, *capabilities: str) -> None:
    """The WMS honours no idempotency key and cannot look anything up."""
    scene.wms.post("/connections/north", {"lookup": False, "idempotency": False})
    Connection.objects.filter(slug="north").update(capabilities=["cancel_order", "returns", *capabilities])


def returned(scene: Scene, fault: str) -> Return:
    """A return whose announcement got no answer."""
    deaf(scene)
    order = scene.arrive((MUG, 2))
    for step in ("pick", "pack"):
        scene.in_warehouse(order, step)
    scene.wms.fault("POST /north/returns", fault, delay=0.1)
    scene.staff(order, "cancel")
    drain()
    drain(advance=LATER)
    return Return.objects.get()


def announced(scene: Scene) -> int:
    return len(scene.wms_books()["returns"])


def person() -> int:
    return User.objects.create_user("ada").pk


@pytest.mark.parametrize(("fault", "there"), [("timeout_after", 1), ("500_after", 1), ("timeout_before", 0)])
def test_a_return_that_may_have_been_announced_is_not_announced_again_blindly(
    scene: Scene, fault: str, there: int
) -> None:
    row = returned(scene, fault)
    drain(advance=LATER)
    assert (row.state, announced(scene)) == (ReturnState.UNKNOWN, there)
    assert Alert.objects.filter(kind="outcome_unknown", subject=row.external_id, state="open").exists()
    assert Job.objects.get(kind="fulfillment.announce_return").parked_on == [f"decision:{row.external_id}"]


def test_a_return_that_a_person_found_is_announced(scene: Scene) -> None:
    row = returned(scene, "timeout_after")
    (there,) = scene.wms_books()["returns"]
    manual_resolution.confirm_return_present(row.id, as_id=there["id"], user_id=person())
    drain()
    row.refresh_from_db()
    assert (row.state, row.remote_id, announced(scene)) == (ReturnState.OPEN, there["id"], 1)
    assert not Alert.objects.filter(kind="outcome_unknown", state="open").exists()
    assert Job.objects.get(kind="fulfillment.announce_return").state == "done"


def test_a_return_that_is_not_there_is_announced_once_more(scene: Scene) -> None:
    row = returned(scene, "timeout_before")
    with pytest.raises(manual_resolution.TooEarly):
        manual_resolution.confirm_return_absent(row.id, user_id=1)
    scene.settle()
    manual_resolution.confirm_return_absent(row.id, user_id=person())
    drain()
    row.refresh_from_db()
    assert (row.state, announced(scene)) == (ReturnState.OPEN, 1)
    with pytest.raises(manual_resolution.NothingToDecide, match="announced to the WMS"):
        manual_resolution.confirm_return_absent(row.id, user_id=1)


def test_goods_that_came_back_decide_it(scene: Scene) -> None:
    row = returned(scene, "timeout_after")
    (there,) = scene.wms_books()["returns"]
    data = {
        "wmsReturnId": there["id"],
        "wmsOrderId": there["wmsOrderId"],
        "warehouseId": "BER1",
        "items": [{"wmsItemCode": "MUG", "quantity": 2, "condition": "sellable"}],
        "receivedAt": "2027-01-01T00:00:00Z",
    }
    scene.callback("return_receipt", data)
    row.refresh_from_db()
    assert (row.state, row.remote_id) == (ReturnState.RECEIVED, there["id"])
    assert not Alert.objects.filter(kind="outcome_unknown", state="open").exists()
    assert Job.objects.get(kind="fulfillment.announce_return").state == "done"


def test_an_announcement_that_reached_nobody_leaves_no_doubt(scene: Scene) -> None:
    row = returned(scene, "429")
    drain(advance=LATER)
    row.refresh_from_db()
    assert (row.state, announced(scene)) == (ReturnState.OPEN, 1)


def test_where_the_key_is_honoured_nobody_is_asked(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    for step in ("pick", "pack"):
        scene.in_warehouse(order, step)
    scene.wms.fault("POST /north/returns", "timeout_after", delay=0.1)
    scene.staff(order, "cancel")
    drain()
    drain(advance=LATER)
    assert (Return.objects.get().state, announced(scene)) == (ReturnState.OPEN, 1)


def test_a_wms_that_takes_no_announcements_is_told_of_by_a_person(scene: Scene) -> None:
    deaf(scene)
    Connection.objects.filter(slug="north").update(capabilities=["cancel_order"])
    order = scene.arrive((MUG, 2))
    for step in ("pick", "pack"):
        scene.in_warehouse(order, step)
    scene.staff(order, "cancel")
    drain()
    assert Return.objects.get().state == ReturnState.FAILED
    assert Alert.objects.filter(kind="return_refused", state="open").exists()


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before"])
def test_a_cancellation_may_be_repeated_even_there(scene: Scene, fault: str) -> None:
    deaf(scene)
    order = scene.arrive((MUG, 1))
    scene.wms.fault("POST /north/orders/*/cancel", fault, delay=0.1)
    scene.staff(order, "cancel")
    drain()
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.CANCELLED
    assert [each["status"] for each in scene.wms_books()["orders"]] == ["cancelled"]


def test_who_comes_second_is_told_what_the_first_decided(scene: Scene) -> None:
    deaf(scene)
    scene.wms.fault("POST /north/orders", "timeout_after", delay=0.1)
    scene.arrive((MUG, 1))
    drain(advance=LATER)
    row = WmsOrder.objects.get()
    assert row.outcome == Outcome.UNKNOWN
    manual_resolution.confirm_present(row.id, as_id=RemoteOrderId("W77"), user_id=person())
    with pytest.raises(manual_resolution.NothingToDecide, match="ada decided it: the WMS has it as W77"):
        manual_resolution.confirm_absent(row.id, user_id=1)
