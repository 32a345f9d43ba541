"""A variant has one inventory item, and an inventory item one variant, in each shop by itself."""

from __future__ import annotations

import pytest

from skumap.mappings import identities
from skumap.mappings.resolve import mappings_for_items, variants_of_skus
from skumap.models import SkuMapping
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.skumap.conftest import LockHeld
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def vienna(berlin: Warehouse) -> Warehouse:
    return make_warehouse(berlin.shop, berlin.connection, "Vienna")


@pytest.fixture
def paris(berlin: Warehouse) -> Warehouse:
    """Of another shop."""
    return make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris")


def test_the_owner_of_an_inventory_item_is_an_active_mapping_of_another_variant(
    berlin: Warehouse, vienna: Warehouse, paris: Warehouse
) -> None:
    make_mapping(paris, 13, shopify_inventory_item_id=7)
    make_mapping(berlin, 14, "CUP", shopify_inventory_item_id=7, is_active=False)
    make_mapping(berlin, 15, "TEE", shopify_inventory_item_id=8)
    make_mapping(vienna, 11, shopify_inventory_item_id=7)
    shop = berlin.shop_id
    assert identities.owner(shop, inventory_item=7, besides=11) is None
    first = make_mapping(berlin, 12, shopify_inventory_item_id=7)
    make_mapping(vienna, 12, shopify_inventory_item_id=7)
    assert identities.owner(shop, inventory_item=7, besides=11) == first
    assert identities.owner(shop, inventory_item=9, besides=11) is None


@pytest.mark.parametrize(("sku", "named"), [("SKU-MUG", "SKU-MUG"), ("", "blank")])
def test_a_conflict_names_the_variant_that_has_the_item(berlin: Warehouse, sku: str, named: str) -> None:
    mapping = make_mapping(berlin, 12, shopify_inventory_item_id=7, shopify_sku=sku)
    text = identities.conflict_text(mapping)
    assert f"inventory item 7 is that of variant 12 (SKU {named}) at {berlin.place}" in text


def test_the_other_warehouses_take_over_the_item_of_the_variant(
    berlin: Warehouse, vienna: Warehouse, paris: Warehouse
) -> None:
    right = make_mapping(berlin, 11, shopify_inventory_item_id=7, needs_verification=True)
    corrected = make_mapping(vienna, 11, shopify_inventory_item_id=8, needs_verification=True)
    others = [
        make_mapping(vienna, 12, "TEE", shopify_inventory_item_id=9, needs_verification=True),
        make_mapping(vienna, 11, "OLD", shopify_inventory_item_id=9, is_active=False),
        make_mapping(paris, 11, shopify_inventory_item_id=9, needs_verification=True),
    ]
    before = list(SkuMapping.objects.filter(pk__in=[right.pk, *(each.pk for each in others)]).values())
    assert identities.correct_other_warehouses(right) == 1
    corrected.refresh_from_db()
    assert (corrected.shopify_inventory_item_id, corrected.needs_verification) == (7, False)
    assert list(SkuMapping.objects.filter(pk__in=[row["id"] for row in before]).values()) == before


def test_mappings_of_a_shop_are_entered_by_one_at_a_time(
    berlin: Warehouse, paris: Warehouse, lock_held: LockHeld
) -> None:
    with lock_held(f"skumap:{berlin.shop_id}"):
        assert not identities.lock(berlin.shop_id)
        assert identities.lock(paris.shop_id)
    assert identities.lock(berlin.shop_id)


# What a SKU means, and which mappings use an item


def test_a_sku_means_a_variant_if_it_is_that_of_one_only(
    berlin: Warehouse, vienna: Warehouse, paris: Warehouse
) -> None:
    for warehouse in (berlin, vienna):
        make_mapping(warehouse, 11, "MUG", shopify_sku="ONE")
    for variant in (12, 13):
        make_mapping(berlin, variant, "TEE", shopify_sku="TWO")
    make_mapping(berlin, 14, "CUP", shopify_sku="OFF", is_active=False)
    make_mapping(paris, 15, "CUP", shopify_sku="PARIS")
    make_mapping(paris, 16, "CUP", shopify_sku="ONE")
    make_mapping(berlin, 17, "BOX", shopify_sku="")
    asked = ["ONE", "TWO", "OFF", "PARIS", "", "NEW"]
    assert variants_of_skus(berlin.shop_id, asked) == {"ONE": 11}
    assert variants_of_skus(berlin.shop_id, [""]) == {}


def test_the_mappings_of_an_item_are_the_active_ones_there(berlin: Warehouse, vienna: Warehouse) -> None:
    pack = make_mapping(berlin, 12, "MUG", quantity=6)
    single = make_mapping(berlin, 11, "MUG")
    make_mapping(berlin, 13, "MUG", is_active=False)
    make_mapping(berlin, 12, "BOX")
    there = make_mapping(vienna, 11, "MUG")
    assert mappings_for_items(berlin.pk, ["MUG"]) == [pack, single]
    assert mappings_for_items([berlin.pk, vienna.pk], ["MUG", "MUG"]) == [pack, single, there]
    assert mappings_for_items([], ["MUG"]) == mappings_for_items(berlin.pk, []) == []
