"""Measures which part of the order lines has no SKU mapping."""

from __future__ import annotations

from typing import Any

from fulfillment import readiness
from fulfillment.shopify import our_locations
from wmsbridge.health.measuring import AlertText, Metric, Part, Reading, Unit, mappings

MOST_NAMED = 5
"""An alert names at most this many SKUs, those with the most lines first."""

# A line needs a mapping if it is goods that Shopify asks us to send: its order does not wait at Shopify, and it is at a
# location of ours (fulfillment.coverage). If the look-up of a line fails, its order is held
# (fulfillment.routing.preparation). So only the lines of held orders are looked up here, in the same way as the routing
# does it (fulfillment.routing.line_products): by the variant, else by a SKU that exactly one mapped variant has.
_UNMAPPED = """
WITH needed AS MATERIALIZED (
    SELECT l.id, l.order_id, o.shop_id, l.shopify_variant_id AS variant, l.variant_is_gone, l.sku, l.title,
           o.state = 'held' AND o.reason IN ('unmapped_sku', 'product_deleted') AS failed_before
      FROM fulfillment_order o JOIN order_line_items l ON l.order_id = o.id
     WHERE o.received_at > now() - interval '24 hours'
       AND o.state NOT IN ('waiting', 'cancelled', 'nothing_to_ship')
       AND l.quantity > 0 AND l.requires_shipping AND NOT l.is_gift_card
       AND EXISTS (SELECT FROM fulfillment_fulfillmentorderline w
                     JOIN fulfillment_fulfillmentorder f ON f.id = w.fulfillment_order_id
                    WHERE w.order_line_id = l.id AND f.is_ours AND NOT f.at_foreign_service
                      AND f.delivery_method = ANY(%(shipped)s))
), unmapped AS (
    SELECT * FROM needed n
     WHERE failed_before
       AND NOT EXISTS (SELECT FROM fulfillment_wmsorderline given WHERE given.order_line_id = n.id)
       AND EXISTS (SELECT FROM fulfillment_fulfillmentorderline w
                     JOIN fulfillment_fulfillmentorder f ON f.id = w.fulfillment_order_id
                    WHERE w.order_line_id = n.id AND w.remaining_quantity > 0 AND f.status = ANY(%(going)s))
       AND NOT EXISTS (SELECT FROM wms_sku_map m
                        WHERE m.shop_id = n.shop_id AND m.shopify_variant_id = n.variant AND m.is_active)
       AND NOT ((n.variant IS NULL OR n.variant_is_gone) AND n.sku <> ''
                AND 1 = (SELECT count(DISTINCT m.shopify_variant_id) FROM wms_sku_map m
                          WHERE m.shop_id = n.shop_id AND m.shopify_sku = n.sku AND m.is_active))
)
SELECT (SELECT count(*) FROM needed) AS needed, unmapped.*
  FROM (SELECT 1) AS one
  LEFT JOIN (
       SELECT s.domain, COALESCE(NULLIF(u.sku, ''), u.title) AS sku, count(*) AS lines,
              sum(count(*)) OVER () AS of_all, count(*) OVER () AS skus,
              (SELECT count(DISTINCT order_id) FROM unmapped) AS orders,
              (SELECT count(DISTINCT shop_id) FROM unmapped) AS shops
         FROM unmapped u JOIN shops_shop s ON s.id = u.shop_id
        GROUP BY 1, 2 ORDER BY lines DESC, domain, sku LIMIT %(most)s) unmapped ON true
"""


def unmapped_sku_rate() -> Reading:
    """Read the metric: the percentage of the order lines of the last 24 hours for which there is no mapping."""
    found = mappings(
        _UNMAPPED,
        shipped=list(our_locations.SHIPPED_METHODS),
        going=list(readiness.FULFILLABLE_STATUSES),
        most=MOST_NAMED,
    )
    needed, failing = int(found[0]["needed"]), int(found[0]["of_all"] or 0)
    orders = int(found[0]["orders"] or 0)
    parts: dict[Part, float] = {"lines": failing, "received": needed, "orders": orders}
    detail = f"{failing} of {needed} lines"
    if not failing:
        return Reading(0.0, detail, parts)
    named = _named(found)
    return Reading(
        100 * failing / needed,
        f"{detail}: {named}",
        parts,
        alert_text=_alert_text(found, detail, named, orders=orders),
    )


def _named(found: list[dict[str, Any]]) -> str:
    names = [f"{row['sku']} ({row['domain']}, {row['lines']}×)" for row in found]
    more = int(found[0]["skus"]) - len(found)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _alert_text(found: list[dict[str, Any]], detail: str, named: str, *, orders: int) -> AlertText:
    """The text of the alert. It names the shop if only one is affected."""
    return AlertText(
        title=f"{detail} are mapped nowhere",
        meaning=f"Of the order lines of the last 24 hours, {detail} have a SKU that no warehouse of their shop knows. "
        f"{orders} {'order waits' if orders == 1 else 'orders wait'} for these mappings: {named}.",
        shop=found[0]["domain"] if found[0]["shops"] == 1 else "",
    )


UNMAPPED_SKU_RATE = Metric(
    name="unmapped_sku_rate",
    label="Unmapped SKU rate",
    unit=Unit.PERCENT,
    labels=("count",),
    definition="The share of the order lines received in the last 24 hours whose SKU is looked up and mapped at no "
    "warehouse of the shop. Lines that we are to send count: goods at a Shopify location of ours, of orders that do "
    "not wait at Shopify and are not cancelled; no gift cards. A line stops failing as soon as it is mapped, removed, "
    "refunded or sent by others.",
    advice="Open the alerts of kind «unmapped_sku» and map each SKU (SKU mappings, or import_skus with a "
    "CSV). The orders that wait then continue by themselves.",
    read=unmapped_sku_rate,
)
