"""Tokens by the client-credentials grant: one request, whoever asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses
from django.db import connection
from django.utils import timezone

from ops.errors import AccessRefused, CredentialsUnusable, Permanent, Throttled, Transient
from ops.models import Alert, Job
from shops.access import credentials, installation
from shops.api import client
from shops.models import Shop
from tests.builders import make_shop

GRANT = "https://berlin.myshopify.com/admin/oauth/access_token"
GRAPHQL = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"
DAY = 86_399

pytestmark = pytest.mark.django_db


def app_shop(**changes: Any) -> Shop:
    values = {"access_token": "", "client_id": "cid", "client_secret": "csec", **changes}
    return make_shop(**values)


def issued(age: timedelta, token: str = "old") -> dict[str, Any]:
    """A 24-hour token of this age."""
    since = timezone.now() - age
    return {
        "issued_token": token,
        "issued_token_issued_at": since,
        "issued_token_expires_at": since + timedelta(hours=24),
    }


def granting(shopify: responses.RequestsMock, token: str = "new", **changes: Any) -> None:
    shopify.post(GRANT, json={"access_token": token, "scope": "read_orders", "expires_in": DAY, **changes})


def test_a_permanent_token_needs_no_grant(shopify: responses.RequestsMock) -> None:
    assert credentials.token_for(make_shop(access_token="shpat_x")) == "shpat_x"


def test_the_first_call_asks_and_the_token_is_kept_encrypted(shopify: responses.RequestsMock) -> None:
    granting(shopify)
    shop = app_shop()
    assert credentials.token_for(shop) == "new"
    assert credentials.token_for(Shop.objects.get()) == "new"
    assert len(shopify.calls) == 1
    assert parse_qs(str(shopify.calls[0].request.body)) == {
        "client_id": ["cid"],
        "client_secret": ["csec"],
        "grant_type": ["client_credentials"],
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT issued_token FROM shops_shop")
        assert "new" not in cursor.fetchone()[0]


def test_the_stored_times_are_those_of_the_grant(shopify: responses.RequestsMock) -> None:
    granting(shopify)
    credentials.token_for(app_shop())
    shop = Shop.objects.get()
    assert shop.issued_token_issued_at is not None
    assert shop.issued_token_expires_at == shop.issued_token_issued_at + timedelta(seconds=DAY)
    assert shop.token_renewal_started_at is None


@pytest.mark.parametrize(
    ("hours", "token"), [(1, "old"), (19, "old"), (19.3, "new"), (23.9, "new"), (25, "new")]
)
def test_it_is_renewed_at_four_fifths_of_its_life(
    shopify: responses.RequestsMock, hours: float, token: str
) -> None:
    granting(shopify)
    assert credentials.token_for(app_shop(**issued(timedelta(hours=hours)))) == token


def test_while_somebody_renews_it_the_valid_one_is_used(shopify: responses.RequestsMock) -> None:
    shop = app_shop(**issued(timedelta(hours=20)), token_renewal_started_at=timezone.now())
    assert credentials.token_for(shop) == "old"
    assert not shopify.calls


def test_while_somebody_renews_an_expired_one_work_waits_a_second(shopify: responses.RequestsMock) -> None:
    shop = app_shop(**issued(timedelta(hours=25)), token_renewal_started_at=timezone.now())
    with pytest.raises(Throttled) as refusal:
        credentials.token_for(shop)
    assert refusal.value.wait == timedelta(seconds=1)
    assert not shopify.calls


def test_a_renewal_whose_worker_died_is_taken_over(shopify: responses.RequestsMock) -> None:
    granting(shopify)
    started = timezone.now() - credentials.RENEWAL_LEASE - timedelta(seconds=1)
    assert credentials.token_for(app_shop(token_renewal_started_at=started)) == "new"


def test_who_comes_after_the_renewal_with_old_knowledge_does_not_renew_again(
    shopify: responses.RequestsMock,
) -> None:
    granting(shopify)
    shop = app_shop(**issued(timedelta(hours=25)))
    late = Shop.objects.get()
    credentials.token_for(shop)
    assert credentials.token_for(late) == "new"
    assert len(shopify.calls) == 1


@pytest.mark.parametrize("failure", [requests.exceptions.ReadTimeout(), "<html>"])
def test_a_renewal_that_fails_early_leaves_the_valid_token_in_use(
    shopify: responses.RequestsMock, failure: Any
) -> None:
    shopify.post(GRANT, body=failure)
    shop = app_shop(**issued(timedelta(hours=20)))
    assert [credentials.token_for(shop) for _ in range(3)] == ["old"] * 3
    assert len(shopify.calls) == 1  # and nobody asks again for a while


@pytest.mark.parametrize(
    "answer", [{"json": {"expires_in": 5}}, {"json": {"access_token": "x"}}, {"status": 502}]
)
def test_without_a_usable_answer_it_is_tried_again(
    shopify: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    shopify.post(GRANT, **answer)
    with pytest.raises(Transient):
        credentials.token_for(app_shop())


def test_wrong_credentials_park_the_work_and_tell_staff(shopify: responses.RequestsMock) -> None:
    shopify.post(GRANT, status=400, json={"error": "invalid_client", "echo": "csec"})
    with pytest.raises(AccessRefused) as refusal:
        credentials.token_for(app_shop())
    assert "invalid_client" in str(refusal.value)
    assert "csec" not in str(refusal.value)
    assert Alert.objects.get().kind == "shop_refuses_credentials"


def test_without_any_credentials_it_is_told(shopify: responses.RequestsMock) -> None:
    with pytest.raises(CredentialsUnusable):
        credentials.token_for(make_shop(access_token=""))
    assert Alert.objects.get().kind == "shop_refuses_credentials"


def test_a_token_that_no_header_can_hold_parks_the_work_and_is_told() -> None:
    with pytest.raises(CredentialsUnusable):
        client.execute(make_shop(access_token="shpat_ü"), "shop", {})
    alert = Alert.objects.get()
    assert (alert.kind, "holds a character that no header can" in alert.meaning) == (
        "shop_refuses_credentials",
        True,
    )


def test_changed_credentials_close_the_alert_and_are_used(shopify: responses.RequestsMock) -> None:
    shopify.post(GRANT, status=400)
    shop = app_shop()
    with pytest.raises(AccessRefused):
        credentials.token_for(shop)
    Shop.objects.update(client_secret="right")
    shopify.reset()
    granting(shopify)
    installation.credentials_changed(shop)
    assert credentials.token_for(Shop.objects.get()) == "new"
    assert not Alert.objects.filter(state=Alert.State.OPEN).exists()


def test_a_401_renews_once_and_is_tried_once_more(shopify: responses.RequestsMock) -> None:
    shop = app_shop(**issued(timedelta(hours=1)))
    granting(shopify)
    header = responses.matchers.header_matcher
    shopify.post(GRAPHQL, status=401, match=[header({"X-Shopify-Access-Token": "old"})])
    shopify.post(GRAPHQL, json={"data": {"shop": {}}}, match=[header({"X-Shopify-Access-Token": "new"})])
    assert client.execute(shop, "shop", {}).data == {"shop": {}}
    assert [str(call.request.url) for call in shopify.calls] == [GRAPHQL, GRANT, GRAPHQL]


def test_a_second_401_is_not_tried_again(shopify: responses.RequestsMock) -> None:
    shop = app_shop(**issued(timedelta(hours=1)))
    granting(shopify)
    shopify.post(GRAPHQL, status=401)
    with pytest.raises(AccessRefused):
        client.execute(shop, "shop", {})
    assert len(shopify.calls) == 3


def test_a_frozen_shop_grants_nothing_and_is_tried_later(shopify: responses.RequestsMock) -> None:
    shopify.post(GRANT, status=402)
    with pytest.raises(Throttled) as refusal:
        credentials.token_for(app_shop())
    assert refusal.value.wait == installation.FROZEN_WAIT


def test_a_permanent_error_of_the_call_itself_does_not_renew(shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, status=403)
    with pytest.raises(Permanent):
        client.execute(app_shop(**issued(timedelta(hours=1))), "shop", {})
    assert len(shopify.calls) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rejected", [False, True])
def test_workers_that_race_ask_once(shopify: responses.RequestsMock, rejected: bool) -> None:
    granting(shopify)
    app_shop(**issued(timedelta(hours=1 if rejected else 25)))
    together = threading.Barrier(6)

    def work(_: int) -> str:
        shop = Shop.objects.get()
        together.wait()
        try:
            return credentials.token_for(shop, rejected="old" if rejected else "")
        except Throttled:
            return "waits"
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, range(6)))
    assert set(results) <= {"new", "waits"}
    assert "new" in results
    assert len(shopify.calls) == 1
    assert not Job.objects.exists()
