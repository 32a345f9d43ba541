"""Customers, merchants and warehouse people, who do in a run what the plan says."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tests.chaos.people.plans import Fate, PlannedCount, PlannedOrder
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.world import Product
from tests.end_to_end.people import People, Placed
from tests.world import End


@dataclass
class Placements:
    """What was done. `since` holds the time from which each order might ship, because it was paid."""

    fates: dict[Placed, Fate] = field(default_factory=dict)
    since: dict[Placed, float] = field(default_factory=dict)
    cancelled: set[Placed] = field(default_factory=set)
    too_late: set[Placed] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    late: float = 0.0


class Customers(threading.Thread):
    """Carries out the plan.

    It has its own connections to the sandbox, because threads must not share a session.
    """

    def __init__(
        self,
        stack: Stack,
        novelties: Mapping[str, Product],
        orders: Sequence[PlannedOrder],
        shelves: Sequence[PlannedCount],
    ) -> None:
        super().__init__(name="customers", daemon=True)
        own = replace(stack, shopify=End(stack.shopify.root), wms=End(stack.wms.root))
        self.people, self.made, self.numbers = People(own), Placements(), iter(range(10**9))
        self.novelties = novelties
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        for planned in orders:
            self._plan(planned.at, partial(self.order, planned))
        for count in shelves:
            self._plan(count.at, partial(self.count, count))

    def run(self) -> None:
        """Works until nothing is planned any more."""
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

    def order(self, planned: PlannedOrder) -> None:
        """Places an order, and plans its payment and its cancellation."""
        products = (*planned.shop.products, self.novelties[planned.shop.domain])
        lines = [(products[index], units) for index, units in planned.lines]
        paid = planned.pay_after is None and planned.fate != Fate.NEVER_PAID
        nowhere = {"address": None} if planned.fate == Fate.NO_ADDRESS else {}
        placed = self.people.order(planned.shop, planned.country, *lines, paid=paid, **nowhere)
        self.made.fates[placed] = planned.fate
        if planned.fate in (Fate.UNSERVED, Fate.NO_ADDRESS):
            self.people.stack.unserved.add((planned.shop.domain, placed.id))
        if paid:
            self.made.since[placed] = time.time()
        elif planned.pay_after is not None:
            self._plan(planned.at + planned.pay_after, partial(self._pay, placed))
        if planned.cancel_after is not None:
            later = planned.at + (planned.pay_after or 0) + planned.cancel_after
            self._plan(later, partial(self._cancel, placed))

    def _pay(self, placed: Placed) -> None:
        self.made.since[placed] = time.time()
        self.people.merchant(placed, "pay")

    def _cancel(self, placed: Placed) -> None:
        """Cancels an order. Shopify itself refuses once something was fulfilled, and then the customer is too late."""
        url = (
            f"{self.people.stack.shopify.root}/_sandbox/shops/{placed.shop.domain}/orders/{placed.id}/cancel"
        )
        answer = self.people.stack.shopify.http.post(url, json={}, timeout=10)
        assert answer.status_code in (200, 409), answer.text
        (self.made.cancelled if answer.ok else self.made.too_late).add(placed)

    def count(self, count: PlannedCount) -> None:
        """Changes the stock as a count does."""
        body = {"warehouse": count.house.code, "item": count.item, "delta": count.delta}
        self.people.stack.wms.post(f"/connections/{count.house.slug}/stock", body)
