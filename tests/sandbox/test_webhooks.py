"""Webhooks are signed, sent at least once, and misbehave as the settings say."""

import base64
import hashlib
import hmac
import json

from tests.sandbox.clients import DOMAIN, SHOP, ShopClient, eventually, gid
from tests.sandbox.conftest import Receiver

SUBSCRIBE = """
mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri}) {
    webhookSubscription { id topic uri apiVersion { handle } } userErrors { field message } } }
"""


def signed(each: dict, secret: str) -> bool:
    digest = hmac.new(secret.encode(), each["raw"], hashlib.sha256).digest()
    return each["headers"]["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()


def ids(received: list[dict], name: str) -> set[str]:
    return {each["headers"][f"x-shopify-{name}-id"] for each in received}


def test_an_order_is_announced_with_everything_a_receiver_needs(shop: ShopClient, receiver: Receiver) -> None:
    order = shop.place((201, 2))
    [each] = receiver.wait("orders/paid")
    body = json.loads(each["raw"])
    assert signed(each, "hook-secret")
    assert each["headers"]["x-shopify-shop-domain"] == DOMAIN
    assert each["headers"]["x-shopify-api-version"] == "2026-10"
    assert (body["id"], body["admin_graphql_api_id"]) == (order["id"], gid("Order", order["id"]))
    assert (body["line_items"][0]["sku"], body["financial_status"]) == ("TEE", "paid")


def test_topics_of_one_action_share_the_event_id_only(shop: ShopClient, receiver: Receiver) -> None:
    shop.place((201, 1))
    received = [
        *receiver.wait("orders/create"),
        *receiver.wait("orders/paid"),
        *receiver.wait("inventory_levels/update"),
    ]
    assert len(ids(received, "event")) == 1
    assert len(ids(received, "webhook")) == 3


def test_each_change_has_its_topic(shop: ShopClient, receiver: Receiver) -> None:
    order = shop.place((201, 2), paid=False)
    receiver.wait("fulfillment_orders/order_routing_complete")
    assert not receiver.of("orders/paid")
    for action, topic in [
        ("pay", "orders/paid"),
        ("hold", "fulfillment_orders/placed_on_hold"),
        ("release", "fulfillment_orders/hold_released"),
    ]:
        shop.act(order, action)
        receiver.wait(topic)
    shop.act(order, "edit", changes=[{"line_id": order["lines"][0]["id"], "quantity": 1}])
    edit = json.loads(receiver.wait("orders/edited")[0]["raw"])["order_edit"]
    assert (edit["order_id"], edit["line_items"]["removals"]) == (
        order["id"],
        [{"id": order["lines"][0]["id"], "delta": 1}],
    )
    shop.act(order, "move", location_id=102)
    receiver.wait("fulfillment_orders/moved")
    shop.act(order, "cancel")
    receiver.wait("orders/cancelled")


def test_a_changed_sku_is_announced_by_product_and_item(shop: ShopClient, receiver: Receiver) -> None:
    shop.control("POST", f"shops/{DOMAIN}/variants/201/sku", {"sku": "TEE-NEW"})
    assert json.loads(receiver.wait("products/update")[0]["raw"])["variants"][0]["sku"] == "TEE-NEW"
    assert json.loads(receiver.wait("inventory_items/update")[0]["raw"])["sku"] == "TEE-NEW"


def test_a_refused_delivery_is_made_again_with_the_same_id(shop: ShopClient, receiver: Receiver) -> None:
    order = shop.place((201, 1))
    assert shop.control("GET", "idle?seconds=5")["idle"]
    receiver.received.clear()
    receiver.answers = [500, 302]
    shop.act(order, "touch")
    received = receiver.wait("orders/updated", 3)
    assert [each["status"] for each in received] == [500, 302, 200]
    assert len(ids(received, "webhook")) == 1


def test_copies_carry_the_same_id(shop: ShopClient, receiver: Receiver) -> None:
    shop.control("POST", "settings", {"copies": 3, "shuffle_seconds": 0.1})
    shop.place((201, 1))
    assert len(ids(receiver.wait("orders/create", 3), "webhook")) == 1


def test_lost_ones_never_come_and_held_ones_come_later(shop: ShopClient, receiver: Receiver) -> None:
    shop.control("POST", "settings", {"loss": 1.0})
    order = shop.place((201, 1))
    shop.control("POST", "settings", {"loss": 0.0, "deliver": False})
    shop.act(order, "touch")
    assert shop.control("GET", "idle?seconds=5")["idle"]
    assert receiver.received == []
    shop.control("POST", "settings", {"deliver": True})
    receiver.wait("orders/updated")
    assert shop.control("GET", "books")["webhooks"]["lost"]["orders/create"] == 1


def test_what_goes_wrong_with_deliveries_is_counted(shop: ShopClient, receiver: Receiver) -> None:
    shop.control("POST", "settings", {"duplicate": 1.0, "late": 1.0, "late_seconds": 0.2})
    order = shop.place((201, 1))
    shop.control("POST", "settings", {"duplicate": 0.0, "late": 0.0})
    shop.act(order, "touch")
    receiver.wait("orders/create", 2)
    eventually(lambda: not shop.control("GET", "counts")["pending"])
    counts = shop.control("GET", "counts")
    assert [counts[name]["orders/create"] for name in ("duplicated", "late", "overtaken")] == [1, 1, 1]
    assert receiver.received.index(receiver.of("orders/updated")[0]) < receiver.received.index(
        receiver.of("orders/create")[0]
    )


def test_subscriptions_are_made_compared_and_used(shop: ShopClient, receiver: Receiver) -> None:
    shop.control("POST", "shops", SHOP)  # no webhook_url: only subscriptions count
    made = shop.data(SUBSCRIBE, {"topic": "ORDERS_CREATE", "uri": receiver.url})["webhookSubscriptionCreate"]
    assert made["webhookSubscription"]["apiVersion"] == {"handle": "2026-10"}
    again = shop.data(SUBSCRIBE, {"topic": "ORDERS_CREATE", "uri": receiver.url})["webhookSubscriptionCreate"]
    assert again["userErrors"][0]["message"] == "Address for this topic has already been taken"
    listed = shop.data("{ webhookSubscriptions(first: 10) { nodes { topic uri } } }")["webhookSubscriptions"][
        "nodes"
    ]
    assert listed == [{"topic": "ORDERS_CREATE", "uri": receiver.url}]
    shop.place((201, 1))
    receiver.wait("orders/create")
    assert shop.control("GET", "idle?seconds=5")["idle"]
    assert {each["headers"]["x-shopify-topic"] for each in receiver.received} == {"orders/create"}


def test_uninstalling_takes_tokens_and_subscriptions(shop: ShopClient, receiver: Receiver) -> None:
    shop.control("POST", f"shops/{DOMAIN}/uninstall")
    receiver.wait("app/uninstalled")
    assert shop.post("{ shop { name } }").status_code == 401


def test_a_made_up_webhook_can_be_sent(shop: ShopClient, receiver: Receiver) -> None:
    sent = shop.control(
        "POST",
        "webhooks/send",
        {"domain": DOMAIN, "topic": "orders/paid", "body": {"id": 5}, "webhook_id": "w1"},
    )
    assert sent["status"] == 200
    [each] = receiver.wait("orders/paid")
    assert signed(each, "hook-secret")
    assert each["headers"]["x-shopify-webhook-id"] == "w1"


def test_the_books_name_what_became_of_each_delivery(shop: ShopClient, receiver: Receiver) -> None:
    shop.place((201, 1))
    eventually(lambda: shop.control("GET", "books")["webhooks"]["delivered"].get("orders/create"))
    [each] = shop.control("GET", "webhooks?topic=orders/create")
    assert (each["state"], each["attempts"][0]["status"]) == ("delivered", 200)
