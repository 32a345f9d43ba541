from __future__ import annotations

import time

import pytest

from fulfillment.models import WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.shopify import queries
from inventory.models import Reservation, StockLevel
from ops.models import Alert, Job
from tests.drain import drain, drain_counting
from tests.fulfillment.scene import BERLIN, GIFT_CARD, GIFT_SET, LATER, LYON, MUG, TEE, UNMAPPED, Scene

pytestmark = pytest.mark.django_db


def test_a_paid_order_reaches_the_first_warehouse_once_with_its_address(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), (TEE, 1))
    (placed,) = scene.wms_books()["orders"]
    assert placed["externalOrderId"] == f"wms:order:berlin.myshopify.com:{order['id']}:1"
    assert {line["wmsItemCode"]: line["quantity"] for line in placed["lines"]} == {"MUG": 2, "TEE": 1}
    assert placed["shippingAddress"]["country"] == "DE"
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert scene.wms_books("south")["orders"] == []


def test_its_stock_is_reserved_and_the_decision_is_kept(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    level = StockLevel.objects.get(warehouse=scene.berlin, item_code="MUG")
    assert level.reserved == 3
    assert [v["outcome"] for v in scene.row(order).routing or []] == ["chosen", "not_needed"]


def test_ten_notices_of_one_order_are_one_read_and_one_submission(scene: Scene) -> None:
    order = scene.place((MUG, 1))
    for _ in range(10):
        scene.webhook(order)
    assert drain().count("fulfillment.read_orders") == 1
    scene.webhook(order)
    assert drain().count("fulfillment.read_orders") == 1
    assert scene.wms_books()["create_calls"] == {f"wms:order:berlin.myshopify.com:{order['id']}:1": 1}


def test_a_pack_and_a_kit_are_sent_as_their_items(scene: Scene) -> None:
    scene.arrive((GIFT_SET, 2))
    (placed,) = scene.wms_books()["orders"]
    assert {line["wmsItemCode"]: line["quantity"] for line in placed["lines"]} == {"MUG": 4, "BOX": 2}


def test_a_gift_card_stays_out_of_the_shipment(scene: Scene) -> None:
    scene.arrive((MUG, 1), (GIFT_CARD, 1))
    (placed,) = scene.wms_books()["orders"]
    assert [line["wmsItemCode"] for line in placed["lines"]] == ["MUG"]


def test_an_order_of_gift_cards_only_has_nothing_to_ship(scene: Scene) -> None:
    order = scene.arrive((GIFT_CARD, 1))
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP
    assert not WmsOrder.objects.exists()


@pytest.mark.parametrize(
    ("given", "reason", "then"),
    [
        ({"paid": False}, Reason.UNPAID, "pay"),
        ({"hold": "HIGH_RISK_OF_FRAUD"}, Reason.ON_HOLD, "release"),
        ({"fulfill_at": "2099-01-01T00:00:00Z"}, Reason.SCHEDULED, None),
        ({"test": True}, Reason.TEST_ORDER, None),
    ],
)
def test_an_order_that_is_not_ready_waits_with_its_reason(
    scene: Scene, given: dict[str, object], reason: Reason, then: str | None
) -> None:
    order = scene.arrive((MUG, 1), **given)
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.WAITING, reason)
    assert scene.wms_books()["orders"] == []
    if then:
        scene.staff(order, then)
        drain()
        assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_fulfillment_orders_that_come_late_are_waited_for_without_an_alert(scene: Scene) -> None:
    scene.build_shopify(fo_delay=0.5)
    order = scene.arrive((MUG, 1))
    assert scene.row(order).reason == Reason.NO_FULFILLMENT_ORDERS
    time.sleep(0.6)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert not Alert.objects.exists()


def test_a_local_pickup_is_not_ours(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), delivery_method="PICK_UP")
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP


def test_an_order_without_an_address_is_held_and_a_person_told(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), address=None)
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.NO_ADDRESS)
    assert Alert.objects.get().kind == "order_held_back"


def test_it_goes_on_by_itself_once_the_address_is_complete(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), address={"name": "", "address1": ""})
    scene.staff(order, "edit", {"address": {"name": "Ada Lovelace", "address1": "Main Street 1"}})
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert Alert.objects.get().state == "closed"


def test_shopify_s_work_is_moved_to_the_chosen_location(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), at=LYON)
    (work,) = [fo for fo in scene.shopify_order(order)["fulfillment_orders"] if fo["status"] == "OPEN"]
    assert work["location_id"] == scene.berlin.shopify_location_id


