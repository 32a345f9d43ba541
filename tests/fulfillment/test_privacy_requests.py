"""Shopify's privacy webhooks: customers' data is erased at once, a customer's question reaches a person."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from fulfillment.models import Order
from ops.models import Alert, Job
from shops.models import Shop
from tests.builders import make_job, make_shop
from tests.drain import drain
from tests.fulfillment.told import ordered
from tests.shops.delivery import deliver

pytestmark = pytest.mark.django_db

CUSTOMER = {"id": 191167, "email": "ada@example.com", "phone": "555-625-1199"}


def notify(client: Client, topic: str, **body: Any) -> None:
    """As Shopify posts it: to the one address of all webhooks, signed with the app's secret."""
    answer = deliver(client, {"shop_id": 954889, **body}, topic=topic, webhook_id=f"wh-{topic}")
    assert answer.status_code == 200
    drain()
    assert Job.objects.get(kind=f"shopify.{topic}").state == "done"


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


def test_a_redacted_shop_has_no_customer_left_and_the_others_have_theirs(client: Client) -> None:
    shop, other = make_shop(), make_shop("lyon.myshopify.com")
    orders, kept = [ordered(shop, state=state) for state in ("shipped", "ready")], ordered(other)
    notify(client, "shop/redact")
    assert erased(shop) == [order.shopify_order_id for order in orders]
    assert Order.objects.get(id=kept.id).ship_to


def test_a_customer_s_question_is_an_alert_without_the_customer(client: Client) -> None:
    make_shop()
    notify(client, "customers/data_request", customer=CUSTOMER, orders_requested=[7, 8])
    alert = Alert.objects.get(kind="customer_data_request")
    assert "7, 8" in alert.meaning
    assert "ada@example.com" not in alert.meaning + alert.title + alert.action


@pytest.mark.parametrize("wanted", [None, [], ["nonsense", True, -1]])
def test_a_redaction_that_names_no_order_is_done(client: Client, wanted: Any) -> None:
    shop = make_shop()
    ordered(shop, state="shipped")
    notify(client, "customers/redact", customer=CUSTOMER, orders_to_redact=wanted)
    assert erased(shop) == []
