"""Anything anywhere in a reading at Shopify, or in a notice about privacy: read, or one of our errors; never a bug."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fulfillment.orders import topics
from fulfillment.privacy import privacy_requests
from fulfillment.shopify import queries
from ops.errors import Permanent, Transient
from shops.ids import FulfillmentOrderId, ShopifyOrderId
from shops.models import Shop
from tests.fuzz.answering import answering, not_allowed
from tests.fuzz.bodies import sample
from tests.fuzz.far_ends import FarEnds
from tests.fuzz.hostile import KINDS, TIMES, everywhere

DOMAIN = "berlin.myshopify.com"
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
ORDER = 5_000_000_001_000
MORE = {"hasNextPage": True, "endCursor": "next"}
Read = Callable[[Shop], Any]
READS: dict[str, tuple[Read, str]] = {
    "orders": (lambda shop: queries.orders(shop, [ShopifyOrderId(ORDER)]), "OrdersById"),
    "work": (lambda shop: queries.fulfillment_orders(shop, ShopifyOrderId(ORDER)), "FulfillmentOrdersPage"),
    "fulfilments": (
        lambda shop: queries.fulfillments(shop, ShopifyOrderId(ORDER), expected=1),
        "OrderFulfillments",
    ),
    "owner": (
        lambda shop: queries.owners_of_fulfillment_orders(shop, [FulfillmentOrderId(ORDER + 2)]),
        "FulfillmentOrderOwners",
    ),
    "changed orders": (
        lambda shop: queries.orders_changed_since(shop, SINCE, cursor=None, first=5),
        "OrdersUpdatedSince",
    ),
    "changed work": (
        lambda shop: queries.fulfillment_orders_changed_since(shop, SINCE, cursor=None, first=5),
        "FulfillmentOrdersUpdatedSince",
    ),
}
VARIABLES = {"ids": [f"gid://shopify/Order/{ORDER}"], "id": f"gid://shopify/Order/{ORDER}"}


@pytest.fixture
def shop() -> Shop:
    return Shop(domain=DOMAIN, access_token="shpat_test", api_version="2026-10")


def realistic(operation: str) -> Any:
    """An answer that fits."""
    return {"data": getattr(FarEnds(random.Random(3), share=0), f"_{operation}")(DOMAIN, VARIABLES)}


@pytest.mark.parametrize("name", READS)
def test_a_reading_with_anything_in_it_is_a_reading_or_one_of_our_errors(shop: Shop, name: str) -> None:
    read, operation = READS[name]

    def answered(body: Any) -> None:
        with answering(body):
            read(shop)

    body = realistic(operation)
    answered(body)
    assert not_allowed(everywhere(body, [*KINDS, *TIMES]), answered) == {}


@pytest.mark.parametrize(
    ("first", "operation"),
    [("lineItems", "OrderLinesPage"), ("fulfillmentOrders", "FulfillmentOrdersPage")],
)
def test_a_further_page_with_anything_in_it_is_one_or_one_of_our_errors(
    shop: Shop, first: str, operation: str
) -> None:
    opening = realistic("OrdersById")
    opening["data"]["nodes"][0][first]["pageInfo"] = MORE

    def answered(body: Any) -> None:
        with answering(opening, body):
            queries.orders(shop, [ShopifyOrderId(ORDER)])

    assert not_allowed(everywhere(realistic(operation), KINDS), answered) == {}


def test_what_is_told_twice_is_there_once_as_it_was_told_last(shop: Shop) -> None:
    body = realistic("OrdersById")
    order = body["data"]["nodes"][0]
    for things in (
        order["lineItems"],
        order["fulfillmentOrders"],
        order["fulfillmentOrders"]["nodes"][0]["lineItems"],
    ):
        things["nodes"] = things["nodes"][:1] * 2
    order["lineItems"]["nodes"][1] = {**order["lineItems"]["nodes"][0], "currentQuantity": 9}
    with answering(body):
        (found,) = queries.orders(shop, [ShopifyOrderId(ORDER)]).values()
    assert [line.current_quantity for line in found.line_items.nodes] == [9]
    assert [len(work.line_items.nodes) for work in found.fulfillment_orders.nodes] == [1]


@pytest.mark.parametrize("topic", ["customers/data_request", "customers/redact", "shop/redact"])
@pytest.mark.parametrize("field", ["orders_requested", "orders_to_redact"])
def test_a_privacy_notice_with_anything_in_it_names_orders_or_is_refused(topic: str, field: str) -> None:
    def received(body: Any) -> None:
        assert all(0 < number < 2**63 for number in privacy_requests.order_ids(body, field))
        assert privacy_requests.request_id(body) is None or isinstance(privacy_requests.request_id(body), int)

    tries = ((what, body) for what, body in everywhere(sample(topic)) if isinstance(body, dict))
    assert not_allowed(tries, received, allowed=(Permanent,)) == {}


@pytest.mark.parametrize("topic", ["orders/updated", "fulfillment_orders/moved", "fulfillment_orders/merged"])
def test_whatever_a_body_names_are_ids_that_can_be_stored(topic: str) -> None:
    def received(body: Any) -> None:
        assert all(0 < number < 2**63 for number in topics.named_fulfillment_orders(body))

    ids = [
        f"gid://shopify/FulfillmentOrder/{number}" for number in (0, 2**63 - 1, 2**63, "٣", "9" * 18, "1?x=y")
    ]
    assert not_allowed(everywhere(sample(topic), [*KINDS, *ids]), received, allowed=()) == {}


@pytest.mark.parametrize("end", ["here", "", None])
def test_a_page_of_changes_that_leads_to_itself_is_no_answer(shop: Shop, end: str | None) -> None:
    body = realistic("OrdersUpdatedSince")
    body["data"]["orders"]["pageInfo"] = {"hasNextPage": True, "endCursor": end}
    with answering(body), pytest.raises(Transient, match="no cursor"):
        queries.orders_changed_since(shop, SINCE, cursor="here", first=5)
