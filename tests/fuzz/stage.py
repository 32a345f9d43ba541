"""What a batch begins with, the same each time: two shops, two WMSs, orders in every state, and nothing else."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.models import Order, WmsOrder
from ops import redis
from ops.models import Job
from shops.models import Shop
from tests import builders
from tests.fulfillment import order_rows
from wms.adapters.base import Capability
from wms.models import Warehouse

KEPT = ("django_migrations", "django_content_type", "auth_permission")
MUG, TEE, KIT, UNMAPPED = 11, 12, 13, 14
"""Variants. Inventory items are a million above."""
ITEMS = ("MUG", "TEE", "BOX")
FIRST_NEW = 5_000_000_002_000
"""Orders that Shopify has, and that were not read yet."""
LOCATIONS = {"berlin.myshopify.com": (101, 102), "paris.myshopify.com": (201,)}
HELD = Q(reservations__state="held")
SECRETS = {"/webhooks/shopify/": "shop-secret", "/webhooks/wms/": "wms-secret"}


@dataclass
class Stage:
    """Who may be named in a body."""

    shops: list[str] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    wms_orders: dict[str, list[str]] = field(default_factory=dict)
    warehouses: dict[str, list[str]] = field(default_factory=dict)


def clear() -> None:
    """Empty every table but what migrations filled, and Redis; ids begin anew."""
    names = [name for name in connection.introspection.table_names() if name not in KEPT]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")
    redis.client().flushdb()
    builders._numbers = itertools.count(1000)


def build() -> Stage:
    """Everything anew."""
    clear()
    User.objects.create_superuser("ada", password="x")
    berlin = builders.make_shop()
    paris = builders.make_shop("paris.myshopify.com", access_token="", client_id="id", client_secret="cs")
    north = builders.make_connection()
    some = [
        each.value for each in Capability if each not in (Capability.FIND_ORDER, Capability.IDEMPOTENT_CREATE)
    ]
    south = builders.make_connection("south", stock_basis="on_hand", capabilities=some)
    houses = [
        _warehouse(berlin, "Berlin", north, 101),
        _warehouse(berlin, "Lyon", south, 102),
        _warehouse(paris, "Paris", north, 201),
    ]
    for house in houses:
        _orders_at(house)
    Job.objects.all().delete()
    WmsOrder.objects.update(look_up_at=Now() - timedelta(days=1), accepted_at=Now() - timedelta(hours=1))
    Order.objects.update(shopify_updated_at=F("shopify_updated_at") - timedelta(hours=1))
    parts = WmsOrder.objects.exclude(remote_id="").order_by("id")
    by_slug: dict[str, list[str]] = {north.slug: [], south.slug: []}
    for slug, number in parts.values_list("warehouse__connection__slug", "remote_id"):
        by_slug[slug].append(number)
    known = Order.objects.order_by("id").values_list("shopify_order_id", flat=True)
    return Stage(
        shops=[berlin.domain, paris.domain],
        orders=[*known, *range(FIRST_NEW, FIRST_NEW + 5 * len(known), 5)],
        wms_orders=by_slug,
        warehouses={"north": ["BER1", "PAR1"], "south": ["LYO1"]},
    )


def _warehouse(shop: Shop, name: str, account: object, location: int) -> Warehouse:
    house = builders.make_warehouse(shop, account, name, shopify_location_id=location)  # type: ignore[arg-type]
    for variant, item, quantity in ((MUG, "MUG", 1), (TEE, "TEE", 1), (KIT, "MUG", 2), (KIT, "BOX", 1)):
        inventory_item = variant + 1_000_000
        builders.make_mapping(
            house, variant, item, quantity=quantity, shopify_inventory_item_id=inventory_item
        )
    for item in ITEMS:
        builders.make_level(house, item, 1000)
    return house


def _orders_at(house: Warehouse) -> None:
    for _ in range(3):
        order_rows.at_warehouse(house, units=3)
    order_rows.shipped(house)
    order_rows.in_question(house)
    order_rows.ordered(house.shop)
    order_rows.at_warehouse(house, part={"wms_status": "picking"})
    builders.make_shipment(house_order(house), state="held", reason="does not fit")


def house_order(house: Warehouse) -> WmsOrder:
    """The first that the warehouse has."""
    return WmsOrder.objects.filter(warehouse=house).order_by("id")[0]
