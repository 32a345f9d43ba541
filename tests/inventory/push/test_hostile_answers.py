"""Anything anywhere in what Shopify says of stock: a reading or one of our errors; never a bug."""

from __future__ import annotations

import random
from typing import Any

import pytest

from inventory.push import shopify_levels
from shops.ids import InventoryItemId, LocationId
from shops.models import Shop
from tests.fuzz.answering import answering, not_allowed
from tests.fuzz.far_ends import FarEnds
from tests.fuzz.hostile import everywhere

DOMAIN = "berlin.myshopify.com"


@pytest.fixture
def shop() -> Shop:
    return Shop(domain=DOMAIN, access_token="shpat_test", api_version="2026-10")


def test_stock_with_anything_in_it_is_read_or_one_of_our_errors(shop: Shop) -> None:
    def answered(body: Any) -> None:
        with answering(body):
            shopify_levels.read(shop, location=LocationId(101), inventory_items=[InventoryItemId(1_000_011)])

    gids = {"ids": ["gid://shopify/InventoryItem/1000011"]}
    body = {"data": FarEnds(random.Random(3), share=0)._inventory_levels(DOMAIN, gids)}
    assert not_allowed(everywhere(body), answered) == {}
