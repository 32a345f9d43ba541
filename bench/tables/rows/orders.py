"""Fills the orders of two years, with all their rows. The newest orders are not finished."""

from __future__ import annotations

import json

from bench.tables.rows.inserting import CONNECTIONS, SHOPS, Sizes, insert
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
from inventory.models import Reservation
from ops.secrets import encrypt

ADDRESS = json.dumps(
    {
        "name": "Ada Lovelace",
        "company": "",
        "address1": "Main Street 1",
        "address2": "",
        "city": "Berlin",
        "province": "",
        "zip": "10115",
        "country": "DE",
        "phone": "+49 30 1234567",
        "email": "ada@example.com",
    }
)

# A statement with parameters writes % as %%.
_ORDERS = """(SELECT i, now() - (%s - i) * interval '1 day' * 730 / %s AS at
               FROM generate_series(1, %s) AS i) AS made"""
_LINES = "(SELECT l, (l + 1) / 2 AS i FROM generate_series(1, %s) AS l) AS made"
_EXTERNAL_ID = f"'wms:order:shop-' || i %% {SHOPS} || '.myshopify.com:' || 5000000000000 + i || ':1'"


def fill_orders(sizes: Sizes) -> None:
    """Insert the orders. Order i belongs to shop 1 + i % 20, and its first warehouse has it. Its lines are 2i - 1 and
    2i."""
    _orders(sizes)
    _parts(sizes)
    _shipments(sizes)


def _orders(sizes: Sizes) -> None:
    n, unfinished = sizes.orders, sizes.open_orders
    state = f"""CASE WHEN i > {n - unfinished} THEN (ARRAY['at_warehouse', 'ready', 'held', 'waiting'])[1 + i %% 4]
                     WHEN i %% 50 = 0 THEN 'cancelled' WHEN i %% 97 = 0 THEN 'nothing_to_ship' ELSE 'shipped' END"""
    reason = f"""CASE WHEN i <= {n - unfinished} OR i %% 4 < 2 THEN ''
                      WHEN i %% 4 = 2 THEN 'no_warehouse' ELSE 'unpaid' END"""
    # The orders of one day are due to be erased. The addresses of one month are kept.
    erased = f"i < {n} - {n} * 31 / 730"
    insert(
        Order,
        _ORDERS,
        *(n, n, n),
        id="i",
        shop_id=f"1 + i %% {SHOPS}",
        shopify_order_id="5000000000000 + i",
        name="'#' || i",
        state=state,
        reason=reason,
        state_since="at",
        financial_status="'PAID'",
        placed_at="at",
        shopify_updated_at="at",
        country="'DE'",
        ship_to=f"CASE WHEN {erased} THEN '' ELSE '{encrypt(ADDRESS)}' END",
        erased_at=f"CASE WHEN {erased} THEN at + interval '30 days' END",
        shipping_method="'Standard'",
        routing='\'[{"name": "Warehouse", "outcome": "chosen", "warehouse": 1}]\'::jsonb',
        received_at="at",
        ready_at=f"CASE WHEN i > {n - unfinished} AND i %% 4 > 1 THEN NULL ELSE at END",
        read_at="at",
        owed_from=f"CASE WHEN i > {n - unfinished} AND i %% 4 IN (1, 2) THEN at END",
    )
    insert(
        OrderLine,
        _LINES,
        2 * n,
        id="l",
        order_id="i",
        shopify_line_id="7000000000000 + l",
        shopify_variant_id=f"1 + l %% {sizes.items}",
        sku=f"'SKU-' || (1 + l %% {sizes.items})",
        title="'A product of the shop'",
        quantity="2",
    )
    insert(
        FulfillmentOrder,
        "generate_series(1, %s) AS i",
        n,
        id="i",
        order_id="i",
        shopify_fulfillment_order_id="8000000000000 + i",
        status=f"CASE WHEN i > {n - unfinished} THEN 'OPEN' ELSE 'CLOSED' END",
        delivery_method="'SHIPPING'",
        location_id=f"1001 + 2 * (i %% {SHOPS})",
    )
    insert(
        FulfillmentOrderLine,
        "generate_series(1, %s) AS l",
        2 * n,
        fulfillment_order_id="(l + 1) / 2",
        shopify_line_id="9000000000000 + l",
        order_line_id="l",
        total_quantity="2",
        remaining_quantity=f"CASE WHEN (l + 1) / 2 > {n - unfinished} THEN 2 ELSE 0 END",
    )


