"""Stock reaches Shopify as fast as the shop's points allow: a push has all its points before its first call, so that
nothing is read in vain, and whoever spends in vain all the same is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import requests
import responses

from inventory.models import StockLevel
from inventory.push import push_cost, push_due
from inventory.stock import levels
from ops.models import Alert
from shops.budget import points
from shops.ids import InventoryItemId, VariantId
from skumap.models import SkuMapping
from tests.builders import make_connection, make_shop, make_warehouse
from tests.inventory.push.shopify_stock import Item, ShopifyStock
from tests.shops.budget.metered import Metered, by_hand, pass_time, work_until
from tests.shops.budget.shopify_bucket import ShopifyBucket
from tests.shops.budget.test_budget import Clock
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
URL = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"


@pytest.fixture
def clock() -> Iterator[Clock]:
    with by_hand() as clock:
        yield clock


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection(), shopify_location_id=101)


def cost_of(operation: str, variables: dict[str, Any]) -> tuple[float, float]:
    """As recorded: three points an inventory item read, ten and a little for a change."""
    cost = 3.0 * len(variables["ids"]) if operation == "inventory_levels" else 11.0
    return cost, cost


def metered(http: responses.RequestsMock, clock: Clock, shopify: ShopifyStock, **more: Any) -> Metered:
    found = Metered(clock, shopify.answer, cost_of, **more)
    http.add_callback("POST", URL, callback=found)
    return found


def many_due(warehouse: Warehouse, count: int, *, per_item: int = 1) -> ShopifyStock:
    """So many levels that Shopify does not know of, each sold as `per_item` variants."""
    numbers = range(1, count * per_item + 1)
    SkuMapping.objects.bulk_create(
        SkuMapping(
            shop=warehouse.shop,
            warehouse=warehouse,
            shopify_variant_id=VariantId(number),
            shopify_inventory_item_id=InventoryItemId(1_000_000 + number),
            wms_item_code=f"I{number % count}",
        )
        for number in numbers
    )
    StockLevel.objects.bulk_create(
        StockLevel(warehouse=warehouse, item_code=f"I{number}", available=5, observed_at="2026-01-01T00:00Z")
        for number in range(count)
    )
    levels.mark_due(warehouse.pk, [f"I{number}" for number in range(count)])
    return ShopifyStock({1_000_000 + number: Item() for number in numbers})


def all_told() -> bool:
    return not push_due.due_levels().exists()


def right(shopify: ShopifyStock) -> int:
    return sum(item.available == 5 for item in shopify.items.values())


def test_two_thousand_levels_are_told_within_what_the_standard_points_allow(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock
) -> None:
    shopify = many_due(berlin, 2000)
    shop = metered(http, clock, shopify)
    took = work_until(all_told, clock, within=200)
    assert right(shopify) == 2000
    needed = 2000 * 3 + 8 * 11
    assert shop.charged <= 1.05 * needed
    assert took <= 1.2 * (needed - shop.bucket.maximum) / shop.bucket.restore
    assert shop.bucket.refused == 0


@pytest.mark.parametrize("bucket", [(2000, 100), (1000, 50), (600, 100), (20000, 1000)])
def test_a_push_is_as_large_as_the_bucket_allows_and_never_reads_in_vain(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock, bucket: tuple[float, float]
) -> None:
    shopify = many_due(berlin, 600)
    shop = metered(http, clock, shopify, bucket=ShopifyBucket(*bucket))
    took = work_until(all_told, clock, within=400)
    assert right(shopify) == 600
    calls = sum(operation == "inventory_set_quantities" for operation, _ in shopify.calls)
    in_vain = bucket[0] if bucket[0] < push_cost.STANDARD / 2 else 0  # once: its size is not known before
    assert shop.charged <= 600 * 3 + calls * 11 + in_vain
    assert took <= 1.2 * max(0.0, shop.charged - bucket[0]) / bucket[1] + 1


def test_a_bucket_that_others_empty_again_and_again_holds_a_push_up_but_costs_it_nothing(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock
) -> None:
    shopify = many_due(berlin, 250)
    shop = metered(http, clock, shopify)
    shop.bucket.level = 0.0
    work_until(all_told, clock, within=60)
    assert [operation for operation, _ in shopify.calls if operation == "inventory_levels"] == [
        "inventory_levels"
    ] * 2
    assert right(shopify) == 250


def test_packs_that_share_an_item_make_the_push_smaller(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock
) -> None:
    shopify = many_due(berlin, 100, per_item=10)
    metered(http, clock, shopify)
    assert push_cost.points(push_cost.fitting_plan(berlin)) <= 1000
    work_until(all_told, clock, within=60)
    assert right(shopify) == 1000


def test_one_item_with_more_products_than_the_bucket_can_read_is_told_too(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        pass_time(clock, seconds)

    # Only there: a thread that another test began may sleep too.
    monkeypatch.setattr(points, "time", mock.Mock(sleep=sleep))
    shopify = many_due(berlin, 1, per_item=900)
    metered(http, clock, shopify)
    work_until(all_told, clock, within=120)
    assert right(shopify) == 900
    assert 0 < sum(waits) <= points.LONGEST_WAITS


def test_activations_that_lack_points_lose_nothing_of_what_was_set(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock
) -> None:
    shopify = many_due(berlin, 200)
    for number in range(1, 101):
        shopify.items[1_000_000 + number].active = None
    shop = metered(http, clock, shopify, bucket=ShopifyBucket(1400, 50))
    work_until(all_told, clock, within=200)
    assert right(shopify) == 200
    assert shop.charged < 3500


def test_work_that_spends_again_and_again_and_gets_nothing_done_is_an_alert_that_names_the_shop(
    berlin: Warehouse, http: responses.RequestsMock, clock: Clock
) -> None:
    shopify = many_due(berlin, 5)
    shop = metered(http, clock, shopify)
    answer, mean = shop.answer, True

    def mean_to_changes(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        if mean and json.loads(request.body or b"{}")["operationName"] != "inventory_levels":
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return 200, {}, json.dumps({"errors": [error]})
        return answer(request)

    shop.answer = mean_to_changes
    work_until(Alert.objects.exists, clock, within=120, step=2)
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("points_burnt", "shop:berlin.myshopify.com")
    assert "berlin.myshopify.com" in alert.title
    mean = False
    work_until(all_told, clock, within=60)
    assert right(shopify) == 5
    alert.refresh_from_db()
    assert alert.state == "closed"
