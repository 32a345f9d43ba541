"""Shopify's privacy webhooks: customers' data is erased at once, a customer's question reaches a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from django.test import Client

from fulfillment.models import Order
from ops.models import Alert, Job
from shops.access import installation
from shops.models import Shop
from shops.refs import shop_key
from tests.builders import make_job, make_shop
from tests.drain import drain
from tests.fulfillment.order_rows import ordered
from tests.shops.webhooks.delivery import deliver

pytestmark = pytest.mark.django_db
LIVE = pytest.mark.django_db(transaction=True)

CUSTOMER = {"id": 191167, "email": "ada@example.com", "phone": "555-625-1199"}


GRAPHQL = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"


@pytest.fixture
def shopify() -> Iterator[responses.RequestsMock]:
    """Every call of the application is answered by what the test registers."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def notify(client: Client, topic: str, *, ends: str = "done", webhook_id: str = "1", **body: Any) -> Job:
    """As Shopify posts it: to the one address of all webhooks, signed with the app's secret."""
    answer = deliver(client, {"shop_id": 954889, **body}, topic=topic, webhook_id=f"wh-{topic}-{webhook_id}")
    assert answer.status_code == 200
    drain()
    job = Job.objects.filter(kind=f"shopify.{topic}").latest("id")
    assert job.state == ends
    return job


def erased(shop: Shop) -> list[int]:
    rows = Order.objects.filter(shop=shop, ship_to="", erased_at__isnull=False)
    return list(rows.order_by("id").values_list("shopify_order_id", flat=True))


def test_the_orders_of_a_redacted_customer_are_erased_whatever_their_age(client: Client) -> None:
    shop = make_shop()
    hers, also_hers, others = (ordered(shop, state=state) for state in ("shipped", "at_warehouse", "shipped"))
    heard = make_job("shopify.orders/paid", subject=hers.subject, state="done", payload={"body": CUSTOMER})
    wanted = [hers.shopify_order_id, also_hers.shopify_order_id, 404]
    notify(client, "customers/redact", customer=CUSTOMER, orders_to_redact=wanted)
    assert erased(shop) == [hers.shopify_order_id, also_hers.shopify_order_id]
    assert Order.objects.get(id=others.id).ship_to
    assert "body" not in Job.objects.get(id=heard.id).payload


def addressed(shop: Shop) -> int:
    return Order.objects.filter(shop=shop, erased_at=None).exclude(ship_to="").count()


def test_a_redacted_shop_that_is_gone_has_no_customer_left_and_the_others_have_theirs(client: Client) -> None:
    shop, other = make_shop(), make_shop("lyon.myshopify.com")
    orders, kept = [ordered(shop, state=state) for state in ("shipped", "ready")], ordered(other)
    installation.uninstalled(shop)
    notify(client, "shop/redact")
    assert erased(shop) == [order.shopify_order_id for order in orders]
    assert Order.objects.get(id=kept.id).ship_to


@LIVE
@pytest.mark.parametrize("off", [False, True], ids=["on", "switched off by a person"])
def test_a_shop_that_refuses_us_is_gone_and_erased(
    client: Client, shopify: responses.RequestsMock, off: bool
) -> None:
    shopify.post(GRAPHQL, status=401)
    shop = make_shop()
    ordered(shop, state="ready")
    if off:
        installation.switch_off(shop)
    notify(client, "shop/redact")
    assert addressed(shop) == 0
    assert not Shop.objects.get().is_active
    assert not Alert.objects.filter(kind__in=["shop_refuses_credentials", "shop_redaction_refused"]).exists()


@LIVE
def test_of_a_shop_that_lets_us_in_nothing_is_erased_and_staff_are_told(
    client: Client, shopify: responses.RequestsMock
) -> None:
    shopify.post(GRAPHQL, json={"data": {"shop": {"id": "gid://shopify/Shop/1"}}})
    shop = make_shop()
    ordered(shop, state="ready")
    notify(client, "shop/redact")
    assert addressed(shop) == 1
    assert Shop.objects.get().is_active
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("shop_redaction_refused", f"shop:{shop.domain}")
    assert shop.domain in alert.title


