"""What a webhook, a reading or a saved mapping says of one variant of one shop is taken for nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.models import Alert, Job
from shops.ids import InventoryItemId, VariantId
from skumap.models import SkuMapping
from skumap.refs import sku_key, variant_key, variant_subject
from skumap.verification import review, shopify_variants
from skumap.verification.review import ShopifyVariant
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.parked import is_parked, park
from tests.skumap.verification.test_verification import product, variant
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When the bodies of webhooks say that the product was changed."""
SECOND = timedelta(seconds=1)


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def paris(berlin: Warehouse) -> Warehouse:
    """Of another shop."""
    return make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris")


def mug(warehouse: Warehouse, number: int = 11, item: str = "MUG", **changes: Any) -> SkuMapping:
    values = {"shopify_sku": "MUG-1", "shopify_inventory_item_id": 1000 + number, **changes}
    return make_mapping(warehouse, number, item, **values)


def marked() -> set[int]:
    return set(SkuMapping.objects.filter(needs_verification=True).values_list("pk", flat=True))


def asked() -> list[list[int]]:
    """The variants of each job that reads some at Shopify."""
    jobs = Job.objects.filter(kind="skumap.verify").order_by("pk")
    return [job.payload["variants"] for job in jobs]


def open_alerts() -> set[str]:
    rows = Alert.objects.filter(state="open").values_list("kind", "subject")
    return {f"{kind} {subject}" for kind, subject in rows}


def alert(warehouse: Warehouse, kind: str, number: int = 11) -> None:
    subject = variant_subject(warehouse.shop.domain, VariantId(number))
    Alert.objects.create(kind=kind, subject=subject, title="t", meaning="m", action="a")


# Webhooks


def test_only_active_mappings_of_the_variant_and_the_shop_are_marked(
    berlin: Warehouse, paris: Warehouse
) -> None:
    mine = mug(berlin)
    mug(berlin, 12)
    mug(berlin, item="OLD", is_active=False)
    mug(paris)
    assert review.sku_changed_in_product(berlin.shop, product(variant(sku="MUG-2"))) == 1
    assert marked() == {mine.pk}
    assert open_alerts() == {f"sku_changed sku:{berlin.shop.domain}:11"}


def test_of_an_inventory_item_only_the_mappings_of_the_shop_are_marked(
    berlin: Warehouse, paris: Warehouse
) -> None:
    mine = mug(berlin)
    mug(paris)
    mug(berlin, 12)
    assert review.sku_changed_in_item(berlin.shop, {"id": 1011, "sku": "MUG-2"}) == 1
    assert marked() == {mine.pk}


@pytest.mark.parametrize("body", [{"id": 1011}, {"sku": "MUG-2"}, {"id": None, "sku": "MUG-2"}])
def test_an_inventory_item_without_an_id_or_a_sku_says_nothing(
    berlin: Warehouse, body: dict[str, Any]
) -> None:
    mug(berlin)
    assert review.sku_changed_in_item(berlin.shop, body) == 0
    assert marked() == set()


@pytest.mark.parametrize(
    ("verified", "counts"), [(None, True), (NOON - SECOND, True), (NOON, True), (NOON + SECOND, False)]
)
def test_a_webhook_from_before_the_last_reading_is_no_news(
    berlin: Warehouse, verified: datetime | None, counts: bool
) -> None:
    mug(berlin, last_verified_at=verified)
    assert review.sku_changed_in_product(berlin.shop, product(variant(sku="MUG-2"))) == counts


@pytest.mark.parametrize("time", [None, "soon", "2026-11-23T12:00:00", "2026-99-99T12:00:00Z"])
def test_a_webhook_whose_time_is_unknown_counts(berlin: Warehouse, time: str | None) -> None:
    mug(berlin, last_verified_at=NOON + SECOND)
    body = product(variant(sku="MUG-2"), updated_at=time)
    assert review.sku_changed_in_product(berlin.shop, body) == 1


def named(number: int, **changes: Any) -> dict[str, Any]:
    """A variant beyond the first hundred, of which a body only has the id and a time."""
    gid = f"gid://shopify/ProductVariant/{number}"
    return {"admin_graphql_api_id": gid, "updated_at": "2026-11-23T12:00:00Z", **changes}


