"""The demo's small world: two shops, two WMSs, a warehouse of each for each shop, some fifty SKUs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

STOCK = 400
ACCESS_TOKEN = "shpat_demo"
WMS_TOKEN = "demo-wms-token"


@dataclass(frozen=True)
class Variant:
    """One thing a shop sells. `parts`: WMS item and quantity in one unit; `mapped` False = left out of the import."""

    id: int
    sku: str
    title: str
    parts: tuple[tuple[str, int], ...]
    mapped: bool = True

    @property
    def inventory_item_id(self) -> int:
        """Shopify's inventory item."""
        return self.id + 100_000


@dataclass(frozen=True)
class House:
    """A warehouse that serves one shop, at the shop's Shopify location."""

    name: str
    connection: str
    code: str
    location_id: int
    priority: int
    country: str
    serves: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """One Shopify store."""

    domain: str
    name: str
    variants: tuple[Variant, ...] = field(repr=False)
    houses: tuple[House, ...]

    @property
    def webhook_secret(self) -> str:
        """What its webhooks are signed with."""
        return f"whsec-{self.domain}"

    @property
    def unmapped(self) -> Variant:
        """The variant that nobody has mapped yet."""
        return next(variant for variant in self.variants if not variant.mapped)


GOODS = {
    "TEE": ("T-shirt", ("S", "M", "L", "XL")),
    "HOOD": ("Hoodie", ("S", "M", "L")),
    "CAP": ("Cap", ("BLUE", "RED", "GREEN")),
    "MUG": ("Mug", ("WHITE", "BLACK", "BLUE")),
    "SOCK": ("Socks", ("36", "39", "42", "45")),
    "BAG": ("Bag", ("SMALL", "LARGE")),
    "NOTE": ("Notebook", ("A5", "A4")),
    "PEN": ("Pen", ("BLUE", "BLACK")),
}
NORTHERN, SOUTHERN = ("DE", "AT", "PL", "NL"), ("FR", "BE", "ES", "IT")


def _variants(first_id: int, prefix: str) -> Iterator[Variant]:
    goods = [
        (f"{prefix}-{kind}-{size}", f"{title} {size.lower()}")
        for kind, (title, sizes) in GOODS.items()
        for size in sizes
    ]
    for number, (sku, title) in enumerate(goods, start=first_id):
        yield Variant(number, sku, title, ((sku, 1),))
    after = first_id + len(goods)
    mug, pen, note = (f"{prefix}-MUG-WHITE", 1), (f"{prefix}-PEN-BLUE", 1), (f"{prefix}-NOTE-A5", 1)
    yield Variant(after, f"{prefix}-SET-DESK", "Desk set (kit of three)", (mug, pen, note))
    yield Variant(after + 1, f"{prefix}-PEN-X6", "Pens, pack of six", ((f"{prefix}-PEN-BLUE", 6),))
    yield Variant(after + 2, f"{prefix}-NEW", "Novelty", ((f"{prefix}-NOVELTY", 1),), mapped=False)


def _houses(number: int, *, first: str) -> tuple[House, ...]:
    berlin, lyon = (1, 2) if first == "Berlin" else (2, 1)
    return (
        House("Berlin", "north", f"BER{number}", number * 100 + 1, berlin, "DE", NORTHERN),
        House("Lyon", "south", f"LYO{number}", number * 100 + 2, lyon, "FR", SOUTHERN),
    )


STORES = (
    Store("berlin.myshopify.com", "Berlin", tuple(_variants(2001, "B")), _houses(1, first="Berlin")),
    Store("paris.myshopify.com", "Paris", tuple(_variants(4001, "P")), _houses(2, first="Lyon")),
)
CONNECTIONS = {"north": "available", "south": "on_hand"}


def callback_secret(slug: str) -> str:
    """What a connection's callbacks are signed with."""
    return f"cbsec-{slug}"


