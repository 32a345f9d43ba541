"""backfill_orders and route, as a person at the terminal uses them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from fulfillment.models import Order, WmsOrder
from inventory.models import StockLevel
from ops.models import Alert, Job
from shops.models import Shop
from tests.builders import make_order, make_shop
from tests.fulfillment.order_rows import at_warehouse, ordered, place

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def backfill(shop: Shop, since: str) -> str:
    return run("backfill_orders", f"--shop={shop.domain}", f"--since={since}")


@pytest.mark.parametrize(
    ("since", "meant"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T08:00", datetime(2026, 1, 2, 8, tzinfo=UTC)),
        ("2026-01-02T08:00:00Z", datetime(2026, 1, 2, 8, tzinfo=UTC)),
        ("2026-01-02T08:00:00+02:00", datetime(2026, 1, 2, 6, tzinfo=UTC)),
    ],
)
def test_backfill_sets_the_watermark_back_and_enqueues(since: str, meant: datetime) -> None:
    shop = make_shop(orders_synced_until=datetime(2026, 2, 1, tzinfo=UTC))
    assert f"{meant:%Y-%m-%d %H:%M:%S} UTC" in backfill(shop, since)
    shop.refresh_from_db()
    assert shop.orders_synced_until == shop.fulfillment_orders_synced_until == meant
    assert set(Job.objects.values_list("key", flat=True)) == {
        f"backfill:{shop.pk}:orders",
        f"backfill:{shop.pk}:fulfillment_orders",
    }


def test_backfill_never_skips_what_was_not_read_yet() -> None:
    behind = timezone.now() - timedelta(days=3)
    shop = make_shop(orders_synced_until=behind)
    assert "it stays" in backfill(shop, (timezone.now() - timedelta(days=1)).isoformat())
    shop.refresh_from_db()
    assert shop.orders_synced_until == behind
    assert Job.objects.count() == 2


@pytest.mark.parametrize("since", ["yesterday", "", "2999-01-01"])
def test_backfill_refuses_a_time_that_is_none(since: str) -> None:
    shop = make_shop()
    with pytest.raises(CommandError):
        backfill(shop, since)
    shop.refresh_from_db()
    assert shop.orders_synced_until is None
    assert not Job.objects.exists()


def test_backfill_refuses_a_shop_that_is_unknown_or_off() -> None:
    shop = make_shop(is_active=False)
    with pytest.raises(CommandError, match="not active"):
        backfill(shop, "2026-01-01")
    with pytest.raises(CommandError, match=r"there is no shop paris\.myshopify\.com"):
        run("backfill_orders", "--shop=paris.myshopify.com", "--since=2026-01-01")
    assert not Job.objects.exists()


def everything() -> list[list[Any]]:
    return [list(model.objects.values()) for model in (Order, WmsOrder, StockLevel, Job, Alert)]


@pytest.mark.parametrize("named", ["{o.name}", "{bare}", "{o.shopify_order_id}", "{o.pk}"])
def test_route_explains_and_writes_nothing(named: str) -> None:
    order = ordered(place().shop)
    before = everything()
    text = run("route", named.format(o=order, bare=order.name[1:]))
    assert f"Order {order.name} of berlin.myshopify.com" in text
    assert "To be routed: 2 × SKU-MUG, to DE" in text
    assert "Berlin (north/BER1): chosen" in text
    assert everything() == before


def test_route_says_why_each_warehouse_is_passed_over_and_what_would_help() -> None:
    warehouse = place()
    order = ordered(warehouse.shop, units=11)
    text = run("route", order.name)
    assert "Berlin (north/BER1): does not have enough in stock (item: free of needed): MUG: 10 of 11" in text
    assert f"stock:{warehouse.pk}:MUG" in text


def test_route_names_what_is_mapped_nowhere() -> None:
    order = ordered(place().shop, variant=99)
    text = run("route", order.name)
    assert "Mapped at no warehouse, so the whole order waits: SKU-MUG" in text
    assert f"sku:{order.shop_id}:99" in text


def test_route_of_an_order_that_is_with_a_warehouse_tells_where() -> None:
    order = at_warehouse(place())
    Order.objects.update(routing=[{"warehouse": 1, "name": "Lyon", "outcome": "paused", "detail": ""}])
    text = run("route", order.name)
    assert f"Part 1: accepted at Berlin (north/BER1) as {order.wms_orders.get().remote_id}" in text
    assert "Nothing to route now" in text
    assert "Lyon: is paused" in text


def test_route_asks_which_when_several_are_meant() -> None:
    here = make_order(make_shop(), name="#1")
    there = make_order(make_shop("paris.myshopify.com"), name="#1")
    with pytest.raises(CommandError) as refusal:
        run("route", "#1")
    assert str(here.shopify_order_id) in str(refusal.value)
    assert str(there.shopify_order_id) in str(refusal.value)
    assert "paris" in run("route", "#1", "--shop=paris.myshopify.com")


def test_route_refuses_an_order_that_is_none() -> None:
    with pytest.raises(CommandError, match="there is no order #404"):
        run("route", "#404")
