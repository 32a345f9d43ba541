"""The age of our stock: for each warehouse, the actively sold item whose last sync is the oldest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from inventory.stock.reconcile import FULL_READ_EVERY
from wms.adapters import DECLARED
from wms.adapters.base import Capability

SOLD_WITHIN = timedelta(days=7)
"""An item is actively sold if units of it were reserved for an order of the shop within this time, at any warehouse."""

MOST_SOLD = 100
"""If a WMS is late, this many items of a warehouse are examined: those that were sold last."""

# A place is a warehouse in use. An item at a place was last synced at the latest of three times: its last event; the
# run in progress, if that named it; the last run that ended, unless the last full run did not name it. OFFSET 0 makes
# the planner use an index for each row: it overestimates the rows, and would otherwise read whole catalogues.
_OLDEST = """
WITH place AS MATERIALIZED (
    SELECT w.id, w.shop_id, w.created_at, mark.updated_since, mark.started_at, mark.full_at,
           (mark.updated_since > now() - each.every) IS NOT TRUE AS late, each.every
      FROM warehouse_locations w
      JOIN wms_connection c ON c.id = w.connection_id
      JOIN shops_shop s ON s.id = w.shop_id
      LEFT JOIN inventory_watermark mark ON mark.connection_id = c.id
      CROSS JOIN LATERAL (SELECT CASE WHEN c.adapter = ANY(%(adapters)s)
                                       AND (c.capabilities IS NULL OR %(delta)s = ANY(c.capabilities))
                                      THEN %(often)s ELSE %(daily)s END AS every) AS each
     WHERE w.is_active AND c.is_active AND s.is_active),
sold_here AS MATERIALIZED (
    SELECT place.id, sold.item_code
      FROM place CROSS JOIN LATERAL (
               SELECT item_code FROM inventory_cache
                WHERE warehouse_id = place.id AND promised_at > now() - %(lately)s
                ORDER BY promised_at DESC LIMIT 1) AS sold
    UNION ALL
    SELECT place.id, sold.item_code
      FROM place CROSS JOIN LATERAL (
               SELECT item_code FROM inventory_cache
                WHERE warehouse_id = place.id AND promised_at > now() - %(lately)s
                ORDER BY promised_at DESC LIMIT %(most)s) AS sold
     WHERE place.late),
sold_elsewhere AS (
    SELECT place.id, here.item_code
      FROM place
      JOIN warehouse_locations other ON other.shop_id = place.shop_id
      CROSS JOIN LATERAL (
               SELECT item_code FROM inventory_cache
                WHERE warehouse_id = other.id AND promised_at > now() - %(lately)s
                ORDER BY promised_at DESC LIMIT %(most)s) AS sold
      CROSS JOIN LATERAL (
               SELECT shopify_variant_id FROM wms_sku_map
                WHERE warehouse_id = other.id AND wms_item_code = sold.item_code AND is_active OFFSET 0) AS there
      CROSS JOIN LATERAL (
               SELECT wms_item_code AS item_code FROM wms_sku_map
                WHERE shop_id = place.shop_id AND shopify_variant_id = there.shopify_variant_id
                  AND warehouse_id = place.id AND is_active OFFSET 0) AS here
     WHERE place.late AND NOT EXISTS (SELECT FROM sold_here WHERE sold_here.id = place.id)),
left_out AS (
    SELECT place.id, gone.item_code
      FROM place CROSS JOIN LATERAL (
               (SELECT item_code FROM inventory_cache
                 WHERE warehouse_id = place.id AND read_at < place.full_at AND promised_at > now() - %(lately)s
                 ORDER BY read_at LIMIT %(most)s)
               UNION ALL
               (SELECT item_code FROM inventory_cache
                 WHERE warehouse_id = place.id AND read_at IS NULL AND promised_at > now() - %(lately)s
                 LIMIT %(most)s)) AS gone
     WHERE place.full_at IS NOT NULL),
waited_for AS (
    SELECT place.id, key.item AS item_code, min(key.since) AS since
      FROM (SELECT split_part(name, ':', 2) AS warehouse, substr(name, 8 + length(split_part(name, ':', 2))) AS item,
                   parked_since AS since
              FROM ops_job CROSS JOIN LATERAL unnest(parked_on) AS name
             WHERE state = 'ready' AND NOT parked_on = '{}' AND name LIKE 'stock:%%') AS key
      JOIN place ON place.id::text = key.warehouse
     GROUP BY 1, 2),
