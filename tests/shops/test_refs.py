"""References to shops, and to the subjects of Shopify's webhooks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.refs import inbound
from shops import refs
from shops.ids import ShopPk
from shops.refs import ShopRef, WebhookSubject
from tests.references import domains, hostile_ids, rows

DOMAIN = "berlin.myshopify.com"


def test_spellings_are_those_of_stored_rows() -> None:
    assert refs.shop_lane(DOMAIN) == "shop:berlin.myshopify.com"
    assert refs.shop_key(ShopPk(3)) == "shop:3"
    assert refs.shop_partition(ShopPk(3)) == "shop:3"
    assert refs.shop_subject(DOMAIN) == "shop:berlin.myshopify.com"
    assert refs.shop_pk_subject(ShopPk(3)) == "shop:3"
    assert refs.question_subject(DOMAIN, "orders 1,2") == "shop:berlin.myshopify.com orders 1,2"
    assert refs.webhook_subject("location", ShopPk(3), 101) == "location:3:101"


@given(domain=domains, pk=rows, question=hostile_ids)
def test_a_shop_is_found_by_each_of_its_references(domain: str, pk: int, question: str) -> None:
    by_domain, by_row = ShopRef(None, domain), ShopRef(ShopPk(pk), None)
    lane = refs.shop_lane(domain)
    for text in (lane, inbound(lane), refs.shop_subject(domain), refs.question_subject(domain, question)):
        assert refs.parse_shop(text) == by_domain
    assert (
        refs.parse_shop(refs.shop_key(ShopPk(pk)))
        == refs.parse_shop(refs.shop_pk_subject(ShopPk(pk)))
        == by_row
    )


@pytest.mark.parametrize("text", ["", "shop", "shop:", "shops:5", "wms:north", "order:3:5"])
def test_what_names_no_shop_is_none(text: str) -> None:
    assert refs.parse_shop(text) is None


@given(name=st.sampled_from(["order", "location"]), pk=rows, number=rows)
def test_what_a_notice_is_about_is_found_by_its_subject(name: str, pk: int, number: int) -> None:
    assert refs.parse_webhook_subject(
        refs.webhook_subject(name, ShopPk(pk), number), name=name
    ) == WebhookSubject(name, ShopPk(pk), number)


@pytest.mark.parametrize(
    "text", ["order:3", "order:3:", "order:3:5:7", "order:x:5", "order:3:05", "location:3:5", ""]
)
def test_what_is_about_no_order_of_a_shop_is_none(text: str) -> None:
    assert refs.parse_webhook_subject(text, name="order") is None
