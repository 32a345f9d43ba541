"""Shopify sells what there is: its figures follow whatever it books by itself, and each order is taken off once."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from django.db import transaction

from fulfillment.fulfillments import location_moves
from fulfillment.models import WmsOrder
from inventory.models import Commitment, StockLevel
from inventory.stock import levels
from shops.api.client import Answer
from skumap.models import SkuMapping
from skumap.verification import review
from tests.builders import make_level, make_mapping
from tests.drain import drain
from tests.fulfillment.scene import BERLIN, DOMAIN, GIFT_SET, LYON, MUG, TEE, UNMAPPED, Scene
from tests.world import Json
from wms.availability import warehouses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Shopify was told of everything."""
    for place in (scene.berlin, scene.lyon):
        levels.mark_due(place.pk, ["MUG", "TEE", "BOX"])
    told()
    return scene


def told() -> None:
    """What is due is done, the push that waits a second included."""
    drain()
    for _ in range(3):
        drain(advance=timedelta(seconds=2))
    assert not StockLevel.objects.filter(push_due_since__isnull=False).exists()


def available(scene: Scene, variant: int, at: int = BERLIN) -> int:
    rows = scene.shopify.get("/books")["shops"][DOMAIN]["inventory"]
    return next(
        row["available"]
        for row in rows
        if (row["inventory_item_id"], row["location_id"]) == (variant + 1000, at)
    )


def unpaid(scene: Scene, *lines: tuple[int, int], at: int = BERLIN) -> Json:
    order = scene.place(*lines, at=at, paid=False)
    scene.webhook(order)
    told()
    return order


def test_a_fulfillment_at_another_location_leaves_its_stock_there_for_sale(scene: Scene) -> None:
    """Shopify refused the move, and took the units off where no warehouse sent any."""
    refused = Answer(
        {"fulfillmentOrderMove": {"userErrors": [{"message": "not stocked there"}]}}, served_at=None
    )
    with mock.patch.object(location_moves, "execute", return_value=refused):
        order = scene.arrive((MUG, 2), at=LYON)
        told()
        assert (WmsOrder.objects.get().warehouse, available(scene, MUG, LYON)) == (scene.berlin, 8)
        scene.ship(order)
        told()
    assert [each["location_id"] for each in scene.fulfillments(order)] == [LYON]
    scene.webhook(order)
    told()
    assert available(scene, MUG, LYON) == 10


def test_a_kit_that_is_sold_and_waits_takes_its_items_off_for_all_others(scene: Scene) -> None:
    unpaid(scene, (GIFT_SET, 2))
    assert (available(scene, MUG), available(scene, GIFT_SET)) == (6, 3)


def test_after_a_fulfillment_by_hand_shopify_offers_what_the_warehouse_has(scene: Scene) -> None:
    order = unpaid(scene, (MUG, 2))
    assert available(scene, MUG) == 8
    scene.staff(order, "fulfill")
    told()
    assert available(scene, MUG) == 10


def test_after_a_fulfillment_of_ours_it_was_compared_and_its_reading_compares_nothing_again(
    scene: Scene,
) -> None:
    order = scene.arrive((MUG, 2), (GIFT_SET, 1))
    told()
    scene.ship(order)
    assert StockLevel.objects.filter(push_due_since__isnull=False).exists()
    told()
    scene.webhook(order)
    assert drain() == ["fulfillment.read_orders"]
    assert not StockLevel.objects.filter(push_due_since__isnull=False).exists()


