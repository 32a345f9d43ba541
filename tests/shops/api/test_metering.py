"""What a call to Shopify costs, and which calls are not made at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import responses
from structlog.testing import capture_logs

from ops import redis
from ops.errors import AccessRefused, Blocked, Permanent, Throttled
from ops.models import Alert, Priority
from shops.api import client
from shops.budget import points, rate_budget
from shops.budget.rate_budget import CostReport, Reservation
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


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[CostReport]:
    """What every call reported that it cost."""
    found: list[CostReport] = []
    settle = points.settle

    def noted(reservation: Reservation, report: CostReport) -> None:
        found.append(report)
        settle(reservation, report)

    monkeypatch.setattr(points, "settle", noted)
    return found


def test_a_shop_that_is_switched_off_is_not_called(responses_off: responses.RequestsMock) -> None:
    off = make_shop(is_active=False)
    with pytest.raises(Blocked):
        client.execute(off, "shop", {})
    with pytest.raises(Blocked):
        client.rest(off, "GET", "shop.json")
    assert len(responses_off.calls) == 0


@pytest.fixture
def responses_off(shopify: responses.RequestsMock) -> responses.RequestsMock:
    shopify.post(GRAPHQL, json=DATA)
    shopify.get(f"{ROOT}/shop.json", json={})
    return shopify


def test_whether_the_credentials_are_taken_is_asked_of_a_shop_that_is_off_too(
    responses_off: responses.RequestsMock,
) -> None:
    assert client.accepts_credentials(make_shop(is_active=False))


@pytest.mark.parametrize(
    ("header", "report"),
    [
        ("32/40", CostReport(charged=1, available=8, maximum=40, restore=2)),
        ("0/80", CostReport(charged=1, available=80, maximum=80, restore=4)),
        ("400/400", CostReport(charged=1, available=0, maximum=400, restore=20)),
        *(
            (nonsense, CostReport(charged=1))
            for nonsense in ("", "32", "32/", "/40", "a/40", "32/b", "-1/40", "0/0", "1/9999999999", "²/40")
        ),
    ],
)
def test_a_rest_call_costs_one_and_its_header_tells_what_is_left(
    shop: Shop, shopify: responses.RequestsMock, reports: list[CostReport], header: str, report: CostReport
) -> None:
    shopify.get(f"{ROOT}/shop.json", json={}, headers={client.CALLS_HEADER: header})
    client.rest(shop, "get", "shop.json")
    assert reports == [report]


@pytest.mark.parametrize(
    ("status", "error"), [(404, Permanent), (422, Permanent), (402, Throttled), (423, Throttled)]
)
def test_a_call_that_is_refused_costs_nothing(
    shop: Shop,
    shopify: responses.RequestsMock,
    reports: list[CostReport],
    status: int,
    error: type[Exception],
) -> None:
    shopify.post(GRAPHQL, status=status, json={"errors": "no such shop"})
    with pytest.raises(error):
        client.execute(shop, "shop", {})
    assert [report.charged for report in reports] == [0.0]


def test_a_shop_that_shopify_calls_inactive_is_frozen_and_told(
    shop: Shop, shopify: responses.RequestsMock
) -> None:
    refusal = {"message": "no", "extensions": {"code": "SHOP_INACTIVE"}}
    shopify.post(GRAPHQL, json={"errors": [refusal], "data": None})
    with pytest.raises(Throttled, match="frozen or locked"):
        client.execute(shop, "shop", {})
    assert Alert.objects.get(state="open").kind == "shop_frozen"


def test_a_token_that_is_refused_right_after_its_renewal_is_told(shopify: responses.RequestsMock) -> None:
    shop = make_shop(access_token="", client_id="cid", client_secret="csec")
    grant = {"access_token": "new", "expires_in": 86_399}
    shopify.post("https://berlin.myshopify.com/admin/oauth/access_token", json=grant)
    shopify.post(GRAPHQL, status=401)
    with pytest.raises(AccessRefused, match="401 for a token just renewed"):
        client.execute(shop, "shop", {})
    assert Alert.objects.get(state="open").kind == "shop_refuses_credentials"


def test_a_call_of_which_nothing_is_known_costs_all_that_was_reserved(
    shop: Shop, shopify: responses.RequestsMock, reports: list[CostReport]
) -> None:
    shopify.post(GRAPHQL, status=502)
    with pytest.raises(Exception, match="502"):
        client.execute(shop, "shop", {})
    assert reports == [CostReport()]


@pytest.mark.parametrize(
    ("status", "headers", "seconds"), [(430, {}, 10), (429, {"Retry-After": "4"}, 4), (429, {}, 2)]
)
def test_who_is_told_to_wait_sends_nothing_for_as_long(
    shop: Shop,
    shopify: responses.RequestsMock,
    reports: list[CostReport],
    status: int,
    headers: dict[str, str],
    seconds: float,
) -> None:
    shopify.post(GRAPHQL, status=status, headers=headers)
    with pytest.raises(Throttled) as raised:
        client.execute(shop, "shop", {})
    assert raised.value.wait == timedelta(seconds=seconds)
    assert reports == [CostReport(charged=0.0, closed_for=seconds)]


def test_the_cost_of_an_answer_is_what_shopify_says(
    shop: Shop, shopify: responses.RequestsMock, reports: list[CostReport]
) -> None:
    shopify.post(GRAPHQL, json=DATA)
    client.execute(shop, "shop", {})
    (report,) = reports
    assert (report.charged, report.requested, report.maximum, report.restore) == (4, 12, 2000, 100)


@pytest.mark.parametrize(("method", "sent"), [("get", "GET"), ("Post", "POST")])
def test_the_method_is_sent_as_http_writes_it(
    shop: Shop, shopify: responses.RequestsMock, method: str, sent: str
) -> None:
    shopify.add(sent, f"{ROOT}/x.json", status=404)
    with pytest.raises(Permanent, match=f"{sent} x.json of berlin"):
        client.rest(shop, method, "x.json")
    assert shopify.calls[0].request.method == sent


def events(shop: Shop, headers: dict[str, str], times: int) -> list[str]:
    with responses.RequestsMock() as shopify, capture_logs() as logs:
        shopify.post(GRAPHQL, json=DATA, headers=headers)
        for _ in range(times):
            client.execute(shop, "shop", {}, priority=Priority.HIGH)
    return [log["event"] for log in logs if log["log_level"] == "warning"]


def test_a_deprecated_call_is_logged_once_for_each_reason(shop: Shop) -> None:
    assert events(shop, {client.DEPRECATED_HEADER: "old"}, 2) == ["shopify_deprecated"]
    assert events(shop, {client.DEPRECATED_HEADER: "older"}, 1) == ["shopify_deprecated"]
    assert events(shop, {client.DEPRECATED_HEADER: "old"}, 1) == []


def test_another_version_than_we_asked_for_is_told_once(shop: Shop) -> None:
    assert events(shop, {client.VERSION_HEADER: shop.api_version}, 1) == []
    told = events(shop, {client.VERSION_HEADER: "2027-01"}, 2)
    assert told == ["shopify_version_fell_forward", "alert_raised"]
    assert "2027-01" in str(Alert.objects.values().get())


# Calls that cost about the same


@pytest.mark.parametrize(
    ("variables", "size"),
    [
        ({}, "0"),
        ({"id": 5}, "0"),
        ({"ids": [1]}, "1"),
        ({"ids": [1, 2]}, "2"),
        ({"ids": [1, 2, 3]}, "4"),
        ({"ids": list(range(5))}, "8"),
        ({"ids": list(range(8))}, "8"),
        ({"input": {"quantities": [{"a": [1, 2]}, {}]}}, "4"),
        ({"ids": (1, 2, 3, 4, 5), "name": "abc"}, "8"),
    ],
)
def test_calls_with_about_as_many_elements_are_of_one_size(variables: dict[str, Any], size: str) -> None:
    assert rate_budget.size_class(variables) == size


def test_the_size_of_a_page_is_part_of_the_size_of_a_call() -> None:
    sizes = ("lines", "first")
    assert rate_budget.size_class({"first": 10}, page_sizes=sizes) == "0,first=10,lines=None"
    assert rate_budget.size_class({"first": 10, "lines": 5}, page_sizes=sizes) == "0,first=10,lines=5"


def test_without_redis_a_call_is_metered_all_the_same(
    shop: Shop, shopify: responses.RequestsMock, reports: list[CostReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "available", lambda: False)
    shopify.post(GRAPHQL, json=DATA)
    client.execute(shop, "shop", {})
    assert [report.charged for report in reports] == [4]
