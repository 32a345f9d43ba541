"""Fills every table that grows with traffic, as months of traffic leave it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from bench.tables.rows.inserting import CONNECTIONS, SHOPS, Sizes, insert
from bench.tables.rows.jobs import fill_attempts, fill_jobs
from bench.tables.rows.orders import fill_orders
from fulfillment.models import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    OrderLine,
    Shipment,
    ShipmentLine,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
)
from inventory.models import PushBatch, Reservation, StockLevel
from ops.models import Alert, Job, JobAttempt
from ops.refs import INTERNAL
from shops.models import Shop
from skumap.models import SkuMapping
from tests.builders import make_connection, make_shop, make_warehouse, make_watermark

TRAFFIC: tuple[type[Model], ...] = (
    Job,
    JobAttempt,
    Alert,
    Order,
    OrderLine,
    FulfillmentOrder,
    FulfillmentOrderLine,
    WmsOrder,
    WmsOrderLine,
    Shipment,
    ShipmentLine,
    ShipmentUnit,
    PushBatch,
    LogEntry,
)
"""The tables that grow with every order. Stock and mappings grow with the catalogue, and a chore may scan them."""

FILLED: tuple[type[Model], ...] = (*TRAFFIC, StockLevel, SkuMapping, Reservation)


def fill(sizes: Sizes) -> None:
    """Fill every table that grows with traffic. The tables must be empty."""
    _set_up()
    _fill_catalogue(sizes)
    fill_orders(sizes)
    fill_jobs(sizes)
    fill_attempts()
    _other_tables(sizes)
    _reset_sequences()


@contextmanager
def without_indexes() -> Iterator[None]:
    """Drop the indexes, keys and foreign keys of the big tables while the block runs, and create them again after
    it."""
    tables = [model._meta.db_table for model in FILLED]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid::regclass::text = ANY(%s) AND contype IN ('f', 'p', 'u')"
            " ORDER BY contype = 'f', conname",
            [tables],
        )
        constraints = cursor.fetchall()
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s)"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            [tables],
        )
        indexes = cursor.fetchall()
        for table, name, _ in reversed(constraints):
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}" CASCADE')
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
    yield
    with connection.cursor() as cursor:
        for table, name, definition in constraints:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        for _, definition in indexes:
            cursor.execute(definition)


def _set_up() -> None:
    """Create shops, connections and warehouses with known ids. Order i belongs to shop 1 + i % 20, and its first
    warehouse has it."""
    connections = [make_connection(f"wms-{number}", id=number + 1) for number in range(CONNECTIONS)]
    now = timezone.now()
    for account in connections[:-1]:  # the last one is never reconciled
        make_watermark(account, updated_since=now, full_at=now - timedelta(hours=2))
    for number in range(SHOPS):
        shop = make_shop(f"shop-{number}.myshopify.com", id=number + 1)
        for place in range(2):
            ids = {"id": 1 + 2 * number + place, "shopify_location_id": 1001 + 2 * number + place}
            make_warehouse(
                shop,
                connections[(number + place) % CONNECTIONS],
                f"Warehouse {number}-{place}",
                **ids,
                wms_warehouse_code=f"W{number}-{place}",
            )
    lanes = [lane for shop in Shop.objects.all() for lane in (shop.lane, shop.inbox_lane)]
    lanes += [lane for each in connections for lane in (each.lane, each.inbox_lane)] + [INTERNAL]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO ops_lane (name) SELECT unnest(%s::text[])", [lanes])


def _fill_catalogue(sizes: Sizes) -> None:
    place = "warehouse_locations AS place CROSS JOIN generate_series(1, %s) AS item"
    insert(
        StockLevel,
        place,
        sizes.items,
        warehouse_id="place.id",
        item_code="'ITEM-' || item",
        available="100000",
        on_hand="100000",
        observed_at="now() - interval '1 hour'",
        updated_at="now()",
        pushed_at="now() - interval '1 hour'",
        push_marked_at="now() - interval '30 minutes'",
        push_due_since="CASE WHEN item <= 10 THEN now() END",
        read_at="now() - CASE WHEN item %% 500 = 0 THEN interval '3 days' ELSE interval '1 hour' END",
        promised_at="CASE WHEN item %% 2 = 0 THEN now() - item * interval '1 minute' END",
    )
    insert(
        SkuMapping,
        place,
        sizes.items,
        shop_id="place.shop_id",
        shopify_variant_id="item",
        shopify_sku="'SKU-' || item",
        shopify_inventory_item_id="1000000 + item",
        wms_item_code="'ITEM-' || item",
        warehouse_id="place.id",
        updated_at="now() - interval '10 days'",
    )


def _other_tables(sizes: Sizes) -> None:
    some = max(1000, sizes.jobs // 50)
    insert(
        Alert,
        "generate_series(1, %s) AS i",
        some,
        kind="(ARRAY['no_warehouse', 'unmapped_sku', 'wms_rejected', 'dead_letter'])[1 + i %% 4]",
        subject=f"'order:' || 1 + i %% {SHOPS} || ':' || 5000000000000 + i",
        severity="'warning'",
        title="'No warehouse can send the order'",
        meaning="'It waits.'",
        action="'Remove one of the causes.'",
        state=f"CASE WHEN i > {some - 300} THEN 'open' ELSE 'closed' END",
        closed_at=f"CASE WHEN i > {some - 300} THEN NULL ELSE now() - i * interval '31 days' / {some} END",
        first_at="now() - interval '40 days'",
        last_at=f"now() - i * interval '31 days' / {some}",
    )
    _what_staff_did(some // 2)
    insert(
        PushBatch,
        "generate_series(1, %s) AS i",
        some,
        shop_id=f"1 + i %% {SHOPS}",
        key="gen_random_uuid()::text",
        operation="'inventory_set_quantities'",
        variables="jsonb_build_object('input', repeat(md5(i::text), 30))",
        state="'done'",
        finished_at=f"now() - i * interval '7 days' / {some}",
    )


def _what_staff_did(count: int) -> None:
    """Insert a log entry for each dead letter that was replayed."""
    insert(
        LogEntry,
        "generate_series(1, %s) AS i",
        count,
        user_id=str(User.objects.create_superuser("grace").pk),
        content_type_id=str(ContentType.objects.get_for_model(Job).pk),
        object_id="i::text",
        object_repr="'a job'",
        action_flag="2",
        action_time="now()",
        change_message="'Replayed.'",
    )


def _reset_sequences() -> None:
    with connection.cursor() as cursor:
        for model in FILLED:
            table = model._meta.db_table
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), COALESCE((SELECT max(id) FROM {table}), 1))"
            )
