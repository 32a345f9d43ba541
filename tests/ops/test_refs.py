"""References of ops, and taking a reference apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import refs
from ops.refs import LaneName
from tests.references import hostile_ids, rows


def test_spellings_are_those_of_stored_rows() -> None:
    assert refs.alert_subject(7) == "alert:7"
    assert refs.user_subject("ada") == "user:ada"
    assert refs.lane_subject(LaneName("wms:north")) == "wms:north"
    assert refs.sender_subject("wms", "north") == "wms:north"
    assert refs.dead_letters_subject("fulfillment.submit", "wms:north") == "fulfillment.submit wms:north"
    assert refs.inbound(LaneName("wms:north")) == "wms:north/in"
    assert refs.channel_lane("mail") == "alerts:mail"
    assert refs.INTERNAL == "internal"


def test_a_lane_is_inbound_or_calls_its_endpoint() -> None:
    calls = LaneName("shop:berlin.myshopify.com")
    inbound = refs.inbound(calls)
    assert (refs.is_inbound(calls), refs.is_inbound(inbound)) == (False, True)
    assert refs.endpoint_of(calls) == refs.endpoint_of(inbound) == calls


@given(kind=st.sampled_from(["fulfillment.submit", "shopify.orders/paid"]), lane=hostile_ids)
def test_dead_letters_are_found_by_their_subject(kind: str, lane: str) -> None:
    assert refs.parse_dead_letters(refs.dead_letters_subject(kind, lane)) == (kind, lane)


@given(rows)
def test_a_number_is_read_as_it_is_spelled(number: int) -> None:
    assert refs.number_in(str(number)) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "05", "+5", " 5", "5 ", "٥", "²", "5.0", "1_0", "9" * 19, "9" * 5000, "a"]
)
def test_what_we_do_not_spell_so_is_no_number(text: str) -> None:
    assert refs.number_in(text) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sku:5:7", ["5", "7"]),
        ("sku:5:7:9", ["5", "7:9"]),
        ("sku:5", None),
        ("sku:5:", None),
        ("sku::7", None),
        ("skus:5:7", None),
        ("", None),
    ],
)
def test_only_the_last_part_holds_colons(text: str, parts: list[str] | None) -> None:
    assert refs.parts_of(text, "sku", 2) == parts


@given(number=rows, rest=hostile_ids)
def test_a_number_before_whatever_another_system_sent_is_found(number: int, rest: str) -> None:
    assert refs.numbered(f"stock:{number}:{rest}", "stock") == (number, rest)
    assert refs.numbered(f"stock:{number}:{rest}", "shipment") is None


@pytest.mark.parametrize("text", ["stock:07:mug", "stock:seven:mug", "stock:7:", "stock:7", "stock"])
def test_what_lacks_the_number_or_the_rest_is_no_such_reference(text: str) -> None:
    assert refs.numbered(text, "stock") is None