def items(store: Store) -> list[str]:
    """The WMS item codes of a store's goods."""
    return sorted({code for variant in store.variants for code, _ in variant.parts})


def units(variant: Variant) -> int:
    """How many sellable units the starting stock makes."""
    return min(STOCK // quantity for _, quantity in variant.parts)


def config_toml(wms_url: str) -> str:
    """The configuration that `load_config` reads; secrets by name of an environment variable."""
    parts = []
    for store in STORES:
        parts.append(
            f'[[shops]]\ndomain = "{store.domain}"\nname = "{store.name}"\naccess_token = "env:DEMO_SHOP_TOKEN"\n'
            f'webhook_secret = "env:{secret_name(store.domain)}"\n'
        )
    for slug, basis in CONNECTIONS.items():
        parts.append(
            f'[[connections]]\nslug = "{slug}"\nname = "WMS {slug}"\nadapter = "rest"\nbase_url = "{wms_url}/{slug}"\n'
            f'token = "env:DEMO_WMS_TOKEN"\ncallback_secret = "env:{secret_name(slug)}"\nstock_basis = "{basis}"\n'
        )
    for store in STORES:
        for house in store.houses:
            serves = ", ".join(f'"{country}"' for country in house.serves)
            parts.append(
                f'[[warehouses]]\nconnection = "{house.connection}"\nshop = "{store.domain}"\nname = "{house.name}"\n'
                f'wms_warehouse_code = "{house.code}"\nshopify_location_id = {house.location_id}\n'
                f"priority = {house.priority}\nserves_countries = [{serves}]\n"
            )
    return "\n".join(parts)


def secret_name(of: str) -> str:
    """The environment variable that holds a secret."""
    return "DEMO_SECRET_" + of.split(".")[0].upper()


def secrets() -> dict[str, str]:
    """Every environment variable that the configuration names."""
    found = {secret_name(store.domain): store.webhook_secret for store in STORES}
    found |= {secret_name(slug): callback_secret(slug) for slug in CONNECTIONS}
    return {**found, "DEMO_SHOP_TOKEN": ACCESS_TOKEN, "DEMO_WMS_TOKEN": WMS_TOKEN}


def skus_csv(store: Store) -> str:
    """What `import_skus` reads for each of the store's warehouses."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["shopify_variant_id", "shopify_sku", "shopify_inventory_item_id", "wms_item_code", "quantity"]
    )
    for variant in store.variants:
        for code, quantity in variant.parts if variant.mapped else ():
            writer.writerow([variant.id, variant.sku, variant.inventory_item_id, code, quantity])
    return out.getvalue()


def sandbox_shop(store: Store) -> dict[str, Any]:
    """The simulated shop, as the sandbox's control API takes it."""
    stock = {str(house.location_id): 0 for house in store.houses}
    return {
        "domain": store.domain,
        "name": store.name,
        "access_token": ACCESS_TOKEN,
        "webhook_secret": store.webhook_secret,
        "locations": [
            {"id": house.location_id, "name": house.name, "country": house.country} for house in store.houses
        ],
        "variants": [
            {
                "id": variant.id,
                "sku": variant.sku,
                "title": variant.title,
                "inventory_item_id": variant.inventory_item_id,
                "product_id": variant.id + 500_000,
                "price": "10.00",
                "stock": dict.fromkeys(stock, units(variant)),
            }
            for variant in store.variants
        ],
    }


def sandbox_connection(slug: str, web_url: str) -> dict[str, Any]:
    """The simulated WMS account, as the sandbox's control API takes it."""
    houses = [(store, house) for store in STORES for house in store.houses if house.connection == slug]
    return {
        "slug": slug,
        "token": WMS_TOKEN,
        "callback_secret": callback_secret(slug),
        "callback_url": f"{web_url}/webhooks/wms/{slug}/",
        "warehouses": [
            {"code": house.code, "stock": dict.fromkeys(items(store), STOCK)} for store, house in houses
        ],
    }