def test_of_the_variants_that_a_body_only_names_the_mapped_ones_are_read(
    berlin: Warehouse, paris: Warehouse
) -> None:
    for number in (11, 12, 13):
        mug(berlin, number, f"I{number}")
    mug(berlin, 14, last_verified_at=NOON + SECOND)
    mug(paris, 15)
    numbers = (11, 12, 14, 15, 16)
    body = product(variant(), variant_gids=[*map(named, numbers), named(0), {"updated_at": "?"}])
    assert review.sku_changed_in_product(berlin.shop, body) == 0
    assert asked() == [[12]]


def test_a_mark_that_a_webhook_no_longer_explains_is_read_at_shopify(berlin: Warehouse) -> None:
    for number in (11, 12):
        mug(berlin, number, f"I{number}", needs_verification=True)
    body = product(variant(11), variant(12, sku="OTHER", item=1012))
    assert review.sku_changed_in_product(berlin.shop, body) == 0
    assert asked() == [[11]]


def test_the_id_of_a_variant_is_taken_from_its_gid_or_its_number(berlin: Warehouse) -> None:
    mug(berlin)
    by_number = {"id": 11, "sku": "MUG-2"}
    assert review.sku_changed_in_product(berlin.shop, product({"id": None, "sku": "X"}, by_number)) == 1


@pytest.mark.parametrize(
    ("sku", "item", "differs"),
    [
        ("MUG-1", 1011, False),
        ("MUG-1", None, False),
        (None, 1011, False),
        (None, None, False),
        ("", 1011, True),
        ("MUG-2", None, True),
        (None, 1012, True),
    ],
)
def test_what_shopify_did_not_send_is_no_difference(sku: str | None, item: int | None, differs: bool) -> None:
    mapping = SkuMapping(shopify_sku="MUG-1", shopify_inventory_item_id=InventoryItemId(1011))
    assert review.differs(mapping, ShopifyVariant(VariantId(11), sku, item)) == differs


# Jobs, pages and alerts


def test_many_variants_are_read_a_hundred_at_a_time_each_once(berlin: Warehouse) -> None:
    numbers = [VariantId(number) for number in range(250, 0, -1)]
    review.ask(berlin.shop, variants=[*numbers, *numbers])
    assert asked() == [[*range(1, 101)], [*range(101, 201)], [*range(201, 251)]]


def test_an_unmapped_variant_without_a_sku_has_no_hint(berlin: Warehouse) -> None:
    mug(berlin)
    found = {VariantId(12): "MUG-2", VariantId(13): "", VariantId(14): "ZZZZZZ"}
    assert review.report_unmapped(berlin.shop, found) == 3
    actions = dict(Alert.objects.values_list("subject", "action"))
    hints = {subject.rpartition(":")[2]: "SKU MUG-1" in action for subject, action in actions.items()}
    assert hints == {"12": True, "13": False, "14": False}


def test_the_page_of_a_shop_is_of_its_mapped_variants_each_once(berlin: Warehouse, paris: Warehouse) -> None:
    for number, item in ((13, "MUG"), (11, "MUG"), (11, "BOX"), (12, "TEE")):
        mug(berlin, number, item)
    mug(berlin, 14, is_active=False)
    mug(paris, 15)
    assert shopify_variants.page(berlin.shop, after=0) == [11, 12, 13]
    assert shopify_variants.page(berlin.shop, after=11) == [12, 13]


def test_a_reading_is_recorded_for_the_variants_that_were_asked_of_this_shop(
    berlin: Warehouse, paris: Warehouse
) -> None:
    same, other, gone = mug(berlin), mug(berlin, 12, "TEE"), mug(berlin, 13, "BOX")
    left = [mug(berlin, 14, "CUP"), mug(berlin, 11, "OLD", is_active=False), mug(paris)]
    before = list(SkuMapping.objects.filter(pk__in=[each.pk for each in left]).order_by("pk").values())
    seen = {
        number: ShopifyVariant(VariantId(number), sku, InventoryItemId(1000 + number))
        for number, sku in ((11, "MUG-1"), (12, "NEW"))
    }
    variants = [VariantId(number) for number in (11, 12, 13)]
    asked_at = datetime.now(UTC) + timedelta(minutes=1)
    found = shopify_variants.record(berlin.shop, variants=variants, seen=seen, asked_at=asked_at)  # type: ignore[arg-type]
    assert [change.variant for change in found.gone] == [13]
    assert [(change.variant, change.mapped_sku, change.sku) for change in found.changed] == [
        (12, "MUG-1", "NEW")
    ]
    assert marked() == {other.pk, gone.pk}
    same.refresh_from_db()
    assert same.last_verified_at is not None
    assert (
        list(SkuMapping.objects.filter(pk__in=[row["id"] for row in before]).order_by("pk").values())
        == before
    )
    domain = berlin.shop.domain
    assert open_alerts() == {f"sku_changed sku:{domain}:12", f"sku_gone sku:{domain}:13"}