@LIVE
@pytest.mark.parametrize("status", [402, 503])
def test_an_outage_or_a_frozen_shop_erases_nothing_yet(
    client: Client, shopify: responses.RequestsMock, status: int
) -> None:
    shopify.post(GRAPHQL, status=status)
    shop = make_shop()
    ordered(shop, state="ready")
    notify(client, "shop/redact")
    assert addressed(shop) == 1
    assert Job.objects.get(kind="shopify.redact_if_gone").state == "ready"


@LIVE
def test_without_credentials_to_ask_with_nothing_is_erased(client: Client) -> None:
    shop = make_shop(access_token="", client_id="")
    ordered(shop, state="ready")
    notify(client, "shop/redact")
    assert addressed(shop) == 1
    assert Shop.objects.get().is_active
    assert Job.objects.get(kind="shopify.redact_if_gone").parked_on == [shop_key(shop.id)]


def test_a_customer_s_question_is_an_alert_without_the_customer(client: Client) -> None:
    make_shop()
    notify(client, "customers/data_request", customer=CUSTOMER, orders_requested=[7, 8])
    alert = Alert.objects.get(kind="customer_data_request")
    assert "7, 8" in alert.meaning
    assert "ada@example.com" not in alert.meaning + alert.title + alert.action


def test_a_second_question_does_not_overwrite_the_first(client: Client) -> None:
    make_shop()
    for number, orders in enumerate([[1], [2], [2], [3]], start=11):
        asked = {"id": min(number, 12)}  # the third is the second once more, the last one only has its id
        notify(
            client,
            "customers/data_request",
            webhook_id=str(number),
            customer=CUSTOMER,
            orders_requested=orders,
            data_request=asked,
        )
    alerts = Alert.objects.filter(kind="customer_data_request").order_by("id")
    assert [alert.subject.split()[-1] for alert in alerts] == ["11", "12", "12"]
    assert [f"orders: {number}." in alert.meaning for number, alert in enumerate(alerts, start=1)] == [
        True
    ] * 3


def test_questions_without_a_number_are_told_apart_by_their_orders(client: Client) -> None:
    make_shop()
    many = list(range(5_000_000_000_001, 5_000_000_000_100))
    for number, orders in enumerate([[1], [2], [2], [], many, many[1:]]):
        notify(client, "customers/data_request", webhook_id=str(number), orders_requested=orders)
    assert Alert.objects.filter(kind="customer_data_request").count() == 5


@pytest.mark.parametrize("wanted", [None, []])
def test_a_redaction_that_names_no_order_is_done(client: Client, wanted: Any) -> None:
    shop = make_shop()
    ordered(shop, state="shipped")
    notify(client, "customers/redact", customer=CUSTOMER, orders_to_redact=wanted)
    assert erased(shop) == []


@pytest.mark.parametrize(
    "value",
    [1, 0, True, False, 1.5, "12", "", {}, {"id": 1}, ["nonsense"], [1, True], [-1], [None], [[1]], [1.5]],
)
@pytest.mark.parametrize(
    ("topic", "field"),
    [("customers/redact", "orders_to_redact"), ("customers/data_request", "orders_requested")],
)
def test_what_is_no_list_of_ids_is_refused_at_once_naming_the_field(
    client: Client, topic: str, field: str, value: Any
) -> None:
    shop = make_shop()
    kept = [ordered(shop, state="shipped") for _ in range(2)]
    job = notify(client, topic, ends="dead", customer=CUSTOMER, **{field: value})
    assert field in job.error
    assert job.attempts == 1
    assert list(job.history.values_list("outcome", flat=True)) == ["permanent"]
    assert addressed(shop) == len(kept)
