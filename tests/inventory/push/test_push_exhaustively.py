"""Wherever a push of stock ends, and whatever happens meanwhile: Shopify's quantity is right in the end, and no key of
idempotency ever goes out with two meanings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any
from unittest import mock

import pytest
import requests
import responses

from inventory.models import PushBatch, StockLevel
from inventory.push import push_batches, pushing
from inventory.stock import levels
from ops.errors import JobError
from tests import workers
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.inventory.push.shopify_stock import Item, ShopifyStock

pytestmark = pytest.mark.django_db
numbers = itertools.count(1)
MUG = 1_000_011


class Killed(BaseException):
    """The worker is gone, at this very place."""


def killed() -> None:
    raise Killed


def timed_out() -> None:
    raise requests.ReadTimeout("before it was done")


ENDS: dict[str, tuple[Any, str, Callable[[], object]]] = {
    "before it is opened": (push_batches, "_open", killed),
    "once it is opened": (push_batches, "_deliver", killed),
    "in the call": (ShopifyStock, "set", killed),
    "timed out, not done": (ShopifyStock, "set", timed_out),
    "timed out, done": (push_batches, "_close", int),  # and its answer gets lost
    "done, not closed": (push_batches, "_close", killed),
    "closed, not recorded": (pushing, "record", killed),
    "well": (pushing, "record", int),
}


class Mugs:
    """Five mugs at a warehouse; Shopify says that there are two."""

    def __init__(self, http: responses.RequestsMock) -> None:
        domain = f"shop-{next(numbers)}.myshopify.com"
        self.warehouse = make_warehouse(make_shop(domain), make_connection(f"wms-{next(numbers)}"))
        make_mapping(self.warehouse)
        self.level = make_level(self.warehouse, "MUG", 5)
        self.at_shopify = Item(available=2)
        self.shopify = ShopifyStock({MUG: self.at_shopify})
        self.shopify.register(http, domain)
        self.look_again()

    def look_again(self) -> None:
        levels.mark_due(self.warehouse.pk, ["MUG"])

    def nothing(self) -> None:
        """Happens."""

    def more_come(self) -> None:
        StockLevel.objects.filter(pk=self.level.pk).update(available=9)
        self.look_again()

    def one_is_sold(self) -> None:
        self.at_shopify.available -= 1
        self.at_shopify.committed += 1
        self.look_again()

    def all_are_sold_and_more_come(self) -> None:
        for _ in range(2):
            self.one_is_sold()
        self.more_come()

    def push(self) -> None:
        with suppress(JobError, Killed):
            pushing.push(self.warehouse.shop)


@pytest.mark.parametrize("meanwhile", [Mugs.nothing, Mugs.one_is_sold, Mugs.all_are_sold_and_more_come])
def test_shopify_is_right_in_the_end_wherever_a_push_ends(
    http: responses.RequestsMock, meanwhile: Callable[[Mugs], None]
) -> None:
    for first, second in itertools.product(ENDS, ["well", "timed out, done"]):
        mugs = Mugs(http)
        for end in (first, second):
            module, name, act = ENDS[end]
            mugs.shopify.lose = int(end == "timed out, done")
            with ExitStack() as stack:
                stack.enter_context(mock.patch.object(module, name, workers.once(getattr(module, name), act)))
                mugs.push()
            meanwhile(mugs)
        mugs.shopify.lose = 0
        for _ in range(3):
            mugs.push()
        mugs.level.refresh_from_db()
        is_right(mugs, first)


def is_right(mugs: Mugs, end: str) -> None:
    level, item = mugs.level, mugs.at_shopify
    assert item.available == level.available - item.committed, end
    assert (level.push_due_since, level.pushed_quantity) == (None, item.available), end
    assert not PushBatch.objects.filter(shop=mugs.warehouse.shop, state="sending").exists()
    meanings = {sent["key"]: sent for sent in mugs.shopify.sets()}
    assert all(sent == meanings[sent["key"]] for sent in mugs.shopify.sets()), end
