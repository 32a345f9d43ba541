"""Marked levels reach Shopify: in batches, once, by comparison, and whatever is refused is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
import responses
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import commitments, reservations
from inventory.models import PushBatch, StockLevel
from inventory.push import push_due, pushing
from inventory.reservations import Need
from inventory.stock import levels
from ops.errors import Transient, UnknownOutcome
from ops.models import Alert, Job
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.inventory.push.shopify_stock import Item, ShopifyStock
from tests.inventory.reservation_states import make_netted
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection(), shopify_location_id=101)


@pytest.fixture
def shopify(http: responses.RequestsMock) -> ShopifyStock:
    """Has the inventory items of variants 11 and 12."""
    stock = ShopifyStock({1_000_011: Item(), 1_000_012: Item()})
    stock.register(http)
    return stock


def due(warehouse: Warehouse, variant: int = 11, item: str = "MUG", available: int = 5) -> StockLevel:
    """A level of a mapped variant that Shopify does not know of."""
    make_mapping(warehouse, variant, item)
    level = make_level(warehouse, item, available)
    levels.mark_due(warehouse.pk, [item])
    return level


def level(item: str = "MUG") -> StockLevel:
    return StockLevel.objects.get(item_code=item)


def test_a_due_level_is_told_with_key_and_the_quantity_it_changes_from(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin)
    shopify.items[1_000_011].available = 2
    assert pushing.push(berlin.shop).sent == 1
    batch = PushBatch.objects.get()
    assert shopify.sets() == [batch.variables]
    assert batch.variables["key"] == batch.key
    assert batch.variables["input"]["name"] == "available"
    assert batch.variables["input"]["quantities"] == [
        {
            "inventoryItemId": "gid://shopify/InventoryItem/1000011",
            "locationId": "gid://shopify/Location/101",
            "quantity": 5,
            "changeFromQuantity": 2,
        }
    ]


def test_what_was_told_is_recorded(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    pushing.push(berlin.shop)
    told = level()
    assert (told.pushed_quantity, told.push_due_since) == (5, None)
    assert told.pushed_at is not None
    assert PushBatch.objects.get().state == "done"


def test_equal_is_not_sent(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    shopify.items[1_000_011].available = 5
    assert pushing.push(berlin.shop).equal == 1
    assert shopify.sets() == []
    assert (level().pushed_quantity, level().push_due_since) == (5, None)


def test_nothing_due_calls_nobody(berlin: Warehouse, shopify: ShopifyStock) -> None:
    make_level(berlin)
    pushing.push(berlin.shop)
    assert shopify.calls == []


def test_orders_that_the_wms_does_not_know_of_are_not_sold_again(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin, available=5)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 1)])
    commitments.note({"order-1": {(berlin.pk, "MUG"): 1}})
    shopify.items[1_000_011] = Item(available=0, committed=3)
    pushing.push(berlin.shop)
    assert shopify.items[1_000_011].available == 2


def test_orders_that_the_wms_has_are_taken_off_once(berlin: Warehouse, shopify: ShopifyStock) -> None:
    make_netted(due(berlin, available=5), 3)
    commitments.note({"order-1": {(berlin.pk, "MUG"): 3}})
    shopify.items[1_000_011] = Item(available=0, committed=3)
    pushing.push(berlin.shop)
    assert shopify.items[1_000_011].available == 5


def test_on_hand_is_set_by_that_name(http: responses.RequestsMock) -> None:
    shop = make_shop()
    hamburg = make_warehouse(shop, make_connection("hh", stock_basis="on_hand"), "Hamburg")
    shopify = ShopifyStock({1_000_011: Item(available=1, committed=3)})
    shopify.register(http)
    due(hamburg, available=9)
    pushing.push(shop)
    assert shopify.sets()[0]["input"]["name"] == "on_hand"
    assert shopify.sets()[0]["input"]["quantities"][0]["changeFromQuantity"] == 4
    assert shopify.items[1_000_011].available == 6


def test_a_pack_that_shares_the_item_is_told_too(berlin: Warehouse, shopify: ShopifyStock) -> None:
    make_mapping(berlin, 12, "MUG", quantity=6)
    due(berlin, available=20)
    shopify.items[1_000_011].committed = 3
    pushing.push(berlin.shop)
    assert (shopify.items[1_000_011].available, shopify.items[1_000_012].available) == (17, 2)


def test_a_level_that_was_marked_again_meanwhile_stays_due(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    shopify.before = lambda: levels.mark_due(berlin.pk, ["MUG"])
    pushing.push(berlin.shop)
    assert level().push_due_since == level().push_marked_at
    assert level().pushed_quantity == 5


def test_a_quantity_that_moved_meanwhile_is_read_again_under_a_new_key(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin)
    due(berlin, 12, "CUP", 7)
    shopify.before = lambda: setattr(shopify.items[1_000_011], "available", -1)
    pushed = pushing.push(berlin.shop)
    assert (pushed.sent, pushed.stale) == (1, 1)
    assert (level("MUG").push_due_since is None, level("CUP").push_due_since) == (False, None)
    assert pushing.push(berlin.shop).sent == 1
    assert (shopify.items[1_000_011].available, shopify.items[1_000_012].available) == (5, 7)
    assert len({variables["key"] for variables in shopify.sets()}) == 3


def test_when_every_quantity_moves_it_is_tried_again_later(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    shopify.before = lambda: setattr(shopify.items[1_000_011], "available", -1)
    with pytest.raises(Transient, match="moved"):
        pushing.push(berlin.shop)
    assert level().push_due_since is not None


def test_one_refused_element_is_alerted_and_the_rest_is_sent(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin)
    due(berlin, 12, "CUP", 7)
    shopify.code_of = {1_000_011: "NON_MUTABLE_INVENTORY_ITEM"}
    pushed = pushing.push(berlin.shop)
    assert (pushed.sent, pushed.refused, shopify.items[1_000_012].available) == (1, 1, 7)
    alert = Alert.objects.get(kind="stock_push_refused")
    assert "SKU-MUG" in alert.title
    assert level().push_due_since is None


def test_a_refusal_is_not_tried_in_a_loop_and_its_alert_closes_when_it_goes_well(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin)
    item = shopify.items.pop(1_000_011)
    pushing.push(berlin.shop)
    calls = len(shopify.calls)
    pushing.push(berlin.shop)
    assert len(shopify.calls) == calls
    assert Alert.objects.get().state == "open"
    shopify.items[1_000_011] = item
    levels.mark_due(berlin.pk, ["MUG"])
    pushing.push(berlin.shop)
    assert Alert.objects.get().state == "closed"


def test_an_untracked_item_is_left_alone(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    shopify.items[1_000_011].tracked = False
    pushing.push(berlin.shop)
    assert shopify.sets() == []
    assert (level().push_due_since, level().pushed_quantity) == (None, None)


@pytest.mark.parametrize("active", [None, False])
def test_an_item_that_is_not_stocked_at_the_location_is_activated(
    berlin: Warehouse, shopify: ShopifyStock, active: bool | None
) -> None:
    due(berlin)
    shopify.items[1_000_011].active = active
    assert pushing.push(berlin.shop).activated == 1
    assert shopify.items[1_000_011] == Item(available=5, active=True)
    assert (level().push_due_since, PushBatch.objects.get().operation) == (None, "inventory_activate")


def test_the_refusal_of_2026_07_leads_to_an_activation(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    shopify.code_of = {1_000_011: "ITEM_NOT_STOCKED_AT_LOCATION"}
    shopify.before = shopify.code_of.clear
    shopify.objection = lambda each, name: "ITEM_NOT_STOCKED_AT_LOCATION"  # type: ignore[method-assign]
    assert pushing.push(berlin.shop).activated == 1
    assert level().push_due_since is None


def test_an_activation_that_is_refused_is_alerted_once(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    shopify.items[1_000_011].active = None
    shopify.code_of = {1_000_011: "no"}
    assert pushing.push(berlin.shop).refused == 1
    assert Alert.objects.get().kind == "stock_push_refused"
    assert level().push_due_since is None


def test_after_an_unknown_outcome_the_same_key_and_variables_go_out_first(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin)
    shopify.lose = 1
    with pytest.raises(UnknownOutcome):
        pushing.push(berlin.shop)
    assert PushBatch.objects.get().state == "sending"
    pushing.push(berlin.shop)
    first, second = shopify.sets()
    assert first == second
    assert shopify.calls[1] == shopify.calls[2]
    assert (PushBatch.objects.get().state, level().push_due_since) == ("done", None)


def test_only_one_batch_of_a_shop_is_under_way(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)

    def rival() -> None:
        PushBatch.objects.update(state="done", finished_at=timezone.now())
        PushBatch.objects.create(
            shop=berlin.shop, key="k", operation="inventory_set_quantities", variables={}
        )

    shopify.before = rival
    shopify.items[1_000_011].active = True
    due(berlin, 12, "CUP", 7)
    shopify.items[1_000_012].active = None
    with pytest.raises(Transient, match="another stock push"):
        pushing.push(berlin.shop)


def test_a_refused_location_is_alerted_and_other_warehouses_go_on(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    munich = make_warehouse(berlin.shop, berlin.connection, "Munich")
    due(berlin)
    due(munich, 12, "CUP", 7)
    shopify.code_of = {1_000_011: "INVALID_LOCATION"}
    pushed = pushing.push(berlin.shop)
    assert (pushed.failed, pushed.sent) == ([berlin.pk], 1)
    assert Alert.objects.get().subject == f"warehouse:{berlin.pk}"
    assert level("MUG").push_due_since is not None
    assert Job.objects.get(kind="inventory.push").payload == {"shop": berlin.shop_id}


def test_three_hundred_items_are_two_runs_of_at_most_250(berlin: Warehouse, shopify: ShopifyStock) -> None:
    for number in range(300):
        make_mapping(berlin, 2000 + number, f"I{number}")
        make_level(berlin, f"I{number}", 5)
    shopify.items = {1_002_000 + number: Item() for number in range(300)}
    levels.mark_due(berlin.pk, [f"I{number}" for number in range(300)])
    Job.objects.all().delete()
    assert pushing.push(berlin.shop).sent == 250
    assert Job.objects.filter(kind="inventory.push", state="ready").count() == 1
    assert pushing.push(berlin.shop).sent == 50
    assert [len(variables["input"]["quantities"]) for variables in shopify.sets()] == [250, 50]


@pytest.mark.parametrize("count", [1, 60])
def test_a_plan_is_four_queries(berlin: Warehouse, count: int) -> None:
    for number in range(count):
        due(berlin, 2000 + number, f"I{number}")
    with CaptureQueriesContext(connection) as queries:
        planned = push_due.plan(berlin)
    assert (len(queries), len(planned.targets)) == (4, count)


def test_a_mapping_that_comes_after_the_stock_is_caught_up_with_once(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    make_level(berlin)
    assert push_due.catch_up() == 0
    make_mapping(berlin)
    assert push_due.catch_up() == 1
    pushing.push(berlin.shop)
    assert (shopify.items[1_000_011].available, level().push_due_since) == (10, None)
    assert push_due.catch_up() == 0


def test_a_daily_compare_sets_right_what_went_astray_at_shopify(
    berlin: Warehouse, shopify: ShopifyStock
) -> None:
    due(berlin)
    pushing.push(berlin.shop)
    told = shopify.items[1_000_011].available
    shopify.items[1_000_011].available = told - 2
    pushing.push(berlin.shop)
    assert shopify.items[1_000_011].available == told - 2
    assert push_due.compare_all() == 1
    pushing.push(berlin.shop)
    assert shopify.items[1_000_011].available == told


def test_what_changed_does_not_wait_behind_what_is_only_compared(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_due, "COMPARED_AT_ONCE", 2)
    for number in range(5):
        make_level(berlin, f"OLD{number}", pushed_at=timezone.now())
    make_level(berlin, "CAP")
    assert push_due.compare_all() == 5
    levels.mark_due(berlin.pk, ["CAP"])
    assert push_due.plan(berlin, most=1).due == {"CAP"}
    levels.mark_due(berlin.pk, ["OLD4"])
    push_due.compare_all()
    assert push_due.plan(berlin, most=2).due == {"CAP", "OLD4"}
    assert len(push_due.plan(berlin).due) == 6


def test_what_changed_does_not_wait_behind_another_warehouses_comparisons(berlin: Warehouse) -> None:
    hamburg, munich = (
        make_warehouse(berlin.shop, berlin.connection, name=name, wms_warehouse_code=name)
        for name in ("Hamburg", "Munich")
    )
    make_level(berlin, "OLD", pushed_at=timezone.now())
    push_due.compare_all()
    for warehouse in (munich, hamburg):
        make_level(warehouse, "CAP")
        levels.mark_due(warehouse.pk, ["CAP"])
    StockLevel.objects.filter(warehouse=munich).update(push_due_since=timezone.now() - timedelta(minutes=1))
    assert push_due.warehouses_with_due_levels(berlin.shop) == [munich, hamburg, berlin]


def test_an_inactive_warehouse_is_not_told(berlin: Warehouse, shopify: ShopifyStock) -> None:
    due(berlin)
    Warehouse.objects.update(is_active=False)
    pushing.push(berlin.shop)
    assert shopify.calls == []
    assert level().push_due_since is not None
