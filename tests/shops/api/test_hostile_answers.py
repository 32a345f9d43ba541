"""Anything anywhere in what Shopify says: an answer or one of our errors; never a bug."""

from __future__ import annotations

from typing import Any

import pytest

from ops.errors import JobError, Throttled, UnknownOutcome
from shops.access import credentials
from shops.api import client, pages, shapes
from shops.api.shapes import PageInfo, Payload
from shops.ids import ShopPk
from shops.models import Shop
from shops.webhooks import subscriptions
from shops.webhooks.topics import TOPICS, event_of, subject_of
from tests.fuzz.answering import answering, not_allowed
from tests.fuzz.bodies import sample
from tests.fuzz.hostile import KINDS, everywhere
from tests.shops.api.test_client import COST, CREATE

NODE = {
    "id": "gid://shopify/WebhookSubscription/1",
    "topic": "ORDERS_PAID",
    "uri": "https://bridge.example.com/webhooks/shopify/",
    "format": "JSON",
    "filter": "",
    "includeFields": ["id"],
    "apiVersion": {"handle": "2026-10"},
}
LAST = {"hasNextPage": False, "endCursor": None}
SUBSCRIPTIONS = {
    "data": {"webhookSubscriptions": {"nodes": [NODE], "pageInfo": LAST}},
    "extensions": {"cost": COST},
}
REFUSED = {"field": ["input", "0"], "message": "no", "code": "TAKEN"}
CREATED = {
    "data": {
        "webhookSubscriptionCreate": {"webhookSubscription": {"id": "gid://1"}, "userErrors": [REFUSED]}
    },
    "extensions": {"cost": COST},
}
ERROR = {
    "message": "m",
    "extensions": {"code": "ACCESS_DENIED"},
    "path": ["x", 0],
    "locations": [{"line": 1}],
}


@pytest.fixture
def shop() -> Shop:
    return Shop(domain="berlin.myshopify.com", access_token="shpat_test", api_version="2026-10")


def test_subscriptions_with_anything_in_them_are_read_or_one_of_our_errors(shop: Shop) -> None:
    def answered(body: Any) -> None:
        with answering(body):
            subscriptions.compare(shop, base_url="https://bridge.example.com")

    assert not_allowed(everywhere(SUBSCRIPTIONS), answered) == {}


def test_a_mutation_that_is_answered_with_anything_is_done_refused_or_in_doubt(shop: Shop) -> None:
    def answered(body: Any) -> None:
        with answering(body):
            data = client.execute(shop, "webhook_subscription_create", CREATE).data
            assert isinstance(
                shapes.parse(Payload, data.get("webhookSubscriptionCreate"), changes=True).messages, str
            )

    assert not_allowed(everywhere(CREATED), answered, allowed=(UnknownOutcome,)) == {}


@pytest.mark.parametrize("operation", ["shop", "webhook_subscription_create"])
@pytest.mark.parametrize("data", [None, {"shop": {"id": "1"}}])
def test_errors_of_any_shape_are_one_of_ours(shop: Shop, operation: str, data: Any) -> None:
    def answered(body: Any) -> None:
        with answering(body):
            client.execute(shop, operation, CREATE)

    body = {"errors": [ERROR], "data": data, "extensions": {"cost": COST}}
    assert not_allowed(everywhere(body, KINDS), answered) == {}


def test_a_throttled_answer_names_a_wait_of_a_minute_at_most_whatever_it_says_of_points(shop: Shop) -> None:
    def answered(body: Any) -> None:
        with answering(body), pytest.raises(Throttled) as refused:
            client.execute(shop, "shop", {})
        assert 0 < refused.value.wait.total_seconds() <= 60

    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    tries = ((what, {"errors": [error], "extensions": {"cost": cost}}) for what, cost in everywhere(COST))
    assert not_allowed(tries, answered, allowed=()) == {}


@pytest.mark.parametrize("status", [400, 404, 406, 422])
def test_a_refusal_of_any_shape_is_one_of_ours(shop: Shop, status: int) -> None:
    def answered(body: Any) -> None:
        with answering(body, status=status):
            client.execute(shop, "shop", {})

    assert not_allowed(everywhere({"errors": {"base": ["no"]}}), answered) == {}


def test_a_grant_of_any_shape_is_a_token_or_one_of_our_errors(shop: Shop) -> None:
    def answered(body: Any) -> None:
        with answering(body):
            grant = credentials._request(shop)
        assert grant.token.isascii()
        assert 0 < grant.lifetime.total_seconds() <= credentials.LONGEST_LIFE

    realistic = {"access_token": "shpat_granted", "expires_in": 86399, "scope": "read_orders"}
    assert not_allowed(everywhere(realistic), answered) == {}


@pytest.mark.parametrize("topic", [*TOPICS, "carts/create"])
def test_every_body_of_every_topic_is_about_something(topic: str) -> None:
    def received(body: Any) -> None:
        assert len(subject_of(topic, body, shop_pk=ShopPk(1))) <= 300

    tries = ((what, body) for what, body in everywhere(sample(topic), KINDS) if isinstance(body, dict))
    assert not_allowed(tries, received, allowed=()) == {}
    assert event_of(topic).name.startswith("shopify.")


@pytest.mark.parametrize("cursor", [None, "", "the same"])
def test_pages_that_lead_nowhere_are_no_answer(cursor: str | None) -> None:
    page = subscriptions._Page(nodes=(), page_info=PageInfo(has_next_page=True, end_cursor=cursor))
    with pytest.raises(JobError, match="page"):
        pages.all_of(page, lambda _: page)


def test_pages_without_end_are_no_answer() -> None:
    def page(cursor: str) -> subscriptions._Page:
        return subscriptions._Page(nodes=(), page_info=PageInfo(has_next_page=True, end_cursor=cursor + "x"))

    with pytest.raises(JobError, match="no end"):
        pages.all_of(page(""), page)
