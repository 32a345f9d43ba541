"""Two shops and three WMSs, a warehouse of each for each shop: the same at both ends of the wire and in the set-up.

It shares nothing with the world of the demo, though both write the same formats. The demo's world changes for show, but
the tests, the chaos run and the benchmarks count on each number here. The files that the application reads are written
here as its manual says, so that no test inherits a mistake of the demo.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ON_SHELF = 500
"""Units of every item in every warehouse at the start."""

AT_SHOPIFY = 1
"""What Shopify believes of each product until the first push: wrong, so that a push must have come."""

ACCESS_TOKEN, WMS_TOKEN = "shpat_e2e", "e2e-wms-token"
BASIS = {"north": "available", "south": "on_hand", "east": "available"}
CAPABILITIES = {"east": ("update_order", "cancel_order", "stock_delta", "returns")}
"""The east can neither be asked whether it has an order nor be told twice; the others can do everything."""
CARRIERS = {"dhl": "DHL", "dpd": "DPD", "gls": "GLS"}
"""Carrier codes of the warehouses -> Shopify's spelling."""


@dataclass(frozen=True)
class Product:
    """What a shop sells; one unit of it is made of `parts`: (WMS item code, units)."""

    variant: int
    sku: str
    parts: tuple[tuple[str, int], ...]

    @property
    def inventory_item(self) -> int:
        """Shopify's inventory item."""
        return self.variant + 100_000


@dataclass(frozen=True)
class House:
    """A warehouse: the WMS's code and the Shopify location it is tied to."""

    name: str
    slug: str
    code: str
    location: int
    priority: int
    country: str
    serves: tuple[str, ...]


@dataclass(frozen=True)
class Shop:
    """A Shopify store and its warehouses. `number` keeps its ids apart from the other's."""

    domain: str
    number: int
    houses: tuple[House, ...]

    @property
    def secret(self) -> str:
        """Signs its webhooks."""
        return f"secret-of-{self.domain}"

    @property
    def mug(self) -> Product:
        """One unit, one item."""
        return Product(self.number + 1, "MUG", (("MUG", 1),))

    @property
    def tee(self) -> Product:
        """One unit, one item."""
        return Product(self.number + 2, "TEE", (("TEE", 1),))

    @property
    def gift_set(self) -> Product:
        """A kit."""
        return Product(self.number + 3, "GIFT-SET", (("MUG", 2), ("BOX", 1)))

    @property
    def socks(self) -> Product:
        """A pack of six."""
        return Product(self.number + 4, "SOCKS-6", (("SOCK", 6),))

    @property
    def products(self) -> tuple[Product, ...]:
        """What is mapped from the start."""
        return self.mug, self.tee, self.gift_set, self.socks


BERLIN = Shop(
    "berlin.myshopify.com",
    1000,
    (
        House("Berlin", "north", "BER1", 101, 1, "DE", ("DE", "AT")),
        House("Lyon", "south", "LYO1", 102, 2, "FR", ("FR", "DE")),
        House("Posen", "east", "POS1", 103, 3, "PL", ("PL",)),
    ),
)
LYON = Shop(
    "lyon.myshopify.com",
    2000,
    (
        House("Lyon", "south", "LYO2", 202, 1, "FR", ("FR", "BE")),
        House("Berlin", "north", "BER2", 201, 2, "DE", ("DE", "FR")),
        House("Posen", "east", "POS2", 203, 3, "PL", ("PL",)),
    ),
)
SHOPS = (BERLIN, LYON)
ITEMS = sorted({item for product in BERLIN.products for item, _ in product.parts})


def callback_secret(slug: str) -> str:
    """Signs a WMS's callbacks."""
    return f"secret-of-{slug}"


def secrets() -> dict[str, str]:
    """The environment variables that the configuration names."""
    found = {f"E2E_{shop.number}": shop.secret for shop in SHOPS}
    found |= {f"E2E_{slug.upper()}": callback_secret(slug) for slug in BASIS}
    return {**found, "E2E_SHOP_TOKEN": ACCESS_TOKEN, "E2E_WMS_TOKEN": WMS_TOKEN}


def config_toml(wms_url: str) -> str:
    """What `load_config` reads."""
    tables = [
        f'[[shops]]\ndomain = "{shop.domain}"\naccess_token = "env:E2E_SHOP_TOKEN"\n'
        f'webhook_secret = "env:E2E_{shop.number}"\n'
        for shop in SHOPS
    ]
    tables += [
        f'[[connections]]\nslug = "{slug}"\nadapter = "rest"\nbase_url = "{wms_url}/{slug}"\n'
        f'token = "env:E2E_WMS_TOKEN"\ncallback_secret = "env:E2E_{slug.upper()}"\nstock_basis = "{basis}"\n'
        + (f"capabilities = {list(CAPABILITIES[slug])}\n" if slug in CAPABILITIES else "")
        for slug, basis in BASIS.items()
    ]
    tables += [
        f'[[warehouses]]\nconnection = "{house.slug}"\nshop = "{shop.domain}"\nname = "{house.name}"\n'
        f'wms_warehouse_code = "{house.code}"\nshopify_location_id = {house.location}\n'
        f"priority = {house.priority}\nserves_countries = {list(house.serves)}\n"
        for shop in SHOPS
        for house in shop.houses
    ]
    return "\n".join(tables)


def skus_csv(products: Iterable[Product]) -> str:
    """What `import_skus` reads."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["shopify_variant_id", "shopify_sku", "shopify_inventory_item_id", "wms_item_code", "quantity"]
    )
    for product in products:
        for item, units in product.parts:
            writer.writerow([product.variant, product.sku, product.inventory_item, item, units])
    return out.getvalue()


def variant_json(shop: Shop, product: Product) -> dict[str, Any]:
    """A product, as the sandbox's control API takes it."""
    return {
        "id": product.variant,
        "sku": product.sku,
        "title": product.sku.title(),
        "inventory_item_id": product.inventory_item,
        "product_id": product.variant + 500_000,
        "price": "10.00",
        "stock": {str(house.location): AT_SHOPIFY for house in shop.houses},
    }


def shop_json(shop: Shop) -> dict[str, Any]:
    """A simulated shop."""
    return {
        "domain": shop.domain,
        "access_token": ACCESS_TOKEN,
        "webhook_secret": shop.secret,
        "locations": [
            {"id": house.location, "name": house.name, "country": house.country} for house in shop.houses
        ],
        "variants": [variant_json(shop, product) for product in shop.products],
    }


def connection_json(slug: str, web_url: str) -> dict[str, Any]:
    """A simulated account at a WMS."""
    able = slug not in CAPABILITIES
    codes = [house.code for shop in SHOPS for house in shop.houses if house.slug == slug]
    return {
        "slug": slug,
        "token": WMS_TOKEN,
        "callback_secret": callback_secret(slug),
        "callback_url": f"{web_url}/webhooks/wms/{slug}/",
        "lookup": able,
        "idempotency": able,
        "warehouses": [{"code": code, "stock": dict.fromkeys(ITEMS, ON_SHELF)} for code in codes],
    }
