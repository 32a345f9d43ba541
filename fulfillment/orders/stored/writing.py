"""Writes rows of an order's lines and fulfilment orders that a reading shows otherwise, with one statement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine, OrderLine

LINE = (
    "shopify_variant_id",
    "variant_is_gone",
    "sku",
    "title",
    "quantity",
    "requires_shipping",
    "is_gift_card",
)
FULFILLMENT_ORDER = (
    "status",
    "request_status",
    "location_id",
    "is_ours",
    "at_foreign_service",
    "delivery_method",
    "fulfill_at",
    "hold_reason",
)

_LINE_KEY = ("order_id", "shopify_line_id")
_FULFILLMENT_ORDER_KEY = ("order_id", "shopify_fulfillment_order_id")
_REQUEST_KEY = ("fulfillment_order_id", "shopify_line_id")
_REQUEST = ("order_line_id", "total_quantity", "remaining_quantity")
_DATED = (*FULFILLMENT_ORDER, "shopify_updated_at")


def _upsert(table: str, source: str, *, key: Sequence[str], fields: Sequence[str]) -> str:
    """A part of a statement that inserts rows, or updates those with the same key, and returns their ids."""
    columns = ", ".join((*key, *fields))
    new_values = ", ".join(f"{name} = EXCLUDED.{name}" for name in fields)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}"  # noqa: S608
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {new_values} RETURNING id, {', '.join(key)}"
    )


# What a fulfilment order asks for may belong to rows that are new: then Shopify's ids say to which.
_REQUESTED = """
(SELECT COALESCE(asked.fulfillment_order_id, works.id) AS fulfillment_order_id, asked.shopify_line_id,
        COALESCE(asked.order_line_id, lines.id) AS order_line_id, asked.total_quantity, asked.remaining_quantity
   FROM json_to_recordset(%(requests)s::json) AS asked (fulfillment_order_id bigint, work bigint, order_line_id bigint,
        line bigint, shopify_line_id bigint, total_quantity int, remaining_quantity int)
   LEFT JOIN works ON works.shopify_fulfillment_order_id = asked.work
   LEFT JOIN lines ON lines.shopify_line_id = asked.line) AS asked
"""

_WRITE = "".join(
    (
        "WITH lines AS (",
        _upsert(
            "order_line_items",
            "json_populate_recordset(NULL::order_line_items, %(lines)s::json)",
            key=_LINE_KEY,
            fields=LINE,
        ),
        "), works AS (",
        _upsert(
            "fulfillment_fulfillmentorder",
            "json_populate_recordset(NULL::fulfillment_fulfillmentorder, %(works)s::json)",
            key=_FULFILLMENT_ORDER_KEY,
            fields=_DATED,
        ),
        "), requests AS (",
        _upsert("fulfillment_fulfillmentorderline", _REQUESTED, key=_REQUEST_KEY, fields=_REQUEST),
        """)
SELECT (SELECT json_object_agg(shopify_line_id, id) FROM lines),
       (SELECT json_object_agg(shopify_fulfillment_order_id, id) FROM works),
       (SELECT json_object_agg(concat(fulfillment_order_id, ' ', shopify_line_id), id) FROM requests)
""",
    )
)


def write_rows(
    lines: Sequence[OrderLine], works: Sequence[FulfillmentOrder], requests: Sequence[FulfillmentOrderLine]
) -> None:
    """Store these rows of an order, which is locked. The new ones get their ids. Nothing is run if there are none."""
    if not (lines or works or requests):
        return
    asked = [
        {
            "work": each.fulfillment_order.shopify_fulfillment_order_id,
            "line": each.order_line.shopify_line_id,
            **_values(each, (*_REQUEST_KEY, *_REQUEST)),
        }
        for each in requests
    ]
    values = {
        "lines": _json_of(_values(line, (*_LINE_KEY, *LINE)) for line in lines),
        "works": _json_of(_values(work, (*_FULFILLMENT_ORDER_KEY, *_DATED)) for work in works),
        "requests": _json_of(asked),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)
        line_ids, work_ids, request_ids = (found or {} for found in cursor.fetchone())
    for line in lines:
        line.id = line_ids[str(line.shopify_line_id)]
    for work in works:
        work.id = work_ids[str(work.shopify_fulfillment_order_id)]
    for each in requests:
        # Set again, because their ids are known now.
        each.fulfillment_order, each.order_line = (each.fulfillment_order, each.order_line)
        each.id = request_ids[f"{each.fulfillment_order_id} {each.shopify_line_id}"]


def _values(row: Model, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _json_of(rows: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(rows), default=str)  # only times need it
