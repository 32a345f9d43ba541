"""The data of the demo: two shops and two WMSs. Each WMS has a warehouse for each shop. There are some fifty SKUs."""

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
    """One variant that a shop sells.

    `parts` are the WMS items in one unit, with their quantities. `mapped=False` leaves the variant out of the import.
    """

    id: int
    sku: str
    title: str
    parts: tuple[tuple[str, int], ...]
    mapped: bool = True

    @property
    def inventory_item_id(self) -> int:
        """Shopify's id of the inventory item."""
        return self.id + 100_000


@dataclass(frozen=True)
class StoreWarehouse:
    """A warehouse that serves one shop, with the Shopify location that it stands for."""

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
    warehouses: tuple[StoreWarehouse, ...]

    @property
    def webhook_secret(self) -> str:
        """The secret with which its webhooks are signed."""
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
    """The variants of a store: one for each kind and size, then a kit, a pack, and one that is not mapped."""
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


def _warehouses(number: int, *, first: str) -> tuple[StoreWarehouse, ...]:
    berlin, lyon = (1, 2) if first == "Berlin" else (2, 1)
    return (
        StoreWarehouse("Berlin", "north", f"BER{number}", number * 100 + 1, berlin, "DE", NORTHERN),
        StoreWarehouse("Lyon", "south", f"LYO{number}", number * 100 + 2, lyon, "FR", SOUTHERN),
    )


STORES = (
    Store("berlin.myshopify.com", "Berlin", tuple(_variants(2001, "B")), _warehouses(1, first="Berlin")),
    Store("paris.myshopify.com", "Paris", tuple(_variants(4001, "P")), _warehouses(2, first="Lyon")),
)
CONNECTIONS = {"north": "available", "south": "on_hand"}


def callback_secret(slug: str) -> str:
    """The secret with which the callbacks of a connection are signed."""
    return f"cbsec-{slug}"


def items(store: Store) -> list[str]:
    """The WMS item codes of a store's goods."""
    return sorted({code for variant in store.variants for code, _ in variant.parts})


def units(variant: Variant) -> int:
    """How many units of a variant can be sold from the starting stock."""
    return min(STOCK // quantity for _, quantity in variant.parts)


def config_toml(wms_url: str) -> str:
    """The configuration that `load_config` reads. It names environment variables for the secrets."""
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
        for warehouse in store.warehouses:
            serves = ", ".join(f'"{country}"' for country in warehouse.serves)
            parts.append(
                f'[[warehouses]]\nconnection = "{warehouse.connection}"\nshop = "{store.domain}"\n'
                f'name = "{warehouse.name}"\n'
                f'wms_warehouse_code = "{warehouse.code}"\nshopify_location_id = {warehouse.location_id}\n'
                f"priority = {warehouse.priority}\nserves_countries = [{serves}]\n"
            )
    return "\n".join(parts)


def secret_name(of: str) -> str:
    """The name of the environment variable that holds the secret of a shop or of a connection."""
    return "DEMO_SECRET_" + of.split(".")[0].upper()


def secrets() -> dict[str, str]:
    """The environment variables that the configuration names, with their values."""
    found = {secret_name(store.domain): store.webhook_secret for store in STORES}
    found |= {secret_name(slug): callback_secret(slug) for slug in CONNECTIONS}
    return {**found, "DEMO_SHOP_TOKEN": ACCESS_TOKEN, "DEMO_WMS_TOKEN": WMS_TOKEN}


def skus_csv(store: Store) -> str:
    """The file that `import_skus` reads for each of the store's warehouses."""
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
    """The body that creates the simulated shop through the sandbox's control API."""
    stock = {str(warehouse.location_id): 0 for warehouse in store.warehouses}
    return {
        "domain": store.domain,
        "name": store.name,
        "access_token": ACCESS_TOKEN,
        "webhook_secret": store.webhook_secret,
        "locations": [
            {"id": warehouse.location_id, "name": warehouse.name, "country": warehouse.country}
            for warehouse in store.warehouses
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
    """The body that creates the simulated WMS account through the sandbox's control API."""
    warehouses = [
        (store, warehouse)
        for store in STORES
        for warehouse in store.warehouses
        if warehouse.connection == slug
    ]
    return {
        "slug": slug,
        "token": WMS_TOKEN,
        "callback_secret": callback_secret(slug),
        "callback_url": f"{web_url}/webhooks/wms/{slug}/",
        "warehouses": [
            {"code": warehouse.code, "stock": dict.fromkeys(items(store), STOCK)}
            for store, warehouse in warehouses
        ],
    }
