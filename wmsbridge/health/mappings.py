"""How much of what is ordered no SKU mapping knows."""

from __future__ import annotations

from wmsbridge.health.measuring import Metric, Reading, numbers

_UNMAPPED = """
SELECT count(*) FILTER (WHERE state = 'held' AND reason = 'unmapped_sku'), count(*)
  FROM fulfillment_order WHERE received_at > now() - interval '24 hours'
"""


def unmapped_sku_rate() -> Reading:
    """Percent of the orders received in the last 24 hours that an unmapped SKU holds."""
    held, received = numbers(_UNMAPPED)
    share = 100 * held / received if received else 0.0
    return Reading(share, f"{held:.0f} of {received:.0f} orders", {"orders": held})


UNMAPPED_SKU_RATE = Metric(
    name="unmapped_sku_rate",
    label="Unmapped SKU rate",
    unit="percent",
    labels=("count",),
    definition="Percent of the orders received in the last 24 hours that an unmapped SKU holds.",
    advice="Open the alerts of kind «unmapped_sku» and map each SKU (SKU mappings, or import_skus with a "
    "CSV): the held orders go on by themselves.",
    read=unmapped_sku_rate,
)
