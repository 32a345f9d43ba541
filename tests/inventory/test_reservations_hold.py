"""Whatever happens in whatever order, never more is reserved than lies on the shelf, and the sums are right.

A simulated warehouse knows the truth; what it tells arrives late, twice, or out of order.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

import pytest
from django.db.models import Q, Sum
from django.utils import timezone
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from inventory import reservations
from inventory.models import Reservation, StockLevel
from inventory.reservations import Need
from inventory.stock import levels
from inventory.stock.levels import Observation
from tests.builders import make_connection, make_shop, make_warehouse
from tests.steps import Steps, drawn, same_every_time, seeds

numbers = itertools.count()


@dataclass
class Order:
    reference: str
    open: int
    accepted: bool = False
    confirmed: bool = False


which = range(21)
STEPS: Steps = {
    "order": (4, (range(1, 7), range(2), range(3))),
    "accept_or_confirm": (3, (which,)),
    "cancel": (2, (which,)),
    "ship": (4, (which, range(1, 7), [False, True])),
    "learn_of_shipment": (3, (which,)),
    "receive": (2, (range(1, 6),)),
    "tell": (3, ()),
    "deliver": (4, (which, [False, True])),
    "catch_up": (1, ()),
}


class Shelf(RuleBasedStateMachine):
    """One item on one shelf that serves two shops; the time is logical."""

    basis = "available"
    reached: ClassVar[Counter[str]] = Counter()

    @initialize(seed=seeds)
    def stock(self, seed: int) -> None:
        self.chance = Random(seed)
        units, number = self.chance.randint(0, 12), next(numbers)
        account = make_connection(f"wms-{number}", stock_basis=self.basis)
        shops = [make_shop(f"{name}-{number}.myshopify.com") for name in ("one", "two")]
        self.warehouses = [make_warehouse(shop, account, wms_warehouse_code="X") for shop in shops]
        self.shelf, self.orders, self.letters = units, list[Order](), list[Observation]()
        self.parcels: list[tuple[str, int, datetime]] = []
        self.ticks = itertools.count()
        self.start = timezone.now() - timedelta(days=1)
        self.tell()
        self.deliver(0)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=next(self.ticks))

    def reserved(self) -> int:
        return sum(order.open for order in self.orders)

    def free(self) -> int:
        ids = [warehouse.pk for warehouse in self.warehouses]
        units = set(reservations.free(ids, ["MUG"]).values())
        assert len(units) == 1
        return units.pop()

    @rule()
    def anything(self) -> None:
        name, how = drawn(STEPS, self.chance)
        if getattr(self, name)(*how) is not False:
            self.reached[name] += 1

    def one_of(self, orders: list[Order], number: int) -> Order | None:
        return orders[number % len(orders)] if orders else None

    def order(self, units: int, shop: int, steps: int) -> None:
        free, reference = self.free(), f"order-{next(numbers)}"
        short = reservations.reserve_new(reference, [Need(self.warehouses[shop].pk, "MUG", units)])
        assert bool(short) == (units > free)
        if not short:
            self.orders.append(Order(reference, units, accepted=steps > 0))
            if steps > 1:
                self.confirm(self.orders[-1])

    def accept_or_confirm(self, number: int) -> bool:
        order = self.one_of([order for order in self.orders if not order.confirmed], number)
        if order is None:
            return False
        if order.accepted:
            self.confirm(order)
        order.accepted = True
        return True

    def confirm(self, order: Order) -> None:
        if reservations.confirm(order.reference):
            Reservation.objects.filter(reference=order.reference, shipped_at=None).update(
                accepted_at=self.now()
            )
        order.confirmed = True

    def cancel(self, number: int) -> bool:
        under_way = {reference for reference, *_ in self.parcels}
        order = self.one_of([order for order in self.orders if order.reference not in under_way], number)
        if order is None:
            return False
        self.orders.remove(order)
        reservations.release(order.reference)
        return True

    def ship(self, number: int, most: int, learn: bool) -> bool:
        order = self.one_of([order for order in self.orders if order.accepted and order.open], number)
        if order is None:
            return False
        units = min(most, order.open)
        order.open -= units
        self.shelf -= units
        self.parcels.append((order.reference, units, self.now()))
        if learn:
            self.learn_of_shipment(len(self.parcels) - 1)
        return True

    def learn_of_shipment(self, which: int) -> bool:
        if not self.parcels:
            return False
        reference, units, at = self.parcels.pop(which % len(self.parcels))
        reservations.ship(reference, {"MUG": units}, shipped_at=at)
        return True

    def receive(self, units: int) -> None:
        self.shelf += units

    def tell(self) -> None:
        allocated = sum(order.open for order in self.orders if order.accepted)
        self.letters.append(Observation("MUG", self.shelf - allocated, self.shelf, self.now()))

    def deliver(self, which: int, again: bool = False) -> bool:
        if not self.letters:
            return False
        letter = self.letters[which % len(self.letters)]
        levels.apply(self.warehouses[which % 2], [letter], source="event")
        if not again:
            self.letters.remove(letter)
        return True

    def catch_up(self) -> None:
        """Everything that is under way arrives: then we know exactly what is free."""
        for order in self.orders:
            if order.accepted and not order.confirmed:
                self.confirm(order)
        while self.parcels:
            self.learn_of_shipment(0)
        self.tell()
        self.deliver(len(self.letters) - 1)
        assert self.free() == self.shelf - self.reserved()

    @invariant()
    def reserved_is_the_sum_of_what_is_held(self) -> None:
        held = Sum("reservations__quantity", filter=Q(reservations__state="held"))
        levels = StockLevel.objects.filter(warehouse__in=self.warehouses).annotate(held=held)
        for reserved, units in levels.values_list("reserved", "held"):
            assert reserved == (units or 0)

    @invariant()
    def no_more_is_free_than_lies_there_unpromised(self) -> None:
        assert self.shelf >= self.reserved()
        assert self.free() <= self.shelf - self.reserved()


class OnHandShelf(Shelf):
    basis = "on_hand"


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [Shelf, OnHandShelf])
def test_reservations_hold(machine: type[Shelf]) -> None:
    machine.reached.clear()
    run_state_machine_as_test(machine, settings=same_every_time(examples=8, steps=40))
    assert all(machine.reached[name] >= 2 for name in STEPS), machine.reached
