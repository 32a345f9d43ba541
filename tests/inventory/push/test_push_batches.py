"""One call about stock: which element an error is about, what it means, and when there is no further call."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses
from django.utils import timezone

from inventory.models import PushBatch
from inventory.push import push_batches, push_cost, push_due
from inventory.push.push_batches import Outcome
from inventory.push.push_plan import Change, Product
from ops.errors import Permanent, Throttled
from shops.budget import rate_budget
from shops.ids import InventoryItemId
from tests.builders import (
    make_connection,
    make_level,
    make_mapping,
    make_push_batch,
    make_shop,
    make_warehouse,
)
from tests.inventory.push.shopify_stock import Answer
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection(), shopify_location_id=101)


class Shopify:
    """Answers each call with the next list of userErrors, and after the last with none."""

    def __init__(self, http: responses.RequestsMock) -> None:
        self.errors: list[list[Json]] = []
        self.sent: list[Json] = []
        url = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"
        http.add_callback("POST", url, callback=self.answer)

    def answer(self, request: requests.PreparedRequest) -> Answer:
        self.sent.append(json.loads(request.body or b"{}")["variables"])
        payload = {"userErrors": self.errors.pop(0) if self.errors else []}
        data = {"inventorySetQuantities": payload, "inventoryActivate": payload}
        return 200, {}, json.dumps({"data": data})

    def items(self) -> list[list[int]]:
        """The inventory items of each call that sets quantities."""
        batches = [sent["input"]["quantities"] for sent in self.sent]
        return [[int(each["inventoryItemId"].rsplit("/", 1)[1]) for each in batch] for batch in batches]


@pytest.fixture
def shopify(http: responses.RequestsMock) -> Shopify:
    return Shopify(http)


def change(item: int, quantity: int = 5) -> Change:
    product = Product(InventoryItemId(item), (("MUG", 1),), mapping_id=item, label=f"item {item}")
    return Change(product, quantity=quantity, change_from=0)


def error(index: object, code: str = "INVALID_QUANTITY", *path: str) -> Json:
    field = [*path] or ["input", "quantities", str(index), "quantity"]
    return {"code": code, "field": field, "message": f"no: {code}"}


def set_three(berlin: Warehouse) -> Outcome:
    return push_batches.set_quantities(berlin, [change(1), change(2), change(3)])


def test_a_refused_element_is_left_out_of_the_next_call(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[error(1)], [error(0)]]
    outcome = set_three(berlin)
    assert shopify.items() == [[1, 2, 3], [1, 3], [3]]
    assert outcome.done == {3}
    assert outcome.refused == dict.fromkeys((1, 2), "no: INVALID_QUANTITY (INVALID_QUANTITY)")


def test_the_first_error_of_an_element_is_the_one_that_is_told(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[error(0, "FIRST"), error(0, "SECOND")]]
    assert set_three(berlin).refused == {1: "no: FIRST (FIRST)"}


def test_where_every_element_is_refused_there_is_no_further_call(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[error(index) for index in range(3)]]
    outcome = set_three(berlin)
    assert (len(shopify.sent), len(outcome.refused), outcome.stale) == (1, 3, set())


def test_what_is_refused_again_and_again_waits_for_another_run(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[error(0)] for _ in range(9)]
    outcome = push_batches.set_quantities(berlin, [change(item) for item in range(1, 9)])
    assert len(shopify.sent) == push_batches.ROUNDS == 5
    assert (set(outcome.refused), outcome.stale, outcome.done) == ({1, 2, 3, 4, 5}, {6, 7, 8}, set())


@pytest.mark.parametrize("code", sorted(push_batches.STALE))
def test_a_quantity_that_moved_is_stale_and_not_refused(
    berlin: Warehouse, shopify: Shopify, code: str
) -> None:
    shopify.errors = [[error(0, code)]]
    outcome = set_three(berlin)
    assert (outcome.stale, outcome.refused, outcome.done) == ({1}, {}, {2, 3})


@pytest.mark.parametrize("code", sorted(push_batches.STALE))
def test_a_call_of_which_all_is_stale_is_not_made_again_in_this_run(
    berlin: Warehouse, shopify: Shopify, code: str
) -> None:
    shopify.errors = [[error("", code, "input")]]
    outcome = set_three(berlin)
    assert (outcome.stale, outcome.done, len(shopify.sent)) == ({1, 2, 3}, set(), 1)


@pytest.mark.parametrize(
    "path",
    [
        ["input"],
        ["input", "quantities"],
        ["input", "quantities", "3", "quantity"],
        ["input", "quantities", "many"],
        ["input", "reason", "1"],
    ],
)
def test_an_error_that_is_about_none_of_the_elements_refuses_the_whole_call(
    berlin: Warehouse, shopify: Shopify, path: list[str]
) -> None:
    shopify.errors = [[error("", "INVALID_REASON", *path)]]
    with pytest.raises(Permanent, match="INVALID_REASON no: INVALID_REASON"):
        set_three(berlin)
    assert len(shopify.sent) == 1


def test_an_error_without_a_field_refuses_the_whole_call(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[{**error(0), "field": None}]]
    with pytest.raises(Permanent):
        set_three(berlin)


def test_one_error_that_is_not_staleness_makes_the_whole_refusal_one(
    berlin: Warehouse, shopify: Shopify
) -> None:
    shopify.errors = [[error("", "CHANGE_FROM_QUANTITY_STALE", "input"), error("", "INVALID_NAME", "input")]]
    with pytest.raises(Permanent, match="INVALID_NAME"):
        set_three(berlin)


def test_a_refused_location_stops_the_warehouse_at_once(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[error(2, "INVALID_LOCATION")]]
    with pytest.raises(Permanent, match="refuses the location"):
        set_three(berlin)
    assert PushBatch.objects.get().state == "done"


def test_an_item_that_is_not_stocked_is_handed_back_to_be_activated(
    berlin: Warehouse, shopify: Shopify
) -> None:
    shopify.errors = [[error(1, "ITEM_NOT_STOCKED_AT_LOCATION")]]
    outcome = set_three(berlin)
    assert ([each.product.inventory_item for each in outcome.unstocked], outcome.refused) == ([2], {})


def test_a_call_that_shopify_still_works_on_stays_open(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[error("", "IDEMPOTENCY_CONCURRENT_REQUEST", "input")]]
    with pytest.raises(Throttled):
        set_three(berlin)
    assert PushBatch.objects.get().state == "sending"


def test_every_call_has_a_key_of_its_own_and_is_kept_with_what_shopify_said(
    berlin: Warehouse, shopify: Shopify
) -> None:
    shopify.errors = [[error(0)]]
    set_three(berlin)
    first, second = PushBatch.objects.order_by("created_at")
    assert first.key != second.key
    assert [sent["key"] for sent in shopify.sent] == [first.key, second.key]
    assert [batch.variables for batch in (first, second)] == shopify.sent
    assert first.variables["input"]["referenceDocumentUri"].endswith(first.key)
    assert ([each["code"] for each in first.errors], second.errors) == (["INVALID_QUANTITY"], [])


@pytest.mark.parametrize(
    ("basis", "name", "field"), [("available", "available", "available"), ("on_hand", "on_hand", "onHand")]
)
def test_quantities_are_set_by_the_name_of_the_stock_basis(
    berlin: Warehouse, shopify: Shopify, basis: str, name: str, field: str
) -> None:
    berlin.connection.stock_basis = basis
    push_batches.set_quantities(berlin, [change(1)])
    assert push_batches.activate(berlin, change(2, 7)) is None
    set_call, activation = shopify.sent
    assert set_call["input"]["name"] == name
    assert (activation[field], activation["item"]) == (7, "gid://shopify/InventoryItem/2")


def test_an_activation_that_is_refused_says_why(berlin: Warehouse, shopify: Shopify) -> None:
    shopify.errors = [[{"field": None, "message": "not here"}]]
    assert "not here" in str(push_batches.activate(berlin, change(1)))


def test_old_batches_are_deleted_and_those_of_the_week_and_open_ones_kept(berlin: Warehouse) -> None:
    shop, now = berlin.shop, timezone.now()
    old = make_push_batch(shop, finished_at=now - push_batches.KEEP - timedelta(hours=1))
    kept = [
        make_push_batch(shop, finished_at=now - push_batches.KEEP + timedelta(hours=1)).pk,
        make_push_batch(shop, state="sending", finished_at=None).pk,
    ]
    assert push_batches.prune() == 1
    assert sorted(PushBatch.objects.values_list("pk", flat=True)) == sorted(kept)
    assert old.pk not in kept


def open_batch(warehouse: Warehouse) -> PushBatch:
    """A call of which nobody knows what came of it."""
    return make_push_batch(
        warehouse.shop, state="sending", finished_at=None, variables={"input": {}, "key": "k"}
    )


def test_a_shop_takes_up_its_own_open_call_and_not_that_of_another(
    berlin: Warehouse, shopify: Shopify
) -> None:
    other = open_batch(make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris"))
    push_batches.resume(berlin.shop)
    assert shopify.sent == []
    mine = open_batch(berlin)
    push_batches.resume(berlin.shop)
    assert shopify.sent == [mine.variables]
    states = dict(PushBatch.objects.values_list("pk", "state"))
    assert states == {other.pk: "sending", mine.pk: "done"}


def test_a_call_that_is_refused_as_a_whole_is_closed_and_the_push_goes_on_from_there(
    berlin: Warehouse, http: responses.RequestsMock
) -> None:
    http.post("https://berlin.myshopify.com/admin/api/2026-10/graphql.json", status=404)
    open_batch(berlin)
    push_batches.resume(berlin.shop)
    with pytest.raises(Permanent, match="404"):
        set_three(berlin)
    assert set(PushBatch.objects.values_list("state", flat=True)) == {"done"}
    assert all("404" in batch.errors[0]["message"] for batch in PushBatch.objects.all())


# As many levels as the shop's points allow


@pytest.mark.parametrize(
    ("bucket", "levels"), [(None, 250), (2000.0, 250), (200.0, 24), (50.0, 2), (10.0, 1), (1.0, 1)]
)
def test_a_push_takes_half_the_bucket_and_at_least_one_level(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch, bucket: float | None, levels: int
) -> None:
    asked: list[int] = []

    def plan(_: Warehouse, *, most: int) -> push_due.Plan:
        asked.append(most)
        return push_due.Plan(frozenset())

    monkeypatch.setattr(rate_budget, "size", lambda *_: bucket)
    monkeypatch.setattr(push_due, "plan", plan)
    push_cost.fitting_plan(berlin)
    assert asked == [levels]


def test_an_item_of_many_products_makes_the_push_smaller_until_it_fits(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_budget, "size", lambda *_: 200.0)
    for number in range(24):
        for pack in range(3):
            variant = 1000 * (pack + 1) + number
            make_mapping(berlin, variant, f"I{number}", quantity=pack + 1)
        make_level(berlin, f"I{number}", push_due_since=timezone.now(), push_marked_at=timezone.now())
    found = push_cost.fitting_plan(berlin)
    assert push_cost.points(found) <= 100
    assert 6 <= len(found.due) <= 8
