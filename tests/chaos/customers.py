"""What customers, merchants and warehouse people do in a run: planned from a seed, then acted out at a steady rate."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tests.end_to_end.people import People, Placed
from tests.end_to_end.stack import Stack
from tests.end_to_end.world import BERLIN, ITEMS, LYON, SHOPS, House, Shop
from tests.world import End

# Shop -> country -> which warehouse serves it first. South ships in two parcels where it can, and a kit or pack
# whose pieces leave in different parcels is one fulfilment in the end: kits and packs are sold to the north only.
MARKETS = ((BERLIN, "DE"), (BERLIN, "AT"), (BERLIN, "FR"), (LYON, "FR"), (LYON, "BE"), (LYON, "DE"))
NORTH = {(BERLIN.domain, "DE"), (BERLIN.domain, "AT"), (LYON.domain, "DE")}
CANCELLED, UNPAID, COUNTED = 0.08, 0.06, 0.05
"""Shares of the orders: cancelled later, paid later, accompanied by a count of some shelf."""
PLENTY = 1_000_000
"""On every shelf: no order may wait for stock, a count finds a few units more or less."""


@dataclass(frozen=True)
class Wish:
    """One order to be placed `at` seconds. `lines`: (index of the product, units)."""

    at: float
    shop: Shop
    country: str
    lines: tuple[tuple[int, int], ...]
    pay_after: float | None
    cancel_after: float | None


@dataclass(frozen=True)
class Count:
    """`at` seconds somebody finds `delta` units more on a shelf."""

    at: float
    house: House
    item: str
    delta: int


def wishes(orders: int, *, rate: float, seed: int) -> list[Wish]:
    """The orders of a run, `rate` a second."""
    dice = random.Random(f"orders {seed}")
    return [_wish(number / rate, dice) for number in range(orders)]


def _wish(at: float, dice: random.Random) -> Wish:
    shop, country = dice.choice(MARKETS)
    for_sale = range(len(shop.products)) if (shop.domain, country) in NORTH else range(2)
    chosen = dice.sample(for_sale, dice.choice((1, 1, 2)))
    return Wish(
        at=at,
        shop=shop,
        country=country,
        lines=tuple((product, dice.randint(1, 3)) for product in chosen),
        pay_after=dice.uniform(1, 6) if dice.random() < UNPAID else None,
        cancel_after=dice.uniform(0.1, 8) if dice.random() < CANCELLED else None,
    )


def counts(seconds: float, *, orders: int, seed: int) -> list[Count]:
    """When somebody counts a shelf."""
    dice = random.Random(f"counts {seed}")
    houses = [house for shop in SHOPS for house in shop.houses]
    made = (
        Count(dice.uniform(0, seconds), dice.choice(houses), dice.choice(ITEMS), dice.randint(-9, 20))
        for _ in range(round(orders * COUNTED))
    )
    return sorted(made, key=lambda each: each.at)


@dataclass
class Placements:
    """What was done. `since`: Placed -> time from which it might ship (paid)."""

    since: dict[Placed, float] = field(default_factory=dict)
    cancelled: set[Placed] = field(default_factory=set)
    too_late: set[Placed] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    late: float = 0.0


class Customers(threading.Thread):
    """Acts the plan out. Its own connections to the sandbox: sessions are not shared between threads."""

    def __init__(self, stack: Stack, orders: Sequence[Wish], shelves: Sequence[Count]) -> None:
        super().__init__(name="customers", daemon=True)
        own = replace(stack, shopify=End(stack.shopify.root), wms=End(stack.wms.root))
        self.people, self.made, self.numbers = People(own), Placements(), iter(range(10**9))
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        for wish in orders:
            self._plan(wish.at, partial(self._order, wish))
        for count in shelves:
            self._plan(count.at, partial(self._count, count))

    def run(self) -> None:
        """Until nothing is planned any more."""
        began = time.monotonic()
        while self.agenda:
            at, _, act = heapq.heappop(self.agenda)
            wait = at - (time.monotonic() - began)
            if wait > 0:
                time.sleep(wait)
            self.made.late = max(self.made.late, -wait)
            try:
                act()
            except (AssertionError, OSError) as error:
                self.made.broken.append(f"{error!r}")

    def _plan(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (at, next(self.numbers), act))

    def _order(self, wish: Wish) -> None:
        lines = [(wish.shop.products[index], units) for index, units in wish.lines]
        paid = wish.pay_after is None
        placed = self.people.order(wish.shop, wish.country, *lines, paid=paid)
        if paid:
            self.made.since[placed] = time.time()
        else:
            self._plan(wish.at + (wish.pay_after or 0), partial(self._pay, placed))
        if wish.cancel_after is not None:
            later = wish.at + (wish.pay_after or 0) + wish.cancel_after
            self._plan(later, partial(self._cancel, placed))

    def _pay(self, placed: Placed) -> None:
        self.made.since[placed] = time.time()
        self.people.merchant(placed, "pay")

    def _cancel(self, placed: Placed) -> None:
        """Shopify itself refuses once something was fulfilled: that customer comes too late."""
        url = (
            f"{self.people.stack.shopify.root}/_sandbox/shops/{placed.shop.domain}/orders/{placed.id}/cancel"
        )
        answer = self.people.stack.shopify.http.post(url, json={}, timeout=10)
        assert answer.status_code in (200, 409), answer.text
        (self.made.cancelled if answer.ok else self.made.too_late).add(placed)

    def _count(self, count: Count) -> None:
        body = {"warehouse": count.house.code, "item": count.item, "delta": count.delta}
        self.people.stack.wms.post(f"/connections/{count.house.slug}/stock", body)