def test_an_older_reading_never_overwrites_a_newer_one(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    row = scene.row(order)
    row.shopify_updated_at = row.shopify_updated_at.replace(year=2099)
    row.name = "newer"
    row.save()
    scene.webhook(order)
    drain()
    assert scene.row(order).name == "newer"


def test_the_statements_of_an_order_do_not_grow_with_its_lines(scene: Scene) -> None:
    said: dict[str, list[str]] = {}

    def statements(*lines: tuple[int, int]) -> dict[str, int]:
        order = scene.place(*lines)
        scene.webhook(order)
        return {kind: count for kind, count in drain_counting(said=said) if kind.startswith("fulfillment.")}

    expected = {"fulfillment.read_orders": 9, "fulfillment.route": 12, "fulfillment.submit": 14}
    statements((MUG, 1))
    assert statements((MUG, 1)) == expected, said
    assert statements((MUG, 1), (TEE, 1), (GIFT_SET, 1)) == expected, said


def test_an_added_line_becomes_a_second_part(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 2}]})
    drain()
    parts = WmsOrder.objects.order_by("part")
    assert [part.external_id[-1] for part in parts] == ["1", "2"]
    assert [line.item_code for line in parts[1].lines.all()] == ["TEE"]


@pytest.mark.parametrize("left", [1, 0])
def test_a_reduced_order_is_alerted(scene: Scene, left: int) -> None:
    order = scene.arrive((MUG, 3))
    (line,) = order["lines"]
    scene.staff(order, "edit", {"changes": [{"line_id": line["id"], "quantity": left}]})
    drain()
    assert Alert.objects.filter(kind="order_edited", subject=scene.row(order).subject).exists()
    assert [row.quantity for row in Reservation.objects.all()] == [left] * bool(left)
    assert Job.objects.filter(state="dead").count() == 0


def test_a_line_added_after_everything_was_shipped_becomes_a_second_part(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    scene.ship(order)
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 2}]})
    drain()
    assert [part.wms_status for part in WmsOrder.objects.order_by("part")] == ["shipped", "accepted"]
    assert scene.row(order).state == OrderState.PARTIALLY_SHIPPED


def test_a_move_has_the_stock_looked_at_where_it_left_and_where_it_went(scene: Scene) -> None:
    StockLevel.objects.update(push_marked_at=None)
    scene.arrive((MUG, 1), at=LYON)
    due = StockLevel.objects.filter(push_marked_at__isnull=False).values_list("warehouse__name", "item_code")
    assert set(due) == {("Berlin", "MUG"), ("Lyon", "MUG")}


def test_a_reading_that_says_nothing_new_has_no_stock_looked_at(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    StockLevel.objects.update(push_marked_at=None)
    scene.webhook(order)
    drain()
    assert not StockLevel.objects.filter(push_marked_at__isnull=False).exists()


def test_a_cancellation_has_the_stock_of_what_was_ordered_looked_at(scene: Scene) -> None:
    order = scene.arrive((UNMAPPED, 1), (MUG, 1))
    StockLevel.objects.update(push_marked_at=None)
    scene.staff(order, "cancel")
    drain()
    assert StockLevel.objects.filter(push_marked_at__isnull=False, item_code="MUG").count() == 1


def test_an_order_of_many_pages_goes_whole_and_comes_back_whole(scene: Scene) -> None:
    StockLevel.objects.update(available=1000, on_hand=1000)
    order = scene.arrive(*[(MUG, 1)] * 260)
    (placed,) = scene.wms_books()["orders"]
    assert sum(line["quantity"] for line in placed["lines"]) == 260
    scene.ship(order, ("MUG", 260))
    (made,) = scene.fulfillments(order)
    assert sum(line["quantity"] for line in made["lines"]) == 260
    assert scene.row(order).state == OrderState.SHIPPED


def test_fulfillment_orders_of_several_pages_are_read_to_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_FULFILLMENT_ORDERS", 1)
    lines = [{"variant_id": MUG, "quantity": 1, "location_id": place} for place in (BERLIN, LYON)]
    order = scene.shopify.post("/shops/berlin.myshopify.com/orders", {"lines": lines, "country": "DE"})
    scene.webhook(order)
    drain()
    (placed,) = scene.wms_books()["orders"]
    assert sum(line["quantity"] for line in placed["lines"]) == 2