due AS (
    SELECT level.warehouse_id AS id, level.item_code, level.push_due_since AS since
      FROM inventory_cache level
      JOIN warehouse_locations w ON w.id = level.warehouse_id
      JOIN shops_shop s ON s.id = w.shop_id
     WHERE level.push_due_since IS NOT NULL AND NOT level.push_compares AND w.is_active AND s.is_active
     ORDER BY level.push_due_since LIMIT 1),
found AS (
    SELECT CASE WHEN level.observed_at IS NULL AND place.updated_since IS NOT NULL
                THEN 'unknown' ELSE 'read' END AS step,
           item.id, item.item_code, place.every, level.promised_at,
           CASE WHEN level.observed_at IS NULL THEN COALESCE(waited_for.since, place.created_at)
                ELSE GREATEST(level.observed_at,
                              CASE WHEN level.read_at >= place.started_at THEN level.read_at END,
                              CASE WHEN level.read_at >= place.full_at OR place.full_at IS NULL
                                   THEN place.updated_since ELSE level.read_at END) END AS since
      FROM (TABLE sold_here UNION TABLE sold_elsewhere UNION TABLE left_out
            UNION SELECT id, item_code FROM waited_for) AS item
      JOIN place USING (id)
      LEFT JOIN waited_for USING (id, item_code)
      LEFT JOIN LATERAL (
               SELECT observed_at, read_at, promised_at FROM inventory_cache
                WHERE warehouse_id = item.id AND item_code = item.item_code OFFSET 0) AS level ON true
     WHERE level.observed_at IS NOT NULL OR place.updated_since IS NULL OR waited_for.since IS NOT NULL
    UNION ALL
    SELECT 'push', id, item_code, %(often)s, NULL, since FROM due),
worst AS (
    SELECT DISTINCT ON (step, id) found.*, mapping.shopify_sku
      FROM found
      LEFT JOIN LATERAL (
               SELECT m.id AS mapping_id, m.shopify_sku FROM wms_sku_map m
                WHERE m.warehouse_id = found.id AND m.wms_item_code = found.item_code AND m.is_active
                ORDER BY m.id LIMIT 1) AS mapping ON true
     WHERE mapping_id IS NOT NULL OR step = 'push'
     ORDER BY step, id, since, promised_at DESC NULLS LAST, item_code)
SELECT worst.step, worst.item_code, COALESCE(worst.shopify_sku, ''),
       w.name, w.wms_warehouse_code, c.slug, s.domain, worst.since, extract(epoch FROM now() - worst.since)::float,
       extract(epoch FROM worst.every)::float, COALESCE(lane.paused, false), COALESCE(lane.circuit, 'closed')
  FROM worst
  JOIN warehouse_locations w ON w.id = worst.id
  JOIN wms_connection c ON c.id = w.connection_id
  JOIN shops_shop s ON s.id = w.shop_id
  LEFT JOIN ops_lane lane
    ON lane.name = CASE WHEN worst.step = 'push' THEN 'shop:' || s.domain ELSE 'wms:' || c.slug END
 ORDER BY round(extract(epoch FROM now() - worst.since) / extract(epoch FROM worst.every), 2) DESC,
       worst.promised_at DESC NULLS LAST, s.domain, w.id
"""


@dataclass(frozen=True)
class Oldest:
    """The item at one warehouse that waits longest for one step of the sync. Times are in seconds."""

    step: str  # read: from the WMS; unknown: the WMS never named it; push: to Shopify
    item: str
    sku: str
    warehouse: str
    code: str
    wms: str
    shop: str
    since: datetime
    age: float
    every: float  # the interval at which it should be synced
    paused: bool  # whether the lane of that step is paused
    circuit: str

    @property
    def name(self) -> str:
        """The SKU or item, its warehouse and its shop."""
        item = f"{self.sku} (item {self.item})" if self.sku and self.sku != self.item else self.item
        return f"{item} at {self.warehouse} ({self.wms}/{self.code}), {self.shop}"


def oldest(*, often: timedelta) -> list[Oldest]:
    """Return one item for each warehouse in use and each step, most intervals late first. One statement.

    `often` is the interval at which a WMS that can report changes is read; others are read in full once a day.
    """
    parameters: dict[str, Any] = {
        "adapters": [name for name, can in DECLARED.items() if Capability.STOCK_DELTA in can],
        "delta": Capability.STOCK_DELTA.value,
        "often": often,
        "daily": FULL_READ_EVERY,
        "lately": SOLD_WITHIN,
        "most": MOST_SOLD,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, parameters)
        return [Oldest(*row) for row in cursor.fetchall()]
