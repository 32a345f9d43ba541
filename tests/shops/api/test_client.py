"""The one door to Shopify: what each answer becomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from ops import redis
from ops.errors import (
    AnswerLost,
    Blocked,
    CredentialsUnusable,
    EndpointFailed,
    Permanent,
    Throttled,
    UnknownOutcome,
)
from ops.models import Alert, Priority
from shops.access import installation
from shops.api import client
from shops.budget import rate_budget
from shops.models import Shop
from tests.builders import make_shop

pytestmark = pytest.mark.django_db

ROOT = "https://berlin.myshopify.com/admin/api/2026-10"
GRAPHQL = f"{ROOT}/graphql.json"
COST = {
    "requestedQueryCost": 12,
    "actualQueryCost": 4,
    "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 1996, "restoreRate": 100.0},
}
DATA = {"data": {"shop": {"name": "Berlin"}}, "extensions": {"cost": COST}}
CREATE = {"topic": "ORDERS_PAID", "subscription": {"uri": "https://x/webhooks/shopify/", "filter": None}}


@pytest.fixture
def shop() -> Shop:
    return make_shop()


def errors(code: str | None, *, data: Any = None, message: str = "no", cost: Any = None) -> dict[str, Any]:
    error = {"message": message, **({"extensions": {"code": code}} if code else {})}
    return {"errors": [error], "data": data, "extensions": {"cost": cost} if cost else {}}


def read(shop: Shop) -> dict[str, Any]:
    return client.execute(shop, "shop", {}).data


def write(shop: Shop) -> dict[str, Any]:
    return client.execute(shop, "webhook_subscription_create", CREATE).data


def test_a_query_returns_its_data(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, json=DATA)
    assert read(shop) == {"shop": {"name": "Berlin"}}
    request = shopify.calls[0].request
    assert request.headers["X-Shopify-Access-Token"] == "shpat_test"
    sent = json.loads(request.body or b"")
    assert sent["operationName"] == "shop"
    assert sent["query"].startswith("query shop")


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Fri, 01 May 2026 12:00:00 GMT", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("Fri, 01 May 2026 14:00:00 +0200", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("Fri, 01 May 2026 12:00:00 -0000", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_each_answer_says_when_it_was_given_by_shopify_s_clock(
    shop: Shop, shopify: responses.RequestsMock, date: str | None, expected: datetime | None
) -> None:
    shopify.post(GRAPHQL, json=DATA, headers={"Date": date} if date is not None else {})
    shopify.post(GRAPHQL, json=DATA, headers={"Date": "Sat, 02 May 2026 12:00:00 GMT"})
    first, second = (client.execute(shop, "shop", {}) for _ in range(2))
    assert first == client.Answer({"shop": {"name": "Berlin"}}, served_at=expected)
    assert second.served_at == datetime(2026, 5, 2, 12, tzinfo=UTC)


def test_null_variables_are_sent_as_null(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, json={"data": {"x": {"userErrors": []}}})
    write(shop)
    assert json.loads(shopify.calls[0].request.body or b"")["variables"] == CREATE


def test_user_errors_are_the_callers_business(shop: Shop, shopify: responses.RequestsMock) -> None:
    data = {"webhookSubscriptionCreate": {"userErrors": [{"field": ["uri"], "message": "no"}]}}
    shopify.post(GRAPHQL, json={"data": data})
    assert write(shop) == data


THROTTLED_COST = {
    "requestedQueryCost": 500,
    "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 100, "restoreRate": 100},
}


def test_throttled_waits_until_it_fits(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, json=errors("THROTTLED", cost=THROTTLED_COST))
    with pytest.raises(Throttled) as refusal:
        write(shop)
    assert refusal.value.wait == timedelta(seconds=4)
    with pytest.raises(Throttled) as again:  # and now the budget knows, without asking
        write(shop)
    assert timedelta(seconds=3) < again.value.wait <= timedelta(seconds=6)
    assert len(shopify.calls) == 1


def test_a_429_closes_the_bucket_for_all(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, status=429, headers={"Retry-After": "3.0"})
    with pytest.raises(Throttled) as refusal:
        read(shop)
    assert refusal.value.wait == timedelta(seconds=3)
    with pytest.raises(Throttled):
        client.execute(shop, "shop", {}, priority=Priority.URGENT)
    assert len(shopify.calls) == 1


CASES: list[tuple[str, Any, type[Exception], type[Exception]]] = [
    ("access denied", errors("ACCESS_DENIED"), Permanent, Permanent),
    ("too expensive", errors("MAX_COST_EXCEEDED"), Permanent, Permanent),
    ("invalid", errors(None, message="Field 'x' doesn't exist on type 'Shop'"), Permanent, Permanent),
    ("not found", errors("RESOURCE_NOT_FOUND", data={"x": None}), Permanent, Permanent),
    ("errors as text", {"errors": "Not Found"}, Permanent, Permanent),
    ("own call under way", errors("IDEMPOTENCY_CONCURRENT_REQUEST"), Throttled, Throttled),
    ("internal error", errors("INTERNAL_SERVER_ERROR"), EndpointFailed, AnswerLost),
    ("internal, no code", errors(None, message="Internal error. Sorry"), EndpointFailed, AnswerLost),
    ("half an answer", errors("ACCESS_DENIED", data={"x": {"id": 1}}), Permanent, UnknownOutcome),
    ("no data", {"extensions": {}}, EndpointFailed, AnswerLost),
    ("null data", {"data": None}, EndpointFailed, AnswerLost),
    ("a list", [1], EndpointFailed, AnswerLost),
    ("not JSON", "<html>", EndpointFailed, AnswerLost),
    ("HTTP 500", 500, EndpointFailed, AnswerLost),
    ("HTTP 503", 503, EndpointFailed, AnswerLost),
    ("HTTP 408", 408, EndpointFailed, AnswerLost),
    ("HTTP 400", 400, Permanent, Permanent),
    ("HTTP 403", 403, Permanent, Permanent),
    ("HTTP 404", 404, Permanent, Permanent),
    ("redirect", 301, Permanent, Permanent),
    ("HTTP 430", 430, Throttled, Throttled),
    ("HTTP 402", 402, Throttled, Throttled),
    ("HTTP 423", 423, Throttled, Throttled),
    ("read time-out", requests.exceptions.ReadTimeout(), EndpointFailed, AnswerLost),
    ("reset", requests.exceptions.ConnectionError("Connection reset by peer"), EndpointFailed, AnswerLost),
    ("connect time-out", requests.exceptions.ConnectTimeout(), EndpointFailed, EndpointFailed),
]


@pytest.mark.parametrize(("answer", "reading", "writing"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_an_answer_becomes(
    shop: Shop, shopify: responses.RequestsMock, answer: Any, reading: type, writing: type
) -> None:
    for call, expected in ((read, reading), (write, writing)):
        match answer:
            case int():
                shopify.upsert(responses.POST, GRAPHQL, status=answer, json={"errors": "why"})
            case str() | Exception():
                shopify.upsert(responses.POST, GRAPHQL, body=answer)
            case _:
                shopify.upsert(responses.POST, GRAPHQL, json=answer)
        redis.client().flushdb()
        with pytest.raises(expected) as raised:
            call(shop)
        assert raised.type is expected
        assert "shpat" not in str(raised.value)


def test_a_frozen_shop_raises_an_alert_and_its_bucket_stays_open(
    shop: Shop, shopify: responses.RequestsMock
) -> None:
    shopify.post(GRAPHQL, status=402)
    with pytest.raises(Throttled) as refusal:
        read(shop)
    assert refusal.value.wait == installation.FROZEN_WAIT
    assert Alert.objects.get().kind == "shop_frozen"
    shopify.upsert(responses.POST, GRAPHQL, json=DATA)
    assert read(shop)


def test_a_lost_answer_keeps_its_points_reserved(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, body=requests.exceptions.ReadTimeout())
    for _ in range(10):
        with pytest.raises(UnknownOutcome):
            client.execute(shop, "webhook_subscription_create", CREATE, priority=Priority.HIGH)
    with pytest.raises(Throttled):
        client.execute(shop, "webhook_subscription_create", CREATE, priority=Priority.HIGH)


def test_a_refused_permanent_token_parks_until_it_is_changed(
    shop: Shop, shopify: responses.RequestsMock
) -> None:
    shopify.post(GRAPHQL, status=401)
    with pytest.raises(Blocked) as blocked:
        read(shop)
    assert blocked.value.on == (f"shop:{shop.pk}",)
    assert Alert.objects.get(kind="shop_refuses_credentials").subject == "shop:berlin.myshopify.com"
    assert blocked.value.recheck() is True
    Shop.objects.update(access_token="shpat_new")
    assert blocked.value.recheck() is False


def test_a_token_changed_meanwhile_is_used_at_once(shop: Shop, shopify: responses.RequestsMock) -> None:
    Shop.objects.update(access_token="shpat_new")
    new = responses.matchers.header_matcher({"X-Shopify-Access-Token": "shpat_new"})
    shopify.post(GRAPHQL, json=DATA, match=[new])
    old = responses.matchers.header_matcher({"X-Shopify-Access-Token": "shpat_test"})
    shopify.post(GRAPHQL, status=401, match=[old])
    assert read(shop)
    assert not Alert.objects.exists()


def test_a_switched_off_shop_is_not_called(shop: Shop, shopify: responses.RequestsMock) -> None:
    Shop.objects.update(is_active=False)
    shop.refresh_from_db()
    with pytest.raises(Blocked) as blocked:
        read(shop)
    assert not shopify.calls
    assert blocked.value.recheck() is True
    installation.switch_on(shop)
    assert blocked.value.recheck() is False


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize(("status", "lets_in"), [(200, True), (401, False)])
def test_a_shop_that_is_switched_off_can_be_asked_whether_it_lets_us_in(
    shopify: responses.RequestsMock, is_active: bool, status: int, lets_in: bool
) -> None:
    shopify.post(GRAPHQL, status=status, json=DATA)
    assert client.accepts_credentials(make_shop(is_active=is_active)) == lets_in


def test_whoever_has_no_credentials_to_show_is_not_told_that_it_is_not_let_in() -> None:
    with pytest.raises(CredentialsUnusable):
        client.accepts_credentials(make_shop(access_token=""))


def test_another_version_than_asked_for_is_told_once(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, json=DATA, headers={"X-Shopify-API-Version": "2027-01"})
    read(shop)
    read(shop)
    alert = Alert.objects.get()
    assert (alert.kind, alert.count) == ("shopify_version_fell_forward", 1)


def test_the_pinned_version_is_no_news(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, json=DATA, headers={"X-Shopify-API-Version": "2026-10"})
    read(shop)
    assert not Alert.objects.exists()


def test_the_version_of_the_shop_is_asked_for(shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL.replace("2026-10", "2026-07"), json=DATA)
    assert read(make_shop(api_version="2026-07"))


def test_an_unknown_operation_is_a_bug(shop: Shop) -> None:
    with pytest.raises(FileNotFoundError):
        client.execute(shop, "no_such_operation", {})


def test_rest_calls_are_metered_by_their_header(shop: Shop, shopify: responses.RequestsMock) -> None:
    left = {"X-Shopify-Shop-Api-Call-Limit": "39/40"}
    shopify.get(f"{ROOT}/shop.json", json={"shop": {"id": 1}}, headers=left)
    assert client.rest(shop, "GET", "shop.json", priority=Priority.HIGH) == {"shop": {"id": 1}}
    client.rest(shop, "GET", "shop.json", priority=Priority.HIGH)
    shopify.calls.reset()
    rate_budget.settle(
        rate_budget.reserve(shop.domain, limits=rate_budget.REST_CALLS, operation="call", priority=0),
        rate_budget.CostReport(charged=1, available=0),
    )
    with pytest.raises(Throttled) as refusal:
        client.rest(shop, "GET", "shop.json", priority=Priority.HIGH)
    assert refusal.value.wait <= timedelta(seconds=0.5)
    assert not shopify.calls


def test_rest_without_a_body_is_empty(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.delete(f"{ROOT}/x.json", status=204)
    assert client.rest(shop, "DELETE", "x.json") == {}


@pytest.mark.parametrize(("method", "expected"), [("GET", EndpointFailed), ("POST", AnswerLost)])
def test_rest_outcomes_depend_on_the_method(
    shop: Shop, shopify: responses.RequestsMock, method: str, expected: type[Exception]
) -> None:
    shopify.add(method, f"{ROOT}/x.json", status=502)
    with pytest.raises(expected) as raised:
        client.rest(shop, method, "x.json")
    assert raised.type is expected


def test_rest_429_waits_as_told(shop: Shop, shopify: responses.RequestsMock) -> None:
    shopify.get(f"{ROOT}/x.json", status=429, headers={"Retry-After": "2.0"})
    with pytest.raises(Throttled) as refusal:
        client.rest(shop, "GET", "x.json")
    assert refusal.value.wait == timedelta(seconds=2)
