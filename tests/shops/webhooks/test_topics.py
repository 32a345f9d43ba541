"""What a webhook is about, read from whatever its body holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shops.ids import ShopPk
from shops.jobs import UNHANDLED
from shops.webhooks.topics import SUBSCRIBED, TOPICS, event_of, subject_of

SHOP = ShopPk(7)
Json = dict[str, Any]


def subject(topic: str, body: Json) -> str:
    return subject_of(topic, body, shop_pk=SHOP)


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        ("orders/paid", {"id": 5}, "order:7:5"),
        ("orders/paid", {"id": 6, "admin_graphql_api_id": "gid://shopify/Order/5"}, "order:7:5"),
        ("orders/paid", {"id": 5, "admin_graphql_api_id": "?"}, "order:7:5"),
        ("orders/paid", {}, "shop:7"),
        ("orders/delete", {"id": "5"}, "order:7:5"),
        ("orders/edited", {"order_edit": {"order_id": 5}}, "order:7:5"),
        ("orders/edited", {"order_edit": None, "id": 5}, "shop:7"),
        ("orders/edited", {"order_edit": "5"}, "shop:7"),
        ("refunds/create", {"id": 9, "order_id": 5}, "order:7:5"),
        ("fulfillments/update", {"id": 9, "order": {"id": 5}, "order_id": 6}, "order:7:5"),
        ("returns/close", {"order": {"admin_graphql_api_id": "gid://shopify/Order/5"}}, "order:7:5"),
        ("refunds/create", {"id": 9}, "shop:7"),
        (
            "fulfillment_orders/moved",
            {"original_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/5"}},
            "fulfillment_order:7:5",
        ),
        ("fulfillment_orders/split", {"fulfillment_order": {"id": 5}}, "fulfillment_order:7:5"),
        (
            "fulfillment_orders/merged",
            {"fulfillment_order_merges": {"fulfillment_order": {"id": 5}}},
            "fulfillment_order:7:5",
        ),
        ("fulfillment_orders/merged", {"fulfillment_order_merges": [{"id": 5}]}, "shop:7"),
        ("fulfillment_holds/added", {"fulfillment_order_id": 5}, "fulfillment_order:7:5"),
        (
            "fulfillment_holds/added",
            {"fulfillment_order": "5", "fulfillment_order_id": 6},
            "fulfillment_order:7:6",
        ),
        ("inventory_levels/update", {"inventory_item_id": 5, "location_id": 6}, "inventory_item:7:5"),
        ("products/update", {"id": 5}, "product:7:5"),
        ("app/uninstalled", {"id": 5}, "shop:7"),
        ("customers/redact", {"id": 5, "orders_to_redact": [6]}, "shop:7"),
        ("carts/update", {"id": 5}, "shop:7"),
    ],
)
def test_a_webhook_is_about_what_its_body_names(topic: str, body: Json, expected: str) -> None:
    assert subject(topic, body) == expected


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "order_id", "fulfillment_order"]), inner, max_size=2)
    ),
    max_leaves=5,
)
KEYS = ["id", "order", "order_id", "order_edit", "fulfillment_order", "fulfillment_order_merges"]


@given(st.sampled_from(sorted(TOPICS)), st.dictionaries(st.sampled_from(KEYS), anything))
def test_a_body_with_anything_in_it_is_about_a_thing_or_the_shop(topic: str, body: Json) -> None:
    assert subject(topic, body).split(":")[1] == "7"


def test_every_topic_that_we_subscribe_to_is_handled_as_an_event_of_its_own() -> None:
    for name in SUBSCRIBED:
        assert event_of(name).name == f"shopify.{name}"
        assert not event_of(name).coalesces


@pytest.mark.parametrize("name", ["customers/redact", "customers/data_request", "shop/redact"])
def test_a_privacy_request_is_handled_although_nobody_can_subscribe_to_it(name: str) -> None:
    assert name not in SUBSCRIBED
    assert event_of(name).name == f"shopify.{name}"


@pytest.mark.parametrize("name", ["orders/delete", "locations/deactivate", "carts/update", ""])
def test_other_topics_are_kept_as_unhandled(name: str) -> None:
    assert event_of(name) is UNHANDLED
