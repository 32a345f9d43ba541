"""Whatever differs in a webhook from what is stored makes it news: each field by itself, and what is missing too."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fulfillment.models import Order, OrderLine
from fulfillment.orders.notices.judgement import SHOWS_ORDER, KnownOrder, News, Webhook, judge
from fulfillment.orders.stored import rows
from shops.ids import FulfillmentId, ShopifyLineId, ShopifyOrderId, VariantId

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
LATER = "2026-11-27T12:00:05Z"
NUMBER, MUG, TEE, OURS = 900, 11, 12, 77
ADDRESS = {
    "name": "Ada Lovelace",
    "company": None,
    "address1": "Hauptstr. 1",
    "address2": None,
    "city": "Berlin",
    "province_code": None,
    "zip": "10115",
    "country_code": "DE",
    "phone": None,
}
FREE = {("updated_at",), ("shipping_lines",)}
"""What may have another value: the date, and further shipping methods after the first."""


def line(number: int, quantity: int, fulfillable: int) -> dict[str, Any]:
    return {
        "id": number,
        "sku": f"SKU-{number}",
        "title": "Thing",
        "current_quantity": quantity,
        "fulfillable_quantity": fulfillable,
        "variant_id": number + 100,
        "requires_shipping": True,
        "gift_card": False,
    }


def made() -> dict[str, Any]:
    return {"id": OURS, "status": "success", "line_items": [{"id": MUG, "quantity": 2}]}


def body() -> dict[str, Any]:
    """The order after our fulfilment of both mugs; the tee is still to be sent."""
    return {
        "id": NUMBER,
        "name": "#1001",
        "processed_at": "2026-11-27T12:00:00Z",
        "updated_at": LATER,
        "cancelled_at": None,
        "confirmed": True,
        "test": False,
        "financial_status": "paid",
        "email": "ada@example.com",
        "phone": "+4930123",
        "shipping_address": ADDRESS,
        "shipping_lines": [{"title": "Standard"}],
        "line_items": [line(MUG, 2, 0), line(TEE, 1, 1)],
        "fulfillments": [made()],
        "refunds": [],
        "returns": [],
    }


def known(*webhooks: Webhook) -> KnownOrder:
    address = {name: value or "" for name, value in ADDRESS.items()}
    order = Order(
        shop_id=1,
        shopify_order_id=ShopifyOrderId(NUMBER),
        name="#1001",
        financial_status="PAID",
        is_test=False,
        placed_at=AT,
        country="DE",
        ship_to=rows.address_json(address, email="ada@example.com", phone="+4930123"),
        shipping_method="Standard",
    )
    lines = [
        OrderLine(
            id=row,
            shopify_line_id=ShopifyLineId(number),
            shopify_variant_id=VariantId(number + 100),
            sku=f"SKU-{number}",
            title="Thing",
            quantity=quantity,
        )
        for row, number, quantity in ((1, MUG, 2), (2, TEE, 1))
    ]
    return KnownOrder(
        order,
        lines,
        remaining={2: 1},
        made={FulfillmentId(OURS): {ShopifyLineId(MUG): 2}},
        is_settled=True,
        webhooks=webhooks,
    )


def told(topic: str, content: Any) -> Webhook:
    return Webhook(topic, AT, content)


NEWS = News(first_at=AT)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values in a body, and to what holds them."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in items:
        yield (*path, name)
        yield from leaves(each, (*path, name))


def changed(path: tuple[Any, ...], value: Any, *, remove: bool = False) -> dict[str, Any]:
    content = copy.deepcopy(body())
    holder: Any = content
    for name in path[:-1]:
        holder = holder[name]
    if remove:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return content


def at(path: tuple[Any, ...]) -> Any:
    found: Any = body()
    for name in path:
        found = found[name]
    return found


def other(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value.startswith("2026"):
            return "2026-11-27T13:00:00Z"
        case None:
            return "2026-11-27T13:00:00Z"
        case str():
            return f"{value}x"
        case list():
            return [*value, copy.deepcopy(value[0]) if value else {"id": 1}]
    return None


PATHS = list(leaves(body()))


@pytest.mark.parametrize("topic", sorted(SHOWS_ORDER))
def test_an_order_as_it_is_stored_is_known_up_to_its_date(topic: str) -> None:
    until = datetime(2026, 11, 27, 12, 0, 5, tzinfo=UTC)
    assert judge(known(told(topic, body()))) == News(known_until=until)


@pytest.mark.parametrize("path", [path for path in PATHS if path not in FREE], ids=str)
def test_each_field_that_has_another_value_is_news(path: tuple[Any, ...]) -> None:
    assert judge(known(told("orders/updated", changed(path, other(at(path)))))) == NEWS


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_each_field_that_is_missing_is_news(path: tuple[Any, ...]) -> None:
    assert judge(known(told("orders/updated", changed(path, None, remove=True)))) == NEWS


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("strange", ["?", 7, [7], {"a": 1}, 1.5], ids=str)
def test_each_field_of_another_type_is_news(path: tuple[Any, ...], strange: Any) -> None:
    assert judge(known(told("orders/updated", changed(path, strange)))) == NEWS


@pytest.mark.parametrize("content", [None, {}, [], "x", 5, {"erased_on": "2026-11-01"}], ids=str)
@pytest.mark.parametrize("topic", [*sorted(SHOWS_ORDER), "fulfillments/create"])
def test_what_is_no_such_body_is_news(topic: str, content: Any) -> None:
    assert judge(known(told(topic, content))) == NEWS


@pytest.mark.parametrize(
    "topic",
    [
        "orders/edited",
        "orders/cancelled",
        "refunds/create",
        "fulfillments/update",
        "unhandled",
        "returns/approve",
    ],
)
def test_another_topic_is_news_whatever_it_says(topic: str) -> None:
    assert judge(known(told(topic, body()))) == judge(known(told(topic, made()))) == NEWS


def test_our_fulfillment_is_known_and_another_is_not() -> None:
    assert judge(known(told("fulfillments/create", made()))) == News()
    for name, value in (("id", OURS + 1), ("status", "cancelled"), ("line_items", [])):
        assert judge(known(told("fulfillments/create", {**made(), name: value}))) == NEWS


def test_an_order_from_before_our_fulfillment_is_known_too() -> None:
    before = {**body(), "fulfillments": [], "line_items": [line(MUG, 2, 2), line(TEE, 1, 1)]}
    assert judge(known(told("orders/paid", before))).first_at is None


def test_one_that_is_news_is_enough_and_dates_it() -> None:
    ours, news = (
        told("orders/updated", body()),
        replace(told("orders/edited", {}), created_at=AT.replace(hour=13)),
    )
    assert judge(known(ours, news, ours)) == News(first_at=news.created_at)


def test_nothing_is_known_of_an_order_that_is_not_settled() -> None:
    assert judge(replace(known(told("orders/updated", body())), is_settled=False)) == NEWS


@pytest.mark.parametrize("remaining", [{}, {1: 2, 2: 1}, {2: 2}], ids=str)
def test_nothing_is_known_if_the_fulfillment_orders_do_not_fit_our_fulfillments(
    remaining: dict[int, int],
) -> None:
    assert judge(replace(known(told("orders/updated", body())), remaining=remaining)) == NEWS


def test_a_deleted_product_is_known_once_it_was_read() -> None:
    gone = changed(("line_items", 0, "variant_id"), None)
    assert judge(known(told("orders/updated", gone))) == NEWS
    seen = known(told("orders/updated", gone))
    seen.lines[0].variant_is_gone = True
    assert judge(seen).first_at is None
