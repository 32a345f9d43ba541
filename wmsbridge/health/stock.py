"""How old the stock is that Shopify shows."""

from __future__ import annotations

from wmsbridge.health.measuring import Metric, Reading, numbers

_STOCK = """
SELECT extract(epoch FROM now() - min(push_due_since)), count(*)
  FROM inventory_cache WHERE push_due_since IS NOT NULL
"""


def stock_sync_lag() -> Reading:
    """Seconds since the stock level changed that Shopify has not been told of for longest."""
    oldest, due = numbers(_STOCK)
    return Reading(oldest, f"{due:.0f} levels to be told", {"levels": due})


STOCK_SYNC_LAG = Metric(
    name="stock_sync_lag",
    label="Stock sync lag",
    unit="seconds",
    labels=("count",),
    definition="Seconds since the stock level changed that Shopify has not been told of for longest.",
    advice="Look at the jobs «inventory.push» and the shop's lane: is the shop's access revoked, its "
    "budget used up, or the inventory worker down? Until then Shopify may sell what is not there.",
    read=stock_sync_lag,
)
