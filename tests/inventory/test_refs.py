"""References to stock."""

from __future__ import annotations

import pytest
from hypothesis import given

from inventory import refs
from inventory.refs import LateRef
from tests.references import domains, hostile_ids, slugs
from wms.ids import WarehousePk


def test_spellings_are_those_of_stored_rows() -> None:
    assert refs.stock_key(WarehousePk(4), "SHIRT:L") == "stock:4:SHIRT:L"
    assert refs.late_cause("read", "b.myshopify.com", "north", "BER1") == "read:b.myshopify.com:north/BER1"
    assert refs.reconcile_subject("north") == "reconcile:north"


@given(domain=domains, slug=slugs, code=hostile_ids)
def test_late_stock_is_found_by_the_cause(domain: str, slug: str, code: str) -> None:
    named = LateRef("read", domain, slug, code)
    assert refs.parse_late(refs.late_cause(*named)) == named


@pytest.mark.parametrize("cause", ["", "read", "read:x", "read:x:north", "read:x:/BER1", "stock_sync_lag"])
def test_what_names_no_late_stock_is_none(cause: str) -> None:
    assert refs.parse_late(cause) is None
