"""References to stock."""

from __future__ import annotations

import pytest
from hypothesis import given

from inventory import refs
from inventory.refs import StockRef
from shops.ids import ShopPk
from tests.references import hostile_ids, rows
from wms.ids import WarehousePk


def test_spellings_are_those_of_stored_rows() -> None:
    assert refs.stock_key(WarehousePk(4), "SHIRT:L") == "stock:4:SHIRT:L"
    assert refs.stock_subject(ShopPk(3)) == "stock:3"
    assert refs.reconcile_subject("north") == "reconcile:north"


@given(warehouse=rows, item=hostile_ids)
def test_an_item_is_found_by_its_key(warehouse: int, item: str) -> None:
    assert refs.parse_stock(refs.stock_key(WarehousePk(warehouse), item)) == StockRef(
        WarehousePk(warehouse), item
    )


@pytest.mark.parametrize("text", ["", "stock:3", "stock:3:", "stock:x:5", "sku:3:5"])
def test_what_names_no_item_is_none(text: str) -> None:
    assert refs.parse_stock(text) is None
