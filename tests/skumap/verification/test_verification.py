"""SKUs that change or vanish at Shopify make their mappings need verification, until a person or a read ends it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.models import Alert, Job
from ops.queue import jobs
from shops.ids import InventoryItemId, VariantId
from skumap import jobs as skumap_jobs
from skumap.models import SkuMapping
from skumap.verification import review, shopify_variants
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.drain import drain
from tests.parked import is_parked, park
from tests.skumap.conftest import Variants
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def mug(berlin: Warehouse) -> SkuMapping:
    return make_mapping(berlin, 11, "MUG", shopify_sku="MUG-1", shopify_inventory_item_id=1011)


def product(*variants: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": 401,
        "updated_at": "2026-11-23T12:00:00Z",
        "variants": list(variants),
        "variant_gids": [],
        **changes,
    }


def variant(number: int = 11, sku: str | None = "MUG-1", item: int | None = 1011) -> dict[str, Any]:
    gid = f"gid://shopify/ProductVariant/{number}"
    return {"id": number + 1, "admin_graphql_api_id": gid, "sku": sku, "inventory_item_id": item}


def deliver(shop: Any, topic: str, body: dict[str, Any]) -> None:
    jobs.NewJob(
        f"shopify.{topic}", key=f"test:{topic}", lane=shop.inbox_lane, payload={"shop": shop.pk, "body": body}
    ).enqueue()
    drain()


def unverified() -> list[int]:
    return list(
        SkuMapping.objects.filter(needs_verification=True).values_list("shopify_variant_id", flat=True)
    )


def open_alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(state="open").order_by("pk").values_list("kind", "subject"))


def test_a_changed_sku_marks_the_mapping_and_alerts(mug: SkuMapping) -> None:
    deliver(mug.shop, "products/update", product(variant(sku="MUG-2")))
    mug.refresh_from_db()
    assert (mug.needs_verification, mug.shopify_sku, mug.is_active) == (True, "MUG-1", True)
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("sku_changed", "sku:berlin.myshopify.com:11")
    assert "MUG-1 of berlin.myshopify.com is now MUG-2" in alert.title


@pytest.mark.parametrize(
    "body",
    [
        product(variant()),
        product(variant(sku=" MUG-1 ", item=None)),
        product(variant(number=12, sku="OTHER")),
        product({"id": 11, "inventory_item_id": 1011}),
        product({}),
        {"id": 401},
    ],
)
def test_an_update_that_changes_no_mapped_sku_changes_nothing(mug: SkuMapping, body: dict[str, Any]) -> None:
    assert review.sku_changed_in_product(mug.shop, body) == 0
    assert (unverified(), open_alerts(), Job.objects.count()) == ([], [], 0)


def test_an_update_without_change_takes_one_query(mug: SkuMapping, django_assert_num_queries: Any) -> None:
    body = product(*(variant(number, sku="X", item=None) for number in range(500, 600)), variant())
    with django_assert_num_queries(3):  # savepoint, select, release
        review.sku_changed_in_product(mug.shop, body)


@pytest.mark.parametrize("shown", [variant(sku=None), variant(sku=""), variant(item=2022)])
def test_a_blank_sku_or_another_inventory_item_is_a_change_too(
    mug: SkuMapping, shown: dict[str, Any]
) -> None:
    assert review.sku_changed_in_product(mug.shop, product(shown)) == 1
    assert unverified() == [11]


def test_the_same_change_told_again_alerts_once(mug: SkuMapping) -> None:
    for _ in range(3):
        review.sku_changed_in_product(mug.shop, product(variant(sku="MUG-2")))
    assert Alert.objects.get().count == 1
    assert Job.objects.filter(kind="ops.notify").count() == 1


def test_every_warehouse_of_the_variant_is_marked(mug: SkuMapping, berlin: Warehouse) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    make_mapping(vienna, 11, "TASSE", shopify_sku="MUG-1", shopify_inventory_item_id=1011)
    assert review.sku_changed_in_product(mug.shop, product(variant(sku="MUG-2"))) == 2
    assert Alert.objects.count() == 1


def test_news_from_before_the_last_read_is_no_news(mug: SkuMapping) -> None:
    SkuMapping.objects.update(last_verified_at=datetime(2026, 11, 23, 13, tzinfo=UTC))
    assert review.sku_changed_in_product(mug.shop, product(variant(sku="OLD"))) == 0
    assert unverified() == []


def test_an_inventory_item_tells_of_a_changed_sku(mug: SkuMapping) -> None:
    body = {"id": 9, "admin_graphql_api_id": "gid://shopify/InventoryItem/1011", "sku": "MUG-2"}
    deliver(mug.shop, "inventory_items/update", body)
    assert (unverified(), open_alerts()) == ([11], [("sku_changed", "sku:berlin.myshopify.com:11")])


def test_an_inventory_item_with_the_same_sku_tells_nothing(mug: SkuMapping) -> None:
    for body in ({"id": 1011, "sku": "MUG-1"}, {"id": 1011}, {"id": 7, "sku": "X"}, {"sku": "X"}, {}):
        assert review.sku_changed_in_item(mug.shop, body) == 0
    assert unverified() == []


def test_variants_that_the_body_only_names_are_read(mug: SkuMapping, variants: Variants) -> None:
    variants.known = {11: ("MUG-2", 1011)}
    names = [
        {"admin_graphql_api_id": f"gid://shopify/ProductVariant/{n}", "updated_at": None} for n in (11, 12)
    ]
    deliver(mug.shop, "products/update", product(variant_gids=names))
    assert variants.asked == [[11]]
    assert unverified() == [11]


def test_a_need_for_verification_ends_by_a_read_and_not_by_a_late_webhook(
    mug: SkuMapping, variants: Variants
) -> None:
    review.sku_changed_in_product(mug.shop, product(variant(sku="MUG-2")))
    variants.known = {11: ("MUG-2", 1011)}
    deliver(mug.shop, "products/update", product(variant()))
    assert (variants.asked, unverified()) == ([[11]], [11])
    variants.known = {11: ("MUG-1", 1011)}
    review.ask(mug.shop, variants=[VariantId(11)])
    drain()
    assert (unverified(), open_alerts()) == ([], [])


def test_a_deleted_product_has_the_shop_looked_through(mug: SkuMapping, variants: Variants) -> None:
    deliver(mug.shop, "products/delete", {"id": 401})
    assert variants.asked == []
    drain(advance=timedelta(minutes=6))
    assert variants.asked == [[11]]
    mug.refresh_from_db()
    assert (mug.needs_verification, mug.is_active) == (True, True)
    assert open_alerts() == [("sku_gone", "sku:berlin.myshopify.com:11")]


def test_a_read_goes_through_all_pages(berlin: Warehouse, variants: Variants) -> None:
    for number in range(1, 231):
        make_mapping(berlin, number, f"ITEM-{number}")
    skumap_jobs.verify_all(berlin.shop)
    drain()
    assert [len(ids) for ids in variants.asked] == [100, 100, 30]
    assert len(unverified()) == 230


def test_what_shopify_confirms_is_noted(mug: SkuMapping, variants: Variants) -> None:
    variants.known = {11: ("MUG-1", 1011)}
    findings = shopify_variants.verify(mug.shop, variants=[VariantId(11)])
    mug.refresh_from_db()
    assert (findings.checked, findings.gone, findings.changed) == (1, (), ())
    assert mug.last_verified_at is not None


def test_a_mapping_that_changed_while_shopify_was_asked_is_left_alone(mug: SkuMapping) -> None:
    seen = {VariantId(11): review.ShopifyVariant(VariantId(11), "OTHER", InventoryItemId(1011))}
    asked_at = timezone.now() - timedelta(hours=1)
    shopify_variants.record(mug.shop, variants=[VariantId(11)], seen=seen, asked_at=asked_at)
    assert unverified() == []


def test_adopting_makes_the_mapping_say_what_shopify_shows(mug: SkuMapping, variants: Variants) -> None:
    review.sku_changed_in_product(mug.shop, product(variant(sku="MUG-2", item=2022)))
    variants.known = {11: ("MUG-2", 2022)}
    review.ask_to_adopt(mug.shop, variants=[VariantId(11)])
    drain()
    mug.refresh_from_db()
    assert (mug.shopify_sku, mug.shopify_inventory_item_id, mug.wms_item_code) == ("MUG-2", 2022, "MUG")
    assert (unverified(), open_alerts()) == ([], [])


def test_an_unmapped_sku_is_alerted_once_with_the_nearest_known_one(mug: SkuMapping) -> None:
    assert (
        review.report_unmapped(mug.shop, {VariantId(12): "MUG-l", VariantId(13): "", VariantId(14): "QQQQ"})
        == 3
    )
    assert review.report_unmapped(mug.shop, {VariantId(12): "MUG-l"}) == 0
    alert = Alert.objects.get(subject="sku:berlin.myshopify.com:12")
    assert (alert.kind, alert.count) == ("unmapped_sku", 1)
    assert "Nearest known: SKU MUG-1 (item MUG)." in alert.action
    assert "Nearest" not in Alert.objects.get(subject="sku:berlin.myshopify.com:14").action
    assert Job.objects.filter(kind="ops.notify").count() == 3


def test_reporting_takes_a_query_per_sku_and_one_for_the_names(
    mug: SkuMapping, django_assert_num_queries: Any
) -> None:
    review.report_unmapped(mug.shop, {VariantId(12): "A", VariantId(13): "B"})
    with django_assert_num_queries(5):  # names, savepoint, two alerts, release
        review.report_unmapped(mug.shop, {VariantId(12): "A", VariantId(13): "B"})


def test_a_saved_mapping_wakes_what_waited_and_closes_its_alert(berlin: Warehouse) -> None:
    review.report_unmapped(berlin.shop, {VariantId(11): "MUG-1", VariantId(12): "CUP"})
    waiting, other = park(f"sku:{berlin.shop_id}:11"), park(f"sku:{berlin.shop_id}:12")
    review.mapping_saved([make_mapping(berlin, 11)])
    assert (is_parked(waiting), is_parked(other)) == (False, True)
    assert open_alerts() == [("unmapped_sku", "sku:berlin.myshopify.com:12")]


def test_a_mapping_that_is_switched_off_has_what_waits_looked_at_and_ends_no_alert(berlin: Warehouse) -> None:
    waiting = park(f"sku:{berlin.shop_id}:11")
    review.report_unmapped(berlin.shop, {VariantId(11): "MUG"})
    review.mapping_saved([make_mapping(berlin, 11, is_active=False)])
    assert not is_parked(waiting)
    assert open_alerts() == [("unmapped_sku", "sku:berlin.myshopify.com:11")]


PAYLOADS = Path(__file__).parents[2] / "payloads"


@pytest.mark.parametrize("path", sorted(PAYLOADS.rglob("*product*.json")), ids=lambda path: path.name)
def test_recorded_product_bodies_are_understood(mug: SkuMapping, path: Path) -> None:
    assert review.sku_changed_in_product(mug.shop, json.loads(path.read_text())) == 0


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.dictionaries(
        st.sampled_from(["id", "admin_graphql_api_id", "sku", "updated_at", "variants", "variant_gids"]),
        st.recursive(
            st.none() | st.integers() | st.text() | st.floats(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "sku", "admin_graphql_api_id", "updated_at"]), inner)
            ),
            max_leaves=8,
        ),
    )
)
def test_no_body_is_an_error_of_ours(mug: SkuMapping, body: dict[str, Any]) -> None:
    review.sku_changed_in_product(mug.shop, body)
    review.sku_changed_in_item(mug.shop, body)
    SkuMapping.objects.update(needs_verification=False)
