"""Which items a variant is: packs, kits, several warehouses, and always one query."""

from __future__ import annotations

from typing import Any

import pytest

from skumap.mappings.resolve import Resolution, mappings_for_items, mappings_sharing, resolve
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def vienna(berlin: Warehouse) -> Warehouse:
    return make_warehouse(berlin.shop, berlin.connection, "Vienna")


def at(*warehouses: Warehouse, variants: list[int]) -> Resolution:
    return resolve(warehouses[0].shop_id, variants=variants, warehouses=[w.pk for w in warehouses])


def items(resolution: Resolution, variant: int, warehouse: Warehouse) -> list[tuple[str, int]]:
    return [(c.wms_item_code, c.quantity) for c in resolution.components(variant, warehouse.pk)]


def test_a_variant_is_its_item_at_each_warehouse(berlin: Warehouse, vienna: Warehouse) -> None:
    mapping = make_mapping(berlin, 11, "MUG")
    make_mapping(vienna, 11, "TASSE")
    found = at(berlin, vienna, variants=[11])
    assert items(found, 11, berlin) == [("MUG", 1)]
    assert items(found, 11, vienna) == [("TASSE", 1)]
    assert found.components(11, berlin.pk)[0].mapping_id == mapping.pk


def test_a_pack_is_a_quantity_and_a_kit_is_several_rows(berlin: Warehouse) -> None:
    make_mapping(berlin, 12, "MUG", quantity=6)
    make_mapping(berlin, 13, "TEAPOT")
    make_mapping(berlin, 13, "MUG", quantity=2)
    found = at(berlin, variants=[12, 13])
    assert items(found, 12, berlin) == [("MUG", 6)]
    assert items(found, 13, berlin) == [("MUG", 2), ("TEAPOT", 1)]


def test_unmapped_is_what_no_given_warehouse_maps(berlin: Warehouse, vienna: Warehouse) -> None:
    make_mapping(berlin, 11)
    make_mapping(vienna, 12)
    assert at(berlin, vienna, variants=[11, 12, 13]).unmapped([11, 12, 13]) == {13}
    found = at(berlin, variants=[11, 12])
    assert found.unmapped([11, 12]) == {12}
    assert found.components(12, berlin.pk) == ()


def test_a_need_for_verification_does_not_block_but_switched_off_does(berlin: Warehouse) -> None:
    make_mapping(berlin, 11, needs_verification=True)
    make_mapping(berlin, 12, is_active=False)
    assert at(berlin, variants=[11, 12]).unmapped([11, 12]) == {12}


def test_shops_do_not_share_mappings(berlin: Warehouse) -> None:
    paris = make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris")
    make_mapping(paris, 11)
    assert at(berlin, paris, variants=[11]).unmapped([11]) == {11}


@pytest.mark.parametrize("lines", [1, 250])
def test_any_number_of_lines_takes_one_query(
    berlin: Warehouse, vienna: Warehouse, lines: int, django_assert_num_queries: Any
) -> None:
    for variant in range(lines):
        make_mapping(berlin, variant + 1, f"ITEM-{variant}")
    with django_assert_num_queries(1):
        found = at(berlin, vienna, variants=list(range(1, lines + 1)))
        assert not found.unmapped(range(1, lines + 1))
        assert found.components(1, berlin.pk)


def test_the_other_direction_takes_one_query_too(
    berlin: Warehouse, vienna: Warehouse, django_assert_num_queries: Any
) -> None:
    mug, kit = make_mapping(berlin, 11, "MUG"), make_mapping(berlin, 13, "MUG", quantity=2)
    make_mapping(berlin, 13, "TEAPOT")
    make_mapping(berlin, 14, "MUG", is_active=False)
    there = make_mapping(vienna, 11, "MUG")
    with django_assert_num_queries(1):
        assert mappings_for_items(berlin.pk, ["MUG", "NOTHING"]) == [mug, kit]
    assert mappings_for_items([berlin.pk, vienna.pk], ["MUG"]) == [mug, kit, there]


def test_what_shares_items_with_a_variant_is_found_with_all_of_its_own_mappings(berlin: Warehouse) -> None:
    kit = [make_mapping(berlin, 7, item) for item in ("MUG", "BOX")]
    mug = make_mapping(berlin, 8, "MUG")
    make_mapping(berlin, 9, "TEE")
    make_mapping(berlin, 10, "BOX", is_active=False)
    assert mappings_sharing(berlin.pk, [7]) == [*kit, mug]
