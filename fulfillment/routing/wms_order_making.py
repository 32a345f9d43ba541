"""Stores what a routing made: the WMS order, its lines, and the decision beside the order. One statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from fulfillment.models import WmsOrder, WmsOrderLine
from fulfillment.routing.choice import Decision

# The order's lag stops: the new part has it from now on.
_STORE = """
WITH part AS (
    INSERT INTO wms_order_map (order_id, part, warehouse_id, external_id, wms_order_id, wms_status, attempt, outcome,
                               outcome_detail, owed_from)
    VALUES (%(order)s, %(part)s, %(warehouse)s, %(external_id)s, '', %(status)s, 0, %(outcome)s, '', %(lag_started_at)s)
    RETURNING id),
lines AS (
    INSERT INTO fulfillment_wmsorderline (wms_order_id, order_line_id, item_code, quantity, per_unit, shipped)
    SELECT part.id, order_line, item, quantity, per_unit, 0
    FROM part, unnest(%(order_lines)s::bigint[], %(items)s::text[], %(quantities)s::int[], %(per_unit)s::int[])
        AS line (order_line, item, quantity, per_unit)),
decided AS (
    UPDATE fulfillment_order SET routing = %(decision)s::jsonb, owed_from = NULL WHERE id = %(order)s)
SELECT id FROM part
"""


def store(row: WmsOrder, lines: Sequence[WmsOrderLine], *, decision: Decision) -> None:
    """Store a new WMS order, which gets its id, with its lines and the decision. The order is locked."""
    values: dict[str, Any] = {
        "order": row.order_id,
        "part": row.part,
        "warehouse": row.warehouse_id,
        "external_id": row.external_id,
        "status": str(row.wms_status),
        "outcome": str(row.outcome),
        "lag_started_at": row.lag_started_at,
        "order_lines": [line.order_line_id for line in lines],
        "items": [line.item_code for line in lines],
        "quantities": [line.quantity for line in lines],
        "per_unit": [line.per_unit for line in lines],
        "decision": json.dumps(decision.as_json()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORE, values)
        (row.id,) = cursor.fetchone()
    for line in lines:
        line.wms_order = row
