"""Shopify is told soon where stock is scarce. Elsewhere changes gather, so that one push tells of many."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.contrib.postgres.functions import TransactionNow
from django.db.models import F
from django.utils import timezone

from inventory import reservations
from inventory.push import push_due, pushing
from inventory.reservations import Need
from inventory.stock import levels, push_window
from inventory.stock.levels import Observation
from ops.models import Job
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.drain import drain
from tests.inventory.push.shopify_stock import Item, ShopifyStock
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
MUG, SET = 1_000_011, 1_000_012
SOON, WINDOW = 1, 5
numbers = itertools.count(1)


@pytest.fixture
def berlin() -> Warehouse:
    """It sells a mug alone, and in a set with a box: what is sold of one moves the figure of the other."""
    warehouse = make_warehouse(make_shop(), make_connection())
    make_mapping(warehouse, variant=11, item="MUG")
    for item in ("MUG", "BOX"):
        make_mapping(warehouse, variant=12, item=item)
    return warehouse


def stocked(warehouse: Warehouse, units: int, *, told: int | None) -> None:
    for item in ("MUG", "BOX"):
        make_level(warehouse, item, units, pushed_quantity=told)


def sell(warehouse: Warehouse, units: int = 1) -> None:
    needs = [Need(warehouse.pk, "MUG", units)]
    short = reservations.reserve_new(
        f"order-{next(numbers)}", needs, committed={(warehouse.pk, "MUG"): units}
    )
    assert not short


def waits() -> float:
    """The seconds until the only push is due, by the clock of the database."""
    (left,) = Job.objects.values_list(F("run_at") - TransactionNow(), flat=True)
    return left.total_seconds()


@pytest.mark.parametrize(
    ("units", "told", "seconds"),
    [
        (1000, 1000, WINDOW),
        (101, 150, WINDOW),
        (100, 150, SOON),  # 99 are left, which the fastest sales use up within the window
        (1, 1, SOON),
        (1000, 50, SOON),  # many came in, and Shopify may be sold out
        (1000, 1997, WINDOW),
        (1000, 1998, SOON),  # half of what Shopify was told of is gone
        (1000, None, SOON),
    ],
)
def test_a_sale_is_told_soon_where_little_is_left(
    berlin: Warehouse, units: int, told: int | None, seconds: int
) -> None:
    stocked(berlin, units, told=told)
    sell(berlin)
    assert waits() == seconds


def test_a_push_that_waits_is_moved_forward_once_little_is_left(berlin: Warehouse) -> None:
    stocked(berlin, 1000, told=1000)
    sell(berlin)
    assert waits() == WINDOW
    sell(berlin, 950)
    assert waits() == SOON
    sell(berlin)
    assert waits() == SOON


def test_what_the_other_shop_of_a_shelf_promised_is_not_left(berlin: Warehouse) -> None:
    other = make_warehouse(make_shop("lyon.myshopify.com"), berlin.connection)
    stocked(berlin, 200, told=200)
    make_level(other, "MUG", 200, pushed_quantity=200)
    sell(other, 150)
    Job.objects.all().delete()
    levels.mark_fulfilled(berlin.pk, ["MUG"], since=timezone.now())
    assert waits() == SOON
    Job.objects.all().delete()
    levels.mark_due(berlin.pk, ["MUG"])
    assert set(Job.objects.values_list(F("run_at") - TransactionNow(), flat=True)) == {
        timedelta(seconds=SOON)
    }


@pytest.mark.parametrize(("units", "seconds"), [(990, WINDOW), (40, SOON)])
def test_a_figure_of_the_warehouse_is_told_soon_if_it_is_low(
    berlin: Warehouse, units: int, seconds: int
) -> None:
    stocked(berlin, 1000, told=1000)
    seen = Observation("MUG", available=units, on_hand=None, observed_at=timezone.now())
    levels.apply(berlin, [seen], source="test")
    assert waits() == seconds


@pytest.mark.parametrize(("units", "seconds"), [(1000, WINDOW), (40, SOON)])
def test_a_fulfilment_is_told_soon_if_little_is_left(berlin: Warehouse, units: int, seconds: int) -> None:
    stocked(berlin, units, told=units)
    levels.mark_fulfilled(berlin.pk, ["MUG"], since=timezone.now())
    assert waits() == seconds


def test_without_a_window_nothing_gathers_for_longer_than_a_second(berlin: Warehouse, settings: Any) -> None:
    settings.STOCK_PUSH_WINDOW_SECONDS = 0.0
    stocked(berlin, 1000, told=1000)
    sell(berlin)
    assert waits() == SOON


def test_whatever_may_wait_lasts_for_longer_than_the_window() -> None:
    window = timedelta(seconds=WINDOW)
    can_be_sold = WINDOW * push_window.FASTEST_SALES
    waiting = [
        (free, told)
        for free, told in itertools.product(range(400), repeat=2)
        if not push_window.is_scarce(free=free, told=told, window=window)
    ]
    assert min(free for free, _ in waiting) == can_be_sold
    assert all(free > told - free for free, told in waiting)


def test_the_sales_of_a_window_are_told_with_one_reading_and_one_call(
    berlin: Warehouse, http: responses.RequestsMock
) -> None:
    stocked(berlin, 1000, told=None)
    shopify = ShopifyStock({MUG: Item(), SET: Item()})
    shopify.register(http, "berlin.myshopify.com")
    levels.mark_due(berlin.pk, ["MUG", "BOX"])
    pushing.push(berlin.shop)
    assert shopify.items[SET].available == 1000
    Job.objects.all().delete()
    shopify.calls.clear()

    for _ in range(10):
        sell(berlin)
        shopify.items[MUG].available -= 1
        shopify.items[MUG].committed += 1
    assert waits() == WINDOW
    assert drain(advance=timedelta(seconds=WINDOW)) == ["inventory.push"]
    assert [operation for operation, _ in shopify.calls] == ["inventory_levels", "inventory_set_quantities"]
    assert (shopify.items[MUG].available, shopify.items[SET].available) == (990, 990)
    assert not push_due.due_levels().exists()
