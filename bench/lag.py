"""Measures how long orders take from payment to the warehouse. Only the books of the sandbox are read."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.world import Shop
from tests.end_to_end.people import People, Placed
from tests.world import End

WAIT_SECONDS, LOOK_EVERY = 120.0, 2.0
"""The longest wait for all orders, and the wait between two looks at the books, in seconds. The books are large, and
the simulated WMS is busy."""


@dataclass(frozen=True)
class Lags:
    """Seconds from the payment of each order to its arrival at a WMS, ascending.

    Orders that have not arrived (`missing`) count with their time until now.
    """

    seconds: Sequence[float]
    missing: int = 0

    def percentile(self, percent: int) -> float:
        """The number of seconds that `percent` % of the orders do not exceed (nearest rank)."""
        return self.seconds[max(0, math.ceil(len(self.seconds) * percent / 100) - 1)]

    def __add__(self, other: Lags) -> Lags:
        return Lags(sorted([*self.seconds, *other.seconds]), self.missing + other.missing)

    def __str__(self) -> str:
        if not self.seconds:
            return "no order"
        percentiles = (f"p{percent} {self.percentile(percent):.2f}" for percent in (50, 90, 99))
        missing = f", {self.missing} NOT THERE" if self.missing else ""
        return f"{', '.join(percentiles)}, max {self.seconds[-1]:.2f} s ({len(self.seconds)} orders{missing})"


class Customers(threading.Thread):
    """Places paid orders at one shop, at a steady but slightly uneven pace. `paid` has the time of each payment."""

    def __init__(self, stack: Stack, shop: Shop, country: str, *, every: float, orders: int = 10**9) -> None:
        super().__init__(name=f"customers of {shop.domain}", daemon=True)
        own = replace(stack, shopify=End(stack.shopify.root))  # threads must not share a session
        self.people, self.shop, self.country = People(own), shop, country
        self.every, self.orders = every, orders
        self.paid: dict[Placed, float] = {}
        self.stopping = threading.Event()

    def run(self) -> None:
        """Place the orders, until all are placed or `stop` is called."""
        rng = random.Random(self.shop.domain)  # noqa: S311
        began = time.monotonic()
        for number in range(self.orders):
            due = began + (number + rng.random()) * self.every
            if self.stopping.wait(max(0.0, due - time.monotonic())):
                return
            now = time.time()
            self.paid[self.people.order(self.shop, self.country, (self.shop.mug, 1))] = now

    def stop(self) -> None:
        """Place no further orders, and wait for the thread."""
        self.stopping.set()
        self.join()


def measure_orders(stack: Stack, shop: Shop, country: str, *, every: float, orders: int) -> Lags:
    """Place this many orders at this pace, and wait until each is at a WMS, or until WAIT_SECONDS are over.

    Raises RuntimeError if an order could not be placed.
    """
    customers = Customers(stack, shop, country, every=every, orders=orders)
    customers.start()
    customers.join()
    if len(customers.paid) < orders:
        raise RuntimeError(f"only {len(customers.paid)} of {orders} orders could be placed at {shop.domain}")
    wait_for(stack, customers.paid)
    return lags(stack, customers.paid)


def wait_for(stack: Stack, paid: Iterable[Placed], *, seconds: float = WAIT_SECONDS) -> int:
    """Wait until a WMS has each of these orders, at most this many seconds. Returns how many are missing."""
    wanted, deadline = {_name(placed) for placed in paid}, time.monotonic() + seconds
    while missing := len(wanted - arrivals(stack.wms).keys()):
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_EVERY)
    return missing


def lags(stack: Stack, paid: Mapping[Placed, float]) -> Lags:
    """The lags of all these orders. An order that is at no WMS counts with its time until now."""
    at_wms, now = arrivals(stack.wms), time.time()
    taken = sorted(at_wms.get(_name(placed), now) - since for placed, since in paid.items())
    return Lags(taken, missing=sum(_name(placed) not in at_wms for placed in paid))


def arrivals(wms: End) -> dict[str, float]:
    """The first time at which each order existed at a WMS."""
    found: dict[str, float] = {}
    for books in wms.get("/books")["connections"].values():
        for order in books["orders"]:
            name = order["externalOrderId"].rsplit(":", 1)[0]
            at = datetime.fromisoformat(order["created_at"]).timestamp()
            found[name] = min(at, found.get(name, at))
    return found


def _name(placed: Placed) -> str:
    return f"wms:order:{placed.shop.domain}:{placed.id}"
