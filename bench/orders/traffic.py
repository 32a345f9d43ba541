"""Customers place orders, warehouses ship them, and the books say when each order reached its warehouse."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench import lag
from bench.lag import Lags
from tests.end_to_end.installation.world import BERLIN, LYON, SHOPS, Shop
from tests.world import Sandbox

COUNTRIES = {BERLIN.domain: "DE", LYON.domain: "FR"}
WAREHOUSE_PACE = {"pick_after": 0.5, "pack_after": 0.5, "ship_after": 0.5, "parts": 1}
"""Seconds between two steps of a simulated warehouse."""

Placed = tuple[str, int]
"""A shop's domain and the id of an order there."""


@dataclass(frozen=True)
class Arrivals:
    """When orders came to their warehouses. `seconds`: from the first payment to the last arrival."""

    lags: Lags
    seconds: float


def warehouses_ship(sandbox: Sandbox) -> None:
    """From now on the simulated warehouses pick, pack and ship each order by themselves."""
    for slug in sandbox.wms.get("/books")["connections"]:
        sandbox.wms.post(f"/connections/{slug}", {"auto": WAREHOUSE_PACE})


def place(sandbox: Sandbox, orders: int, *, within: float = 0.0) -> dict[Placed, float]:
    """Customers of both shops in turn place paid orders of two lines, evenly within so many seconds, or as fast as
    the simulated Shopify takes them. Returns (domain, order) -> the time of its payment.
    """
    paid: dict[Placed, float] = {}
    began = time.monotonic()
    for number in range(orders):
        time.sleep(max(0.0, began + within * number / orders - time.monotonic()))
        shop, now = SHOPS[number % len(SHOPS)], time.time()
        paid[shop.domain, _place_one(sandbox, shop)] = now
    return paid


def _place_one(sandbox: Sandbox, shop: Shop) -> int:
    lines = [{"variant_id": product.variant, "quantity": 1} for product in (shop.mug, shop.tee)]
    body = {"lines": lines, "country": COUNTRIES[shop.domain]}
    return int(sandbox.shopify.post(f"/shops/{shop.domain}/orders", body)["id"])


def fulfillments(sandbox: Sandbox) -> int:
    """Returns how many fulfilments Shopify has. This is cheap, so it can be asked while something is measured."""
    return int(sandbox.shopify.get("/counts")["made"].get("fulfillments/create", 0))


def arrivals(sandbox: Sandbox, paid: Mapping[Placed, float]) -> Arrivals:
    """Returns how long each of these orders took. Raises KeyError if one is at no WMS."""
    at_wms = lag.arrivals(sandbox.wms)
    arrived = {placed: at_wms["wms:order:{}:{}".format(*placed)] for placed in paid}
    return Arrivals(
        lags=Lags(sorted(arrived[placed] - paid[placed] for placed in paid)),
        seconds=max(arrived.values()) - min(paid.values()),
    )
