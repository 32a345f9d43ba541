"""Ids as Shopify writes them: read strictly from its API, and leniently from a webhook's body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shops.api.gids import gid, number, number_or_none
from shops.ids import ShopifyOrderId

LARGEST = 2**63 - 1
numbers = st.integers(1, LARGEST)


@given(numbers)
def test_a_gid_gives_back_its_number_in_every_form(given: int) -> None:
    text = gid("Order", ShopifyOrderId(given))
    assert number(text) == number(f"{text}?inventory_item_id=7") == number_or_none(text) == given
    assert number_or_none(given) == given


@given(st.integers(1, 10**18 - 1))
def test_a_text_of_digits_is_a_number_in_a_webhook_only(given: int) -> None:
    assert number_or_none(str(given)) == given
    with pytest.raises(ValueError, match="not a Shopify gid"):
        number(str(given))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gid://shopify/Order/",
        "gid://shopify/Order/x",
        "gid://shopify/Order/-5",
        "gid://shopify//5",
        "gid://shopify/Order2/5",
        "gid://other/Order/5",
        " gid://shopify/Order/5",
        "gid://shopify/Order/5 ",
        "gid://shopify/Order/5/6",
        "gid://shopify/Order/٥",
        f"gid://shopify/Order/{LARGEST + 1}",
        f"gid://shopify/Order/{10**19}",
    ],
)
def test_what_is_no_gid_is_refused_and_not_taken_from_a_webhook(text: str) -> None:
    with pytest.raises(ValueError, match="not a Shopify gid"):
        number(text)
    assert number_or_none(text) is None


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, None, 0, -1, 1.0, [], {}, LARGEST + 1),
        *("0", "05", "-5", "5.0", " 5", "5\n", "٥", str(10**18), "gid://shopify/Order/0"),
    ],
    ids=repr,
)
def test_a_webhook_that_names_no_id_names_none(value: object) -> None:
    assert number_or_none(value) is None


@given(st.text(max_size=40) | st.floats() | st.lists(st.integers()))
def test_a_foreign_body_gives_an_id_of_64_bits_or_none(value: object) -> None:
    found = number_or_none(value)
    assert found is None or 0 < found <= LARGEST