def _has_part(sizes: Sizes) -> str:
    """Insert the WMS orders of the orders that a warehouse has or had."""
    finished = sizes.orders - sizes.open_orders
    return f"(i <= {finished} AND i %% 97 > 0 OR i > {finished} AND i %% 4 = 0)"


def _parts(sizes: Sizes) -> None:
    n, finished = sizes.orders, sizes.orders - sizes.open_orders
    insert(
        WmsOrder,
        f"{_ORDERS} WHERE {_has_part(sizes)}",
        *(n, n, n),
        id="i",
        order_id="i",
        part="1",
        warehouse_id=f"1 + 2 * (i %% {SHOPS})",
        external_id=_EXTERNAL_ID,
        wms_order_id="'W' || i",
        wms_status=f"CASE WHEN i > {finished} THEN 'accepted' WHEN i %% 50 = 0 THEN 'cancelled' ELSE 'shipped' END",
        status_at="at",
        attempt="1",
        attempt_at="at",
        outcome="'confirmed'",
        accepted_at="at + interval '3 seconds'",
        owed_from="at",
        lag="interval '3 seconds'",
        created_at="at",
    )
    insert(
        WmsOrderLine,
        f"{_LINES} WHERE {_has_part(sizes)}",
        2 * n,
        wms_order_id="i",
        order_line_id="l",
        item_code=f"'ITEM-' || (1 + l %% {sizes.items})",
        quantity="2",
        per_unit="1",
        shipped=f"CASE WHEN i > {finished} OR i %% 50 = 0 THEN 0 ELSE 2 END",
    )
    insert(
        Reservation,
        f"(SELECT l, (l + 1) / 2 AS i FROM generate_series({2 * finished + 1}, %s) AS l) AS made"
        f" JOIN inventory_cache AS level ON level.warehouse_id = 1 + 2 * (i %% {SHOPS})"
        f" AND level.item_code = 'ITEM-' || (1 + l %% {sizes.items}) WHERE i %% 4 = 0",
        2 * n,
        level_id="level.id",
        reference=_EXTERNAL_ID,
        quantity="2",
        state="'counted'",
        accepted_at="now()",
    )


def _shipments(sizes: Sizes) -> None:
    n, finished = sizes.orders, sizes.orders - sizes.open_orders
    shipped = "i %% 97 > 0 AND i %% 50 > 0"
    insert(
        Shipment,
        f"{_ORDERS} WHERE {shipped}",
        *(n, n, finished),
        id="i",
        connection_id=f"1 + (i %% {SHOPS}) %% {CONNECTIONS}",
        wms_shipment_id="'S' || i",
        wms_order_ref="'W' || i",
        wms_order_id="i",
        state="CASE WHEN i %% 5000 = 1 THEN 'held' ELSE 'fulfilled' END",
        tracking_number="'00340' || i",
        carrier_code="'dhl'",
        shipped_at="at",
        received_at="at",
        emitted_at="at - interval '1 second'",
        attempt_at="at",
        shopify_fulfillment_id="CASE WHEN i %% 5000 = 1 THEN NULL ELSE 6000000000000 + i END",
        fulfilled_at="CASE WHEN i %% 5000 = 1 THEN NULL ELSE at + interval '4 seconds' END",
    )
    lines = f"{_LINES} WHERE {shipped}"
    item = f"'ITEM-' || (1 + l %% {sizes.items})"
    insert(ShipmentLine, lines, 2 * finished, shipment_id="i", item_code=item, quantity="2")
    insert(ShipmentUnit, lines, 2 * finished, shipment_id="i", order_line_id="l", quantity="2")
