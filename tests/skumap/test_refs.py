"""References to variants and mappings."""

from __future__ import annotations

import pytest
from hypothesis import given

from shops.ids import ShopPk, VariantId
from skumap import refs
from skumap.refs import VariantRef
from tests.references import domains, rows


def test_spellings_are_those_of_stored_rows() -> None:
    assert refs.variant_key(ShopPk(3), VariantId(501)) == "sku:3:501"
    assert refs.sku_key(ShopPk(3), "SHIRT:L") == "sku:3:=SHIRT:L"
    assert refs.variant_subject("berlin.myshopify.com", VariantId(501)) == "sku:berlin.myshopify.com:501"
    assert refs.mapping_subject(9) == "mapping:9"
    assert refs.stock_subject(ShopPk(3)) == "stock:3"


def test_the_key_of_a_long_sku_has_room_where_it_is_stored() -> None:
    assert refs.sku_key(ShopPk(3), "x" * 500) == "sku:3:=" + "x" * 293


@given(domain=domains, variant=rows)
def test_a_variant_is_found_by_its_subject(domain: str, variant: int) -> None:
    found = refs.parse_variant(refs.variant_subject(domain, VariantId(variant)))
    assert found == VariantRef(domain, VariantId(variant))


@pytest.mark.parametrize("text", ["", "sku:x", "sku:x:", "sku:x:y", "sku:x:5:6", "sku:3:=5", "stock:3:5"])
def test_what_is_about_no_variant_is_none(text: str) -> None:
    assert refs.parse_variant(text) is None
