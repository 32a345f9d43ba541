"""Where nothing is marked for a push, Shopify has the figure that a push would tell it: it booked the units itself.

A simulated Shopify books orders, and a simulated warehouse tells its stock early, late or twice. Pushes come whenever
they like, also between a call that fulfils an order and our record of its answer.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

import pytest
import responses
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from inventory import commitments, reservations
from inventory.models import Reservation, StockLevel
from inventory.push import push_due, pushing
from inventory.push.push_plan import Reading, decide
from inventory.reservations import Need
from inventory.stock import levels
from inventory.stock.levels import Observation
from ops.models import Job
from shops.ids import InventoryItemId
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.inventory.push.shopify_stock import Item, ShopifyStock
from tests.steps import Steps, drawn, same_every_time, seeds

numbers = itertools.count()

Products = Mapping[int, Mapping[str, int]]
"""Variant -> item -> units."""

ALONE: Products = {11: {"MUG": 1}, 12: {"TEE": 2}}
KIT: Products = {11: {"MUG": 2, "BOX": 1}}
SHARED: Products = {11: {"MUG": 1}, 12: {"MUG": 3, "BOX": 1}}


@dataclass
class Order:
    variant: int
    units: int
    reference: str = ""
    accepted: bool = False
    confirmed: bool = False
    left_at: datetime | None = None
    shipped: bool = False
    attempt_at: datetime | None = None


which = range(21)
STEPS: Steps = {
    "order": (4, (which, range(1, 4))),
    "route": (4, (which,)),
    "accept_or_confirm": (9, (which,)),
    "ship": (7, (which,)),
    "learn_of_shipment": (7, (which,)),
    "fulfill": (7, (which,)),
    "record": (3, (which,)),
    "receive": (2, (which, range(1, 6))),
    "tell": (4, (which,)),
    "deliver": (4, (which, [False, True])),
    "push": (3, ()),
}


class Shop(RuleBasedStateMachine):
    """One shop and one warehouse; the warehouse's time is logical."""

    basis = "available"
    products = ALONE
    reached: ClassVar[Counter[str]] = Counter()
    http: ClassVar[responses.RequestsMock]

    @initialize(seed=seeds)
    def stock(self, seed: int) -> None:
        self.chance, number = Random(seed), next(numbers)
        shop = make_shop(f"shop-{number}.myshopify.com")
        self.berlin = make_warehouse(
            shop, make_connection(f"wms-{number}", stock_basis=self.basis), shopify_location_id=101
        )
        self.items = sorted({item for parts in self.products.values() for item in parts})
        for variant, parts in self.products.items():
            for item, units in parts.items():
                make_mapping(self.berlin, variant, item, quantity=units)
        self.shopify = ShopifyStock({1_000_000 + variant: Item() for variant in self.products})
        self.shopify.register(self.http, shop.domain)
        self.shelf = {item: self.chance.randint(0, 30) for item in self.items}
        self.orders, self.letters = list[Order](), list[Observation]()
        self.ticks, self.start = itertools.count(), timezone.now() - timedelta(days=1)
        for number, _ in enumerate(self.items):
            self.tell(number)
            self.deliver(0)
        self.push()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=next(self.ticks))

    @rule()
    def anything(self) -> None:
        name, how = drawn(STEPS, self.chance)
        if getattr(self, name)(*how) is not False:
            self.reached[name] += 1

    def one_of(self, orders: list[Order], number: int) -> Order | None:
        return orders[number % len(orders)] if orders else None

    def needs(self, order: Order) -> dict[str, int]:
        return {item: each * order.units for item, each in self.products[order.variant].items()}

    def order(self, number: int, units: int) -> bool:
        variant = sorted(self.products)[number % len(self.products)]
        item = self.shopify.items[1_000_000 + variant]
        if item.available < units:
            return False
        item.available -= units
        item.committed += units
        self.orders.append(Order(variant, units))
        return True

    def route(self, number: int) -> bool:
        order = self.one_of([order for order in self.orders if not order.reference], number)
        if order is None:
            return False
        reference, needs = f"order-{next(numbers)}", self.needs(order)
        committed = {(self.berlin.pk, item): units for item, units in needs.items()}
        wanted = [Need(self.berlin.pk, item, units) for item, units in needs.items()]
        if reservations.reserve_new(reference, wanted, committed=committed):
            return False
        order.reference = reference
        return True

    def accept_or_confirm(self, number: int) -> bool:
        waiting = [order for order in self.orders if order.reference and not order.confirmed]
        order = self.one_of(waiting, number)
        if order is None:
            return False
        if order.accepted:
            reservations.confirm(order.reference)
            Reservation.objects.filter(reference=order.reference).update(accepted_at=self.now())
            order.confirmed = True
        order.accepted = True
        return True

    def ship(self, number: int) -> bool:
        order = self.one_of([each for each in self.orders if each.confirmed and not each.left_at], number)
        if order is None:
            return False
        order.left_at = self.now()
        for item, units in self.needs(order).items():
            self.shelf[item] -= units
        return True

    def learn_of_shipment(self, number: int) -> bool:
        order = self.one_of([each for each in self.orders if each.left_at and not each.shipped], number)
        if order is None:
            return False
        reservations.ship(order.reference, self.needs(order), shipped_at=order.left_at)
        order.shipped = True
        return True

    def fulfill(self, number: int) -> bool:
        """The call is made; we do not know yet that it was answered."""
        order = self.one_of([each for each in self.orders if each.shipped and not each.attempt_at], number)
        if order is None:
            return False
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (order.attempt_at,) = cursor.fetchone()
        self.shopify.items[1_000_000 + order.variant].committed -= order.units
        return True

    def record(self, number: int) -> bool:
        order = self.one_of([each for each in self.orders if each.attempt_at], number)
        if order is None or order.attempt_at is None:
            return False
        levels.mark_fulfilled(self.berlin.pk, list(self.needs(order)), since=order.attempt_at)
        commitments.note({order.reference: {}})
        self.orders.remove(order)
        return True

    def receive(self, number: int, units: int) -> None:
        self.shelf[self.items[number % len(self.items)]] += units

    def tell(self, number: int) -> None:
        item = self.items[number % len(self.items)]
        known = [
            self.needs(order).get(item, 0) for order in self.orders if order.accepted and not order.left_at
        ]
        self.letters.append(Observation(item, self.shelf[item] - sum(known), self.shelf[item], self.now()))

    def deliver(self, number: int, again: bool = False) -> bool:
        if not self.letters:
            return False
        letter = self.letters[number % len(self.letters)]
        levels.apply(self.berlin, [letter], source="event")
        if not again:
            self.letters.remove(letter)
        return True

    def push(self) -> None:
        """The push of the shop. The test is one transaction, in which `now()` stands still, so that is put right."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (began,) = cursor.fetchone()
        due = list(StockLevel.objects.filter(push_due_since__isnull=False).values_list("pk", flat=True))
        pushing.push(self.berlin.shop)
        StockLevel.objects.filter(pk__in=due).update(pushed_at=began)

    @invariant()
    def unmarked_figures_are_right(self) -> None:
        if not hasattr(self, "orders"):
            return
        due = set(StockLevel.objects.filter(push_due_since__isnull=False).values_list("item_code", flat=True))
        assert bool(due) <= Job.objects.filter(kind="inventory.push", lane_id=self.berlin.shop.lane).exists()
        # Shopify took an order off one product only. Another product with its items follows when it is routed.
        under_way = {
            item
            for order in self.orders
            if order.attempt_at or (self.products is SHARED and not order.reference)
            for item in self.needs(order)
        }
        with transaction.atomic():
            StockLevel.objects.filter(warehouse=self.berlin).update(push_due_since=Now())
            planned = push_due.plan(self.berlin)
            transaction.set_rollback(True)
        found = decide(
            self.basis,
            targets=planned.targets,
            sharing=planned.sharing,
            stocks=planned.stocks,
            readings={InventoryItemId(number): reading(item) for number, item in self.shopify.items.items()},
        )
        for change in found.changes:
            concerned = {item for item, _ in change.product.components}
            assert concerned & (due | under_way), change


def reading(item: Item) -> Reading:
    return Reading(
        tracked=True,
        active=True,
        available=item.available,
        committed=item.committed,
        on_hand=item.available + item.committed,
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("basis", "products"),
    [("available", ALONE), ("on_hand", ALONE), ("available", KIT), ("on_hand", SHARED)],
)
def test_unmarked_figures_are_right(
    basis: str, products: Products, http: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shop, "basis", basis)
    monkeypatch.setattr(Shop, "products", products)
    monkeypatch.setattr(Shop, "http", http, raising=False)
    Shop.reached.clear()
    run_state_machine_as_test(Shop, settings=same_every_time(examples=3, steps=80))
    assert all(Shop.reached[name] for name in STEPS), Shop.reached
