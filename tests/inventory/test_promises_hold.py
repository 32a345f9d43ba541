"""Whatever happens in whatever order: never more is promised than lies on the shelf, and the sums are right.

A simulated warehouse knows the truth; what it tells arrives late, twice, or out of order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import Q, Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inventory import levels, reservations
from inventory.levels import Observation
from inventory.models import Reservation, StockLevel
from inventory.reservations import Need
from tests.builders import make_connection, make_shop, make_warehouse

numbers = itertools.count()


@dataclass
class Order:
    reference: str
    open: int
    accepted: bool = False
    confirmed: bool = False


class Shelf(RuleBasedStateMachine):
    """One item on one shelf that serves two shops; the time is logical."""

    basis = "available"

    @initialize(units=st.integers(0, 12))
    def stock(self, units: int) -> None:
        number = next(numbers)
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

    def promised(self) -> int:
        return sum(order.open for order in self.orders)

    def free(self) -> int:
        ids = [warehouse.pk for warehouse in self.warehouses]
        units = set(reservations.free(ids, ["MUG"]).values())
        assert len(units) == 1
        return units.pop()

    @rule(units=st.integers(1, 6), shop=st.integers(0, 1), steps=st.integers(0, 2))
    def order(self, units: int, shop: int, steps: int) -> None:
        free, reference = self.free(), f"order-{next(numbers)}"
        short = reservations.reserve(reference, [Need(self.warehouses[shop].pk, "MUG", units)])
        assert bool(short) == (units > free)
        if not short:
            self.orders.append(Order(reference, units, accepted=steps > 0))
            if steps > 1:
                self.confirm(self.orders[-1])

    @precondition(lambda self: any(not order.confirmed for order in self.orders))
    @rule(data=st.data())
    def accept_or_confirm(self, data: Any) -> None:
        order = data.draw(st.sampled_from([order for order in self.orders if not order.confirmed]))
        if order.accepted:
            self.confirm(order)
        order.accepted = True

    def confirm(self, order: Order) -> None:
        if reservations.confirm(order.reference):
            Reservation.objects.filter(reference=order.reference, shipped_at=None).update(
                accepted_at=self.now()
            )
        order.confirmed = True

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        order = data.draw(st.sampled_from(self.orders))
        if not any(reference == order.reference for reference, *_ in self.parcels):
            self.orders.remove(order)
            reservations.release(order.reference)

    @precondition(lambda self: any(order.accepted and order.open for order in self.orders))
    @rule(data=st.data(), learn=st.booleans())
    def ship(self, data: Any, learn: bool) -> None:
        order = data.draw(st.sampled_from([order for order in self.orders if order.accepted and order.open]))
        units = data.draw(st.integers(1, order.open))
        order.open -= units
        self.shelf -= units
        self.parcels.append((order.reference, units, self.now()))
        if learn:
            self.learn_of_shipment(len(self.parcels) - 1)

    @precondition(lambda self: self.parcels)
    @rule(which=st.integers(0, 20))
    def learn_of_shipment(self, which: int) -> None:
        reference, units, at = self.parcels.pop(which % len(self.parcels))
        reservations.ship(reference, {"MUG": units}, shipped_at=at)

    @rule(units=st.integers(1, 5))
    def receive(self, units: int) -> None:
        self.shelf += units

    @rule()
    def tell(self) -> None:
        allocated = sum(order.open for order in self.orders if order.accepted)
        self.letters.append(Observation("MUG", self.shelf - allocated, self.shelf, self.now()))

    @precondition(lambda self: self.letters)
    @rule(which=st.integers(0, 20), again=st.booleans())
    def deliver(self, which: int, again: bool = False) -> None:
        letter = self.letters[which % len(self.letters)]
        levels.apply(self.warehouses[which % 2], [letter], source="event")
        if not again:
            self.letters.remove(letter)

    @rule()
    def catch_up(self) -> None:
        """Everything that is under way arrives: then we know exactly what is free."""
        for order in self.orders:
            if order.accepted and not order.confirmed:
                self.confirm(order)
        while self.parcels:
            self.learn_of_shipment(0)
        self.tell()
        self.deliver(len(self.letters) - 1)
        assert self.free() == self.shelf - self.promised()

    @invariant()
    def reserved_is_the_sum_of_what_is_held(self) -> None:
        held = Sum("reservations__quantity", filter=Q(reservations__state="held"))
        levels = StockLevel.objects.filter(warehouse__in=self.warehouses).annotate(held=held)
        for reserved, units in levels.values_list("reserved", "held"):
            assert reserved == (units or 0)

    @invariant()
    def no_more_is_free_than_lies_there_unpromised(self) -> None:
        assert self.shelf >= self.promised()
        assert self.free() <= self.shelf - self.promised()


class OnHandShelf(Shelf):
    basis = "on_hand"


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [Shelf, OnHandShelf])
def test_promises_hold(machine: type[Shelf]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