# Saved mappings


def saved(*mappings: SkuMapping) -> None:
    review.mapping_saved(SkuMapping.objects.filter(pk__in=[each.pk for each in mappings]))


def test_a_saved_mapping_ends_the_alerts_of_its_variant_unless_another_is_unverified(
    berlin: Warehouse,
) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    for number in (11, 12, 13):
        for kind in ("unmapped_sku", "sku_changed"):
            alert(berlin, kind, number)
    mug(vienna, 12, "TEE", needs_verification=True)
    saved(mug(berlin), mug(berlin, 12, "TEE"))
    domain = berlin.shop.domain
    assert open_alerts() == {
        f"sku_changed sku:{domain}:12",
        f"unmapped_sku sku:{domain}:13",
        f"sku_changed sku:{domain}:13",
    }


def test_a_mapping_that_is_switched_off_ends_no_alert_and_is_looked_at_all_the_same(
    berlin: Warehouse,
) -> None:
    alert(berlin, "unmapped_sku")
    waits = park(variant_key(berlin.shop.id, VariantId(11)))
    saved(mug(berlin, is_active=False))
    assert open_alerts() == {f"unmapped_sku sku:{berlin.shop.domain}:11"}
    assert not is_parked(waits)
    assert Job.objects.get(kind="skumap.mapped").payload["variants"] == [11]


def test_what_waits_for_a_variant_or_its_sku_goes_on_and_nothing_else_does(
    berlin: Warehouse, paris: Warehouse
) -> None:
    mug(berlin, 12, "TEE", shopify_sku="TEE-1")
    mug(paris, 11, shopify_sku="PARIS-1")
    shop, other = berlin.shop.id, paris.shop.id
    woken = [park(variant_key(shop, VariantId(11))), park(sku_key(shop, "MUG-1"))]
    waiting = [
        park(variant_key(shop, VariantId(12))),
        park(sku_key(shop, "TEE-1")),
        park(sku_key(shop, "PARIS-1")),
        park(variant_key(other, VariantId(11))),
        park(sku_key(other, "MUG-1")),
        park(sku_key(shop, "")),
    ]
    saved(mug(berlin), mug(berlin, 11, "BOX", shopify_sku=""))
    assert [is_parked(job) for job in woken] == [False, False]
    assert all(map(is_parked, waiting))


@pytest.mark.parametrize(("count", "jobs"), [(1, 0), (2, 0), (3, 2)])
def test_many_variants_are_woken_in_jobs_of_their_own(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch, count: int, jobs: int
) -> None:
    monkeypatch.setattr(review, "WAKE_AT_ONCE", 2)
    numbers = [VariantId(11 + number) for number in range(count)]
    waits = [park(variant_key(berlin.shop.id, number)) for number in numbers]
    review.variants_mapped(berlin.shop, variants=numbers)
    found = Job.objects.filter(kind="skumap.wake").order_by("pk")
    assert [job.payload["variants"] for job in found] == ([[11, 12], [13]] if jobs else [])
    assert [is_parked(job) for job in waits] == [bool(jobs)] * count
    mapped = Job.objects.filter(kind="skumap.mapped").order_by("pk")
    assert [number for job in mapped for number in job.payload["variants"]] == numbers


def test_mappings_of_two_shops_that_are_saved_together_are_followed_up_in_each(
    berlin: Warehouse, paris: Warehouse
) -> None:
    keys = [variant_key(each.shop.id, VariantId(11)) for each in (berlin, paris)]
    waits = [park(key) for key in keys]
    saved(mug(berlin), mug(paris))
    assert [is_parked(job) for job in waits] == [False, False]
    assert Job.objects.filter(kind="skumap.mapped").count() == 2
