"""What customers, merchants and warehouse people do in a run: the plan, acted out."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tests.chaos.people.plans import Count, Fate, Wish
from tests.end_to_end.people import People, Placed
from tests.end_to_end.stack import Stack
from tests.end_to_end.world import Product
from tests.world import End


@dataclass
class Placements:
    """What was done. `since`: Placed -> time from which it might ship (paid)."""

    fates: dict[Placed, Fate] = field(default_factory=dict)
    since: dict[Placed, float] = field(default_factory=dict)
    cancelled: set[Placed] = field(default_factory=set)
    too_late: set[Placed] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    late: float = 0.0


class Customers(threading.Thread):
    """Acts the plan out. Its own connections to the sandbox: sessions are not shared between threads."""

    def __init__(
        self, stack: Stack, novelties: Mapping[str, Product], orders: Sequence[Wish], shelves: Sequence[Count]
    ) -> None:
        super().__init__(name="customers", daemon=True)
        own = replace(stack, shopify=End(stack.shopify.root), wms=End(stack.wms.root))
        self.people, self.made, self.numbers = People(own), Placements(), iter(range(10**9))
        self.novelties = novelties
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        for wish in orders:
            self._plan(wish.at, partial(self.order, wish))
        for count in shelves:
            self._plan(count.at, partial(self.count, count))

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

    def order(self, wish: Wish) -> None:
        """Somebody orders; the rest of the order's story is planned."""
        products = (*wish.shop.products, self.novelties[wish.shop.domain])
        lines = [(products[index], units) for index, units in wish.lines]
        paid = wish.pay_after is None and wish.fate != Fate.NEVER_PAID
        nowhere = {"address": None} if wish.fate == Fate.NO_ADDRESS else {}
        placed = self.people.order(wish.shop, wish.country, *lines, paid=paid, **nowhere)
        self.made.fates[placed] = wish.fate
        if wish.fate in (Fate.UNSERVED, Fate.NO_ADDRESS):
            self.people.stack.unserved.add((wish.shop.domain, placed.id))
        if paid:
            self.made.since[placed] = time.time()
        elif wish.pay_after is not None:
            self._plan(wish.at + wish.pay_after, partial(self._pay, placed))
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

    def count(self, count: Count) -> None:
        """Somebody counts a shelf."""
        body = {"warehouse": count.house.code, "item": count.item, "delta": count.delta}
        self.people.stack.wms.post(f"/connections/{count.house.slug}/stock", body)
