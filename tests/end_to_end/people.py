"""Who acts at both ends: customers and merchants at Shopify, people in the warehouses."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.end_to_end.installation import world
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until
from tests.end_to_end.installation.world import Product, Shop
from tests.world import Json

_novelties = itertools.count(1)


@dataclass(frozen=True)
class Placed:
    """An order that a customer placed."""

    shop: Shop
    id: int
    name: str


@dataclass(frozen=True)
class People:
    """Acts over the sandbox's control API."""

    stack: Stack

    def order(self, shop: Shop, country: str, *lines: tuple[Product, int], **more: Any) -> Placed:
        """A customer orders so many of these products."""
        wanted = [{"variant_id": product.variant, "quantity": quantity} for product, quantity in lines]
        body = {"lines": wanted, "country": country, **more}
        made = self.stack.shopify.post(f"/shops/{shop.domain}/orders", body)
        return Placed(shop, made["id"], made["name"])

    def merchant(self, placed: Placed, verb: str) -> None:
        """The merchant's staff pay or cancel an order."""
        self.stack.shopify.post(f"/shops/{placed.shop.domain}/orders/{placed.id}/{verb}")

    def novelty(self, shop: Shop) -> Product:
        """A new product in the shop and on the shelves, of which the SKU map knows nothing."""
        number = next(_novelties)
        product = Product(shop.number + 100 + number, f"NEW-{number}", ((f"NOVELTY-{number}", 1),))
        self.stack.shopify.post(f"/shops/{shop.domain}/variants", world.variant_json(shop, product))
        for house in shop.houses:
            body = {"warehouse": house.code, "item": f"NOVELTY-{number}", "on_hand": world.ON_SHELF}
            self.stack.wms.post(f"/connections/{house.slug}/stock", body)
        return product

    def at_wms(self, placed: Placed) -> list[tuple[str, Json]]:
        """(slug, order) of everything the WMSs have of an order, whatever its state."""
        identity = f"wms:order:{placed.shop.domain}:{placed.id}:"
        return [
            (slug, each)
            for slug, books in self.stack.wms.get("/books")["connections"].items()
            for each in books["orders"]
            if each["externalOrderId"].startswith(identity)
        ]

    def wait_for(self, *orders: Placed, seconds: float = 30.0) -> None:
        """Until the WMSs have all of these orders."""
        for placed in orders:
            until(partial(self.at_wms, placed), what=f"{placed.name} at a WMS", seconds=seconds)

    def warehouse(self, placed: Placed, verb: str, body: Json | None = None) -> None:
        """People in the warehouse work on an order."""
        [(slug, at_wms)] = self.at_wms(placed)
        self.stack.wms.post(f"/connections/{slug}/orders/{at_wms['id']}/{verb}", body)

    def ship(self, placed: Placed, *items: tuple[str, int], carrier: str = "dhl") -> None:
        """A parcel leaves with these WMS items, or with all that is left."""
        goods = [{"wmsItemCode": item, "quantity": units} for item, units in items] or None
        self.warehouse(placed, "ship", {"items": goods, "carrierCode": carrier})

    def pick_and_pack(self, placed: Placed) -> None:
        """The order is in the box."""
        self.warehouse(placed, "pick")
        self.warehouse(placed, "pack")