def test_what_was_fulfilled_by_hand_beside_a_fulfillment_of_ours_is_compared(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.ship(order, ("MUG", 1))
    told()
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/fulfill", {})
    scene.webhook(order)
    drain()
    assert StockLevel.objects.filter(push_due_since__isnull=False).exists()


def test_after_a_cancellation_with_or_without_restock_too(scene: Scene) -> None:
    for restock in (True, False):
        order = unpaid(scene, (GIFT_SET, 2))
        scene.staff(order, "cancel", {"restock": restock})
        told()
        assert (available(scene, MUG), available(scene, GIFT_SET)) == (10, 5), restock


def test_a_promise_is_not_set_off_against_what_shopify_has_committed_for_another_order(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    scene.in_warehouse(order, "pick")
    scene.staff(order, "fulfill")  # by hand, though the warehouse has it in work
    told()
    other = unpaid(scene, (MUG, 4))
    promised = 3 if WmsOrder.objects.get().wms_status != "cancelled" else 0
    assert available(scene, MUG) == 10 - promised - 4
    scene.staff(other, "cancel")
    told()
    assert available(scene, MUG) == 10 - promised


def test_an_order_that_stands_elsewhere_at_shopify_is_not_set_off_either(scene: Scene) -> None:
    order = scene.place((MUG, 3), at=LYON)
    scene.webhook(order)
    scene.lyon.paused = True
    scene.lyon.save()
    with mock.patch.object(location_moves, "move"):  # Shopify refuses, or it is not made yet
        drain()
        assert WmsOrder.objects.get().warehouse_id == scene.berlin.pk
        told()
        unpaid(scene, (MUG, 4))
        assert (available(scene, MUG), Commitment.objects.count()) == (3, 0)
    location_moves.move(WmsOrder.objects.get().id)
    told()
    assert (available(scene, MUG), Commitment.objects.get().quantity) == (3, 3)


def test_what_is_shipped_and_not_told_yet_is_taken_off_once(scene: Scene) -> None:
    order = scene.arrive((GIFT_SET, 1))
    told()
    assert available(scene, MUG) == 8
    scene.ship(order, ("MUG", 2), shipment="S1")
    told()
    assert available(scene, MUG) == 8
    scene.ship(order, ("BOX", 1), shipment="S2")
    told()
    assert [f["status"] for f in scene.fulfillments(order)] == ["SUCCESS"]
    assert (available(scene, MUG), available(scene, GIFT_SET)) == (8, 4)
    assert not Commitment.objects.exists()


def test_a_kit_that_comes_item_by_item_has_all_its_items_looked_at_when_it_is_fulfilled(scene: Scene) -> None:
    order = scene.arrive((GIFT_SET, 1))
    scene.ship(order, ("MUG", 2), shipment="S1")
    told()
    before = StockLevel.objects.get(warehouse=scene.berlin, item_code="MUG").push_marked_at
    scene.ship(order, ("BOX", 1), shipment="S2")
    told()
    assert StockLevel.objects.get(warehouse=scene.berlin, item_code="MUG").push_marked_at != before


def test_a_part_that_the_warehouse_gives_up_is_nobodys_any_more(scene: Scene) -> None:
    order = scene.arrive((MUG, 3))
    told()
    assert (available(scene, MUG), Commitment.objects.get().quantity) == (7, 3)
    scene.in_warehouse(order, "reject")
    drain()
    wms_order = WmsOrder.objects.get()
    scene.callback("order_status", {"wmsOrderId": wms_order.remote_id, "status": "rejected"})
    told()
    assert not Commitment.objects.exists()
    assert available(scene, MUG) == 7  # Shopify has it committed still


@pytest.mark.parametrize("first", ["BER1", "LYO1"])
def test_a_variant_that_is_mapped_later_is_told_at_every_warehouse_at_once(scene: Scene, first: str) -> None:
    places = sorted([scene.berlin, scene.lyon], key=lambda place: place.wms_warehouse_code != first)
    for place in places:
        make_level(place, "NEW", 7)
        levels.mark_due(place.pk, ["NEW"])
    told()
    for place in places:
        with transaction.atomic():
            mapping = make_mapping(place, UNMAPPED, "NEW", shopify_inventory_item_id=UNMAPPED + 1000)
            review.mapping_saved([mapping])
        told()
    assert (available(scene, UNMAPPED, BERLIN), available(scene, UNMAPPED, LYON)) == (7, 7)


def test_a_mapping_whose_transaction_is_older_than_the_last_push_is_told_all_the_same(scene: Scene) -> None:
    level = make_level(scene.lyon, "NEW", 7)
    mapping = make_mapping(scene.lyon, UNMAPPED, "NEW", shopify_inventory_item_id=UNMAPPED + 1000)
    SkuMapping.objects.filter(pk=mapping.pk).update(updated_at="2026-01-01T00:00Z")
    levels.mark_due(scene.lyon.pk, ["NEW"])
    StockLevel.objects.filter(pk=level.pk).update(
        push_due_since=None
    )  # pushed before the import was committed
    with transaction.atomic():
        review.mapping_saved([mapping])
    told()
    assert available(scene, UNMAPPED, LYON) == 7


def test_what_is_left_of_a_kit_is_told_when_one_of_its_mappings_is_switched_off(scene: Scene) -> None:
    StockLevel.objects.filter(warehouse=scene.berlin, item_code="BOX").update(available=2)
    levels.mark_due(scene.berlin.pk, ["BOX"])
    told()
    assert available(scene, GIFT_SET) == 2
    mapping = SkuMapping.objects.get(warehouse=scene.berlin, wms_item_code="BOX")
    mapping.is_active = False
    with transaction.atomic():
        mapping.save()
        review.mapping_saved([mapping])
    told()
    assert available(scene, GIFT_SET) == 5


def test_a_warehouse_that_gets_another_location_or_is_switched_on_is_told_as_a_whole(scene: Scene) -> None:
    StockLevel.objects.filter(warehouse=scene.lyon).update(available=4)
    scene.lyon.is_active = False
    with transaction.atomic():
        scene.lyon.save()
        warehouses.changed(scene.lyon)
    told()
    assert available(scene, TEE, LYON) == 10
    scene.lyon.is_active = True
    with transaction.atomic():
        scene.lyon.save()
        warehouses.changed(scene.lyon)
    told()
    assert available(scene, TEE, LYON) == 4


def test_a_changed_stock_basis_is_told_as_a_whole_and_other_changes_are_not(scene: Scene) -> None:
    connection = scene.lyon.connection
    for basis, marked in (("on_hand", True), ("on_hand", False)):
        before = set(StockLevel.objects.filter(warehouse=scene.lyon).values_list("push_marked_at", flat=True))
        connection.stock_basis = basis
        with transaction.atomic():
            connection.save()
            warehouses.connection_changed(connection)
        told()
        after = set(StockLevel.objects.filter(warehouse=scene.lyon).values_list("push_marked_at", flat=True))
        assert (before != after) == marked
