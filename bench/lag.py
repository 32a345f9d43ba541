"""How long orders take from payment to the warehouse, by the sandbox's books alone."""

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

SETTLES, LOOK_EVERY = 120.0, 2.0
"""Patience, and seconds between two looks at the books: they are large, and the simulated WMS is busy."""


@dataclass(frozen=True)
class Lags:
    """Seconds from payment to the order's existence at a WMS, ascending; those of `missing` orders go on growing."""

    seconds: Sequence[float]
    missing: int = 0

    def percentile(self, share: int) -> float:
        """The value that `share` % of the orders do not exceed (nearest rank)."""
        return self.seconds[max(0, math.ceil(len(self.seconds) * share / 100) - 1)]

    def __add__(self, other: Lags) -> Lags:
        return Lags(sorted([*self.seconds, *other.seconds]), self.missing + other.missing)

    def __str__(self) -> str:
        if not self.seconds:
            return "no order"
        told = (f"p{share} {self.percentile(share):.2f}" for share in (50, 90, 99))
        missing = f", {self.missing} NOT THERE" if self.missing else ""
        return f"{', '.join(told)}, max {self.seconds[-1]:.2f} s ({len(self.seconds)} orders{missing})"


class Customers(threading.Thread):
    """Place paid orders at one shop at a steady, slightly uneven pace. `paid`: order -> time of its payment."""

    def __init__(self, stack: Stack, shop: Shop, country: str, *, every: float, orders: int = 10**9) -> None:
        super().__init__(name=f"customers of {shop.domain}", daemon=True)
        own = replace(stack, shopify=End(stack.shopify.root))  # sessions are not shared between threads
        self.people, self.shop, self.country = People(own), shop, country
        self.every, self.orders = every, orders
        self.paid: dict[Placed, float] = {}
        self.enough = threading.Event()

    def run(self) -> None:
        """Until so many are placed, or somebody says that it is enough."""
        dice = random.Random(self.shop.domain)  # noqa: S311
        began = time.monotonic()
        for number in range(self.orders):
            due = began + (number + dice.random()) * self.every
            if self.enough.wait(max(0.0, due - time.monotonic())):
                return
            now = time.time()
            self.paid[self.people.order(self.shop, self.country, (self.shop.mug, 1))] = now

    def stop(self) -> None:
        """No further orders."""
        self.enough.set()
        self.join()


def ordered(stack: Stack, shop: Shop, country: str, *, every: float, orders: int) -> Lags:
    """So many orders at this pace, waited for until each is at a WMS, or the patience is over."""
    customers = Customers(stack, shop, country, every=every, orders=orders)
    customers.start()
    customers.join()
    if len(customers.paid) < orders:
        raise RuntimeError(f"only {len(customers.paid)} of {orders} orders could be placed at {shop.domain}")
    wait_for(stack, customers.paid)
    return lags(stack, customers.paid)


def wait_for(stack: Stack, paid: Iterable[Placed], *, seconds: float = SETTLES) -> int:
    """Until a WMS has each of them, or so long; returns how many are missing."""
    wanted, deadline = {_name(placed) for placed in paid}, time.monotonic() + seconds
    while missing := len(wanted - arrivals(stack).keys()):
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_EVERY)
    return missing


def lags(stack: Stack, paid: Mapping[Placed, float]) -> Lags:
    """Of all these orders; one that is at no WMS has taken until now at least."""
    at_wms, now = arrivals(stack), time.time()
    taken = sorted(at_wms.get(_name(placed), now) - since for placed, since in paid.items())
    return Lags(taken, missing=sum(_name(placed) not in at_wms for placed in paid))


def arrivals(stack: Stack) -> dict[str, float]:
    """Order -> the first time at which it existed at a WMS."""
    found: dict[str, float] = {}
    for books in stack.wms.get("/books")["connections"].values():
        for order in books["orders"]:
            name = order["externalOrderId"].rsplit(":", 1)[0]
            at = datetime.fromisoformat(order["created_at"]).timestamp()
            found[name] = min(at, found.get(name, at))
    return found


def _name(placed: Placed) -> str:
    return f"wms:order:{placed.shop.domain}:{placed.id}"
