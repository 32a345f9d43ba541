"""An order is the sum of its parts: what may go goes, what may not waits for itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from fulfillment.models import Order, Shipment, WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.orders import rereading
from fulfillment.privacy import erasure
from ops.models import Alert, Job
from tests.drain import drain
from tests.fulfillment.scene import BERLIN, LATER, LYON, MUG, STORE, TEE, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db


def subscription(scene: Scene, *turns: Json, variant: int = MUG, **more: Any) -> Json:
    """One line, sent in turns, each with its own fulfilment order. The webhook comes, and everything due is done."""
    units = sum(turn["quantity"] for turn in turns)
    line = {"variant_id": variant, "quantity": units, "deliveries": list(turns), "location_id": BERLIN}
    order: Json = scene.shopify.post(
        "/shops/berlin.myshopify.com/orders", {"lines": [line], "country": "DE", **more}
    )
    scene.webhook(order)
    drain()
    return order


def turn(units: int = 1, *, days: float | None = None, **more: Any) -> Json:
    """A delivery, now or in some days."""
    when = days is not None and (datetime.now(UTC) + timedelta(days=days)).isoformat()
    return {"quantity": units, **({"fulfill_at": when} if when else {}), **more}


def sent(scene: Scene, slug: str = "north") -> list[dict[str, int]]:
    """Units by item of each order that the WMS has, in turn."""
    orders = sorted(scene.wms_books(slug)["orders"], key=lambda order: str(order["externalOrderId"]))
    live = [order for order in orders if order["status"] != "cancelled"]
    return [{line["wmsItemCode"]: line["quantity"] for line in order["lines"]} for order in live]


def work(scene: Scene, order: Json) -> list[Json]:
    """The order's fulfilment orders in Shopify's books."""
    found: list[Json] = scene.shopify_order(order)["fulfillment_orders"]
    return found


def again(scene: Scene, order: Json) -> None:
    """It is read once more, and everything due is done."""
    scene.webhook(order)
    drain(advance=LATER)


def test_the_delivery_of_today_goes_while_later_ones_are_scheduled(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=30), turn(days=60))
    assert sent(scene) == [{"MUG": 1}]
    row = scene.row(order)
    assert (row.state, row.deferred_reason) == (OrderState.AT_WAREHOUSE, Reason.SCHEDULED)
    assert row.deferred_detail.count("1 × MUG from ") == 2
    assert not Alert.objects.exists()


def test_however_often_it_is_read_a_delivery_goes_once(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=30))
    again(scene, order)
    scene.ship(order)
    for _ in range(3):
        again(scene, order)
    assert sent(scene) == [{"MUG": 1}]


def test_between_two_deliveries_the_order_waits_for_the_next_and_is_not_shipped(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=30))
    scene.ship(order)
    assert len(scene.fulfillments(order)) == 1
    for _ in range(2):
        row = scene.row(order)
        assert (row.state, row.reason) == (OrderState.WAITING, Reason.SCHEDULED)
        assert "1 × MUG from " in row.reason_detail
        again(scene, order)


def test_each_delivery_is_a_shipment_of_its_own_when_it_opens(scene: Scene) -> None:
    soon = 2 / 86400
    order = subscription(scene, turn(), turn(days=soon), turn(days=30))
    scene.ship(order)
    time.sleep(2.2)
    again(scene, order)
    assert sent(scene) == [{"MUG": 1}, {"MUG": 1}]
    assert [part.external_id[-1] for part in WmsOrder.objects.order_by("part")] == ["1", "2"]
    scene.ship(order, part=2, tracking="T2")
    assert len(scene.fulfillments(order)) == 2
    assert not Shipment.objects.exclude(state="fulfilled").exists()
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.WAITING, Reason.SCHEDULED)
    assert not Alert.objects.exists()


def test_a_delivery_that_opens_while_the_one_before_is_packed_goes_beside_it(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=2 / 86400))
    time.sleep(2.2)
    again(scene, order)
    assert sent(scene) == [{"MUG": 1}, {"MUG": 1}]
    for part in (1, 2):
        scene.ship(order, part=part, tracking=f"T{part}")
    assert scene.row(order).state == OrderState.SHIPPED
    assert [f["tracking"]["numbers"] for f in scene.fulfillments(order)] == [["T1"], ["T2"]]


def test_submission_lag_of_a_later_delivery_counts_from_when_it_may_go(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=2 / 86400))
    scene.ship(order)
    Order.objects.update(ready_at=F("ready_at") - timedelta(days=30))
    time.sleep(2.2)
    again(scene, order)
    assert not Order.objects.filter(ready_at__lt=Now() - timedelta(hours=1)).exists()


def test_a_part_that_comes_due_without_a_notice_is_found_by_the_schedule(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=2))
    assert rereading.deferred_units_due() == 0
    Order.objects.update(deferred_until=Now() - timedelta(minutes=1), read_at=Now() - timedelta(hours=1))
    assert rereading.deferred_units_due() == 1
    drain()
    assert scene.row(order).deferred_until is not None
    assert rereading.deferred_units_due() == 0


def test_a_part_that_comes_due_soon_is_looked_at_just_after_its_time(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=0.5))
    job = Job.objects.get(key=f"read:{scene.shop.id}:{order['id']}")
    assert job.state == "ready"
    due = scene.row(order).deferred_until
    assert due is not None
    assert timedelta(0) < job.run_at - due < timedelta(seconds=10)


def test_a_part_on_hold_waits_alone_and_nobody_is_alarmed(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(hold="UNKNOWN_DELIVERY_DATE"))
    assert sent(scene) == [{"MUG": 1}]
    row = scene.row(order)
    assert (row.state, row.deferred_reason) == (OrderState.AT_WAREHOUSE, Reason.ON_HOLD)
    assert "UNKNOWN_DELIVERY_DATE" in row.deferred_detail
    assert not Alert.objects.exists()
    scene.staff(order, "release")
    drain()
    assert sent(scene) == [{"MUG": 1}, {"MUG": 1}]
    assert scene.row(order).deferred_reason == ""


def test_a_hold_on_what_was_never_sent_does_not_alarm_about_the_warehouse(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=30))
    later = next(each for each in work(scene, order) if each["status"] == "SCHEDULED")
    scene.staff(order, "hold", {"fulfillment_order_id": later["id"]})
    drain()
    assert scene.row(order).deferred_reason == Reason.ON_HOLD
    assert not Alert.objects.exists()
    scene.ship(order)
    again(scene, order)
    assert not Alert.objects.exists()


def test_a_hold_on_what_the_warehouse_has_is_alarmed_and_ends_with_it(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=30))
    going = next(each for each in work(scene, order) if each["status"] == "OPEN")
    scene.staff(order, "hold", {"fulfillment_order_id": going["id"]})
    drain()
    alert = Alert.objects.get(kind="order_held_back")
    assert (alert.state, alert.severity) == ("open", "critical")
    assert "berlin.myshopify.com" in alert.title
    scene.staff(order, "release", {"fulfillment_order_id": going["id"]})
    drain()
    assert Alert.objects.get(kind="order_held_back").state == "closed"
    assert sent(scene) == [{"MUG": 1}]


def test_an_order_held_before_the_call_is_withdrawn_and_goes_whole_after_it(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "429")
    order = scene.arrive((MUG, 1), (TEE, 1))
    assert WmsOrder.objects.get().wms_status == "pending"
    scene.staff(order, "hold")
    drain()
    assert WmsOrder.objects.get().wms_status == "cancelled"
    scene.staff(order, "release")
    drain(advance=LATER)
    assert sent(scene) == [{"MUG": 1, "TEE": 1}]


def test_a_part_held_before_the_call_is_taken_out_of_what_is_sent(scene: Scene) -> None:
    scene.wms.fault("POST /north/orders", "429")
    order = subscription(scene, turn(location_id=BERLIN), turn(location_id=LYON))
    assert WmsOrder.objects.get().wms_status == "pending"
    at_lyon = next(each for each in work(scene, order) if each["location_id"] == LYON)
    scene.staff(order, "hold", {"fulfillment_order_id": at_lyon["id"]})
    drain()
    drain(advance=LATER)
    assert sent(scene) == [{"MUG": 1}]
    assert not Alert.objects.filter(kind="order_held_back", state="open").exists()
    scene.staff(order, "release")
    drain(advance=LATER)
    assert sent(scene) == [{"MUG": 1}, {"MUG": 1}]


def test_a_part_without_a_mapping_stays_held_whatever_becomes_of_the_part_at_the_warehouse(
    scene: Scene,
) -> None:
    lines = [
        {"variant_id": MUG, "quantity": 1, "location_id": BERLIN},
        {"variant_id": 204, "quantity": 1, "location_id": BERLIN, "deliveries": [turn(hold="OTHER")]},
    ]
    order = scene.shopify.post("/shops/berlin.myshopify.com/orders", {"lines": lines, "country": "DE"})
    scene.webhook(order)
    drain()
    assert sent(scene) == [{"MUG": 1}]
    scene.staff(order, "release")
    drain()
    assert scene.row(order).reason == Reason.UNMAPPED_SKU
    scene.in_warehouse(order, "pick")
    scene.callback("order_status", {"wmsOrderId": WmsOrder.objects.get().remote_id, "status": "picking"})
    scene.ship(order)
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.UNMAPPED_SKU)


def test_a_shop_that_sends_whole_orders_only_waits_for_the_last_part(scene: Scene) -> None:
    scene.shop.whole_orders_only = True
    scene.shop.save()
    order = subscription(scene, turn(), turn(hold="OTHER"))
    assert sent(scene) == []
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.WAITING, Reason.ON_HOLD)
    scene.staff(order, "release")
    drain()
    assert sent(scene) == [{"MUG": 2}]


@pytest.mark.parametrize(
    ("given", "state", "reason"),
    [
        ({"paid": False}, OrderState.WAITING, Reason.UNPAID),
        ({"test": True}, OrderState.WAITING, Reason.TEST_ORDER),
        ({"address": None}, OrderState.HELD, Reason.NO_ADDRESS),
    ],
)
def test_what_concerns_the_order_holds_its_open_part_too(
    scene: Scene, given: Json, state: OrderState, reason: Reason
) -> None:
    order = subscription(scene, turn(), turn(days=30), **given)
    assert (scene.row(order).state, scene.row(order).reason) == (state, reason)
    assert sent(scene) == []


def test_a_later_part_that_lost_its_address_is_held_for_a_person(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(hold="OTHER"))
    scene.ship(order)
    scene.shopify.post(
        f"/shops/berlin.myshopify.com/orders/{order['id']}/edit", {"address": {"name": "", "company": ""}}
    )
    scene.staff(order, "release")
    drain()
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.NO_ADDRESS)
    assert Alert.objects.get(kind="order_held_back").state == "open"


def test_the_address_is_kept_while_a_part_is_still_to_come(scene: Scene, settings: Any) -> None:
    order = subscription(scene, turn(), turn(days=60))
    scene.ship(order)
    long_ago = timedelta(days=settings.KEEP_PERSONAL_DATA_DAYS + 1)
    Order.objects.update(state_since=Now() - long_ago)
    erasure.erase_due()
    assert scene.row(order).ship_to
    Order.objects.update(state_since=Now() - timedelta(days=settings.KEEP_PERSONAL_DATA_AT_MOST_DAYS + 1))
    erasure.erase_due()
    assert not scene.row(order).ship_to


def test_a_cancelled_subscription_ends_with_what_was_not_sent(scene: Scene) -> None:
    order = subscription(scene, turn(), turn(days=30))
    scene.staff(order, "cancel")
    drain()
    assert scene.row(order).state == OrderState.CANCELLED
    assert scene.row(order).deferred_reason == ""


def test_units_of_a_line_that_somebody_else_fulfills_are_not_sent_again(scene: Scene) -> None:
    order = subscription(scene, turn(location_id=BERLIN), turn(location_id=LYON), paid=False)
    by_hand = work(scene, order)[0]
    scene.staff(order, "fulfill", {"fulfillment_order_id": by_hand["id"]})
    scene.staff(order, "pay")
    drain()
    for _ in range(3):
        again(scene, order)
    assert sent(scene) + sent(scene, "south") == [{"MUG": 1}]


def test_units_of_a_line_that_a_store_has_and_sends_are_not_sent_by_us(scene: Scene) -> None:
    order = subscription(scene, turn(location_id=BERLIN), turn(location_id=STORE))
    assert sent(scene) == [{"MUG": 1}]
    at_store = next(each for each in work(scene, order) if each["location_id"] == STORE)
    scene.staff(order, "fulfill", {"fulfillment_order_id": at_store["id"]})
    again(scene, order)
    scene.ship(order)
    again(scene, order)
    assert sent(scene) == [{"MUG": 1}]
    assert scene.row(order).state == OrderState.SHIPPED
