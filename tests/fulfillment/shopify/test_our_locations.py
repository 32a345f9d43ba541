"""What Shopify assigns to a place that no warehouse names is not ours to send, unless the shop says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fulfillment.models.states import OrderState, Reason
from ops.models import Alert
from tests.builders import make_connection, make_level, make_mapping, make_warehouse
from tests.drain import drain
from tests.fulfillment.scene import BERLIN, LATER, LYON, MUG, STORE, TEE, UNMAPPED, Scene
from tests.world import Json
from wms.availability import warehouses
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


def mixed(scene: Scene, *lines: tuple[int, int]) -> Json:
    """An order of (variant, location) lines, one unit each; the webhook comes, and everything due is done."""
    wanted = [{"variant_id": v, "quantity": 1, "location_id": place} for v, place in lines]
    order: Json = scene.shopify.post("/shops/berlin.myshopify.com/orders", {"lines": wanted, "country": "DE"})
    scene.webhook(order)
    drain()
    return order


def locations(scene: Scene, order: Json) -> list[int]:
    return sorted(each["location_id"] for each in scene.shopify_order(order)["fulfillment_orders"])


def sent(scene: Scene, slug: str = "north") -> list[list[str]]:
    return [[line["wmsItemCode"] for line in order["lines"]] for order in scene.wms_books(slug)["orders"]]


@pytest.mark.parametrize("variant", [MUG, UNMAPPED])
def test_an_order_of_a_store_is_left_to_the_store_in_silence(scene: Scene, variant: int) -> None:
    order = scene.arrive((variant, 1), at=STORE)
    row = scene.row(order)
    assert (row.state, row.reason) == (OrderState.NOTHING_TO_SHIP, Reason.ELSEWHERE)
    assert str(STORE) in row.reason_detail
    assert sent(scene) == []
    assert locations(scene, order) == [STORE]
    assert not Alert.objects.exists()


@pytest.mark.parametrize("store_variant", [TEE, UNMAPPED])
def test_a_mixed_order_leaves_out_the_line_of_the_store(scene: Scene, store_variant: int) -> None:
    order = mixed(scene, (MUG, LYON), (store_variant, STORE))
    assert sent(scene) == [["MUG"]]
    assert locations(scene, order) == [BERLIN, STORE]
    scene.ship(order)
    (made,) = scene.fulfillments(order)
    assert [line["quantity"] for line in made["lines"]] == [1]
    assert scene.row(order).state == OrderState.SHIPPED
    assert not Alert.objects.exists()


def test_a_line_that_ours_and_a_store_share_is_sent_by_us_for_our_part(scene: Scene) -> None:
    order = mixed(scene, (MUG, BERLIN), (MUG, STORE))
    scene.ship(order)
    assert sent(scene) == [["MUG"]]
    (made,) = scene.fulfillments(order)
    assert made["location_id"] == BERLIN
    at_store = [
        each for each in scene.shopify_order(order)["fulfillment_orders"] if each["location_id"] == STORE
    ]
    assert [each["status"] for each in at_store] == ["OPEN"]


def test_our_shipment_is_never_fulfilled_as_that_of_a_store(scene: Scene) -> None:
    order = mixed(scene, (MUG, BERLIN), (MUG, STORE))
    ours = next(e for e in scene.shopify_order(order)["fulfillment_orders"] if e["location_id"] == BERLIN)
    scene.shopify.post(
        f"/shops/berlin.myshopify.com/orders/{order['id']}/fulfill", {"fulfillment_order_id": ours["id"]}
    )
    scene.ship(order)
    assert [each["location_id"] for each in scene.fulfillments(order)] == [BERLIN]
    assert Alert.objects.filter(kind="shipment_held").exists()


@pytest.mark.parametrize("changed", [{"paused": True}, {"is_active": False}])
def test_the_place_of_a_warehouse_that_takes_no_orders_is_still_ours(scene: Scene, changed: Json) -> None:
    Warehouse.objects.filter(id=scene.lyon.id).update(**changed)
    order = scene.arrive((MUG, 1), at=LYON)
    assert sent(scene) == [["MUG"]]
    assert locations(scene, order) == [BERLIN]


def test_a_shop_that_has_us_route_for_all_its_places_has_its_stores_work_taken(scene: Scene) -> None:
    scene.shop.routes_all_locations = True
    scene.shop.save()
    order = scene.arrive((MUG, 1), at=STORE)
    assert sent(scene) == [["MUG"]]
    assert locations(scene, order) == [BERLIN]
    scene.ship(order)
    assert scene.row(order).state == OrderState.SHIPPED


def test_switching_it_on_takes_up_what_lies_at_stores(scene: Scene, admin_client: Client) -> None:
    order = scene.arrive((MUG, 1), at=STORE)
    page = reverse("admin:shops_shop_change", args=[scene.shop.pk])
    fields = {"domain": scene.shop.domain, "api_version": "2026-10", "submit_policy": "paid"}
    answer = admin_client.post(page, {**fields, "notify_customer": "on", "routes_all_locations": "on"})
    assert answer.status_code == 302
    drain()
    assert sent(scene) == [["MUG"]]
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_a_warehouse_that_is_added_later_takes_up_what_waits_at_its_place(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), at=STORE)
    connection = make_connection("west", base_url=f"{scene.wms.root}/west")
    scene.wms.post(
        "/connections",
        {
            "slug": "west",
            "token": "wms-token",
            "callback_secret": "wms-secret",
            "warehouses": [{"code": "STO1", "stock": {"MUG": 10}}],
        },
    )
    added = make_warehouse(
        scene.shop, connection, "Store", wms_warehouse_code="STO1", shopify_location_id=STORE, priority=0
    )
    make_mapping(added, MUG, "MUG", shopify_inventory_item_id=MUG + 1000)
    make_level(added, "MUG", 10)
    warehouses.changed(added)
    drain()
    assert sent(scene, "west") == [["MUG"]]
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_orders_at_other_places_are_not_read_again_for_it(scene: Scene) -> None:
    scene.arrive((MUG, 1), at=STORE)
    warehouses.changed(scene.berlin)
    assert "fulfillment.read_orders" not in drain()


def test_work_without_a_location_is_told_to_a_person(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulfillment.shopify.snapshots.FulfillmentOrderNode.location_id", None)
    order = scene.arrive((MUG, 1))
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.NO_LOCATION)
    assert Alert.objects.get(kind="order_held_back").state == "open"
    monkeypatch.undo()
    scene.webhook(order)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert Alert.objects.get(kind="order_held_back").state == "closed"


def test_the_order_s_page_says_whose_place_it_is(scene: Scene, admin_client: Client, settings: Any) -> None:
    order = scene.arrive((MUG, 1), at=STORE)
    page = admin_client.get(
        reverse("admin:fulfillment_order_change", args=[scene.row(order).pk])
    ).content.decode()
    assert f"{STORE}: no warehouse of ours" in page
