"""The budget against a bucket that behaves as Shopify's does."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.errors import Throttled
from ops.models import Priority
from shops.budget import rate_budget
from shops.budget.rate_budget import POINTS, REST_CALLS, CostReport, Reservation
from tests.shops.budget.shopify_bucket import ShopifyBucket

REQUESTED = {"small": 10.0, "medium": 60.0, "large": 400.0}
SHARE_USED = {"small": 1.0, "medium": 0.5, "large": 0.1}


@dataclass
class Clock:
    """The scripts' clock, set by the test."""

    now: float = 1_800_000_000.0

    def text(self) -> str:
        return f"{self.now:.6f}"


@contextmanager
def running_clock() -> Iterator[Clock]:
    clock = Clock()
    with mock.patch.object(rate_budget, "_now", clock.text):
        yield clock


@pytest.fixture
def clock() -> Iterator[Clock]:
    with running_clock() as running:
        yield running


def ask(domain: str, operation: str = "small", priority: Priority = Priority.HIGH) -> Reservation:
    return rate_budget.reserve(domain, limits=POINTS, operation=operation, priority=priority)


def answer(requested: float, actual: float, bucket: ShopifyBucket, *, now: float) -> CostReport:
    available = bucket.end(requested, actual, now=now)
    return CostReport(actual, requested, available, bucket.maximum, bucket.restore)


def learn(domain: str, bucket: ShopifyBucket, clock: Clock) -> None:
    """One call of each operation, and then a full bucket."""
    bucket.at = clock.now
    for operation, requested in REQUESTED.items():
        reservation = ask(domain, operation)
        assert bucket.begin(requested, now=clock.now)
        rate_budget.settle(reservation, answer(requested, requested, bucket, now=clock.now))
    clock.now += bucket.maximum / bucket.restore


@dataclass(order=True)
class Event:
    at: float
    order: int
    step: str = field(compare=False)
    operation: str = field(compare=False)
    delays: tuple[float, float, float] = field(compare=False)
    priority: Priority = field(compare=False)
    reservation: Reservation | None = field(compare=False, default=None)
    receipt: CostReport = field(compare=False, default=CostReport())


def simulate(domain: str, bucket: ShopifyBucket, clock: Clock, events: list[Event]) -> int:
    """Play calls on their way to Shopify, in it and back, all overlapping; returns how many were answered."""
    heapq.heapify(events)
    orders = itertools.count(len(events))
    answered = 0
    while events:
        event = heapq.heappop(events)
        clock.now = event.at
        requested = REQUESTED[event.operation]
        up, work, down = event.delays
        if event.step == "ask":
            try:
                event.reservation = ask(domain, event.operation, event.priority)
                event.step, event.at = "arrive", event.at + up
            except Throttled as error:
                event.at += error.wait.total_seconds()
        elif event.step == "arrive":
            assert bucket.begin(requested, now=event.at), "Shopify answered THROTTLED"
            event.step, event.at = "done", event.at + work
        elif event.step == "done":
            used = requested * SHARE_USED[event.operation]
            event.receipt = answer(requested, used, bucket, now=event.at)
            event.step, event.at = "settle", event.at + down
        else:
            assert event.reservation is not None
            rate_budget.settle(event.reservation, event.receipt)
            answered += 1
            continue
        event.order = next(orders)
        heapq.heappush(events, event)
    return answered


delay = st.floats(0, 5, allow_nan=False)
call = st.tuples(
    st.floats(0, 8, allow_nan=False),
    st.sampled_from(sorted(REQUESTED)),
    st.tuples(delay, delay, delay),
    st.sampled_from(list(Priority)),
)
bounds = st.sampled_from([(1000.0, 50.0), (2000.0, 100.0), (500.0, 500.0), (20000.0, 1000.0)])
property_test = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@property_test
@given(st.lists(call, min_size=1, max_size=40), bounds)
def test_shopify_never_refuses_and_every_call_is_made(calls: list, size: tuple[float, float]) -> None:
    domain, bucket = uuid.uuid4().hex, ShopifyBucket(*size)
    with running_clock() as clock:
        learn(domain, bucket, clock)
        events = [Event(clock.now + c[0], n, "ask", *c[1:]) for n, c in enumerate(calls)]
        assert simulate(domain, bucket, clock, events) == len(calls)
    assert bucket.refused == 0


@property_test
@given(st.lists(st.sampled_from([Priority.NORMAL, Priority.LOW]), min_size=1, max_size=60))
def test_low_priorities_always_leave_room_for_a_submission(priorities: list[Priority]) -> None:
    domain, bucket = uuid.uuid4().hex, ShopifyBucket(2000, 100)
    with running_clock() as clock:
        learn(domain, bucket, clock)
        for priority in priorities:
            try:
                ask(domain, "large", priority)
            except Throttled:
                continue
        for _ in range(3):  # 180 of the 200 that are left behind
            ask(domain, "medium", Priority.HIGH)


@property_test
@given(st.sampled_from(list(Priority)), st.sampled_from(sorted(REQUESTED)), st.integers(0, 30))
def test_the_wait_it_names_is_enough(priority: Priority, operation: str, before: int) -> None:
    domain, bucket = uuid.uuid4().hex, ShopifyBucket(2000, 100)
    with running_clock() as clock:
        learn(domain, bucket, clock)
        for _ in range(before):
            spend(domain)
        wait = refused_for(domain, operation, priority)
        assert wait <= timedelta(seconds=bucket.maximum / bucket.restore)
        clock.now += wait.total_seconds()
        assert not wait or not refused_for(domain, operation, priority)


def refused_for(domain: str, operation: str, priority: Priority = Priority.HIGH) -> timedelta:
    """How long it is refused for; zero = taken."""
    try:
        ask(domain, operation, priority)
    except Throttled as error:
        return error.wait
    return timedelta(0)


def spend(domain: str) -> None:
    try:
        reservation = ask(domain, "large")
    except Throttled:
        return
    rate_budget.settle(reservation, CostReport(charged=400.0))


def test_low_waits_below_half_and_normal_below_a_fifth(clock: Clock) -> None:
    bucket = ShopifyBucket(1000, 50)
    learn("a", bucket, clock)
    ask("a", "large")
    ask("a", "small", Priority.LOW)
    ask("a", "large")
    with pytest.raises(Throttled) as low:
        ask("a", "small", Priority.LOW)
    assert low.value.wait == timedelta(seconds=(500 - 190) / 50)
    with pytest.raises(Throttled) as normal:
        ask("a", "small", Priority.NORMAL)
    assert normal.value.wait == timedelta(seconds=(200 - 190) / 50)
    ask("a", "small", Priority.HIGH)


def test_who_is_refused_for_long_asks_as_an_equal_once(clock: Clock) -> None:
    learn("a", ShopifyBucket(1000, 50), clock)
    ask("a", "large")
    ask("a", "large")  # 200 are left
    assert refused_for("a", "small", Priority.LOW)
    for _ in range(int(rate_budget.AGING_SECONDS)):
        clock.now += 1
        for _ in range(5):
            rate_budget.settle(ask("a", "small"), CostReport(charged=10.0))  # what is restored is used up
    assert not refused_for("a", "small", Priority.LOW)
    assert refused_for("a", "small", Priority.LOW)


def test_a_call_that_costs_more_than_the_bucket_goes_when_it_is_full(clock: Clock) -> None:
    rate_budget.settle(
        ask("a"), CostReport(charged=0, requested=5000, available=1000, maximum=1000, restore=50)
    )
    ask("a", "small", Priority.LOW)
    with pytest.raises(Throttled):
        ask("a", "small", Priority.LOW)


def test_an_answer_that_comes_late_gives_back_nothing_that_others_spent(clock: Clock) -> None:
    bucket = ShopifyBucket(1000, 50)
    learn("a", bucket, clock)
    first, second = ask("a", "large"), ask("a", "large")
    assert bucket.begin(400, now=clock.now)
    early = answer(400, 400, bucket, now=clock.now)  # says 600
    assert bucket.begin(400, now=clock.now)
    rate_budget.settle(second, answer(400, 400, bucket, now=clock.now))  # says 200
    rate_budget.settle(first, early)
    with pytest.raises(Throttled):
        ask("a", "large")


def test_a_reservation_nobody_settles_is_charged_and_fades(clock: Clock) -> None:
    bucket = ShopifyBucket(1000, 50)
    learn("a", bucket, clock)
    lost = [ask("a", "large"), ask("a", "large")]
    clock.now += rate_budget.RESERVATION_SECONDS - 1
    with pytest.raises(Throttled):
        ask("a", "large")
    clock.now += 1 + 12
    ask("a", "large")
    rate_budget.settle(lost[0], CostReport(charged=400.0))  # far too late: charged already
    clock.now += 20
    ask("a", "large")


def test_a_bigger_plan_is_learned_from_the_first_answer(clock: Clock) -> None:
    rate_budget.settle(ask("a"), CostReport(10, 10, 19990, 20000, 1000))
    for _ in range(45):
        ask("a", "never seen", Priority.NORMAL)


def test_costs_are_learned_per_operation_and_the_highest_counts(clock: Clock) -> None:
    for requested in (30.0, 20.0):
        rate_budget.settle(ask("a", "orders/4"), CostReport(5, requested, 1000, 1000, 50))
    assert ask("a", "orders/4").cost == 30
    assert ask("a", "orders/8").cost == POINTS.cost


def test_shops_do_not_share_a_bucket(clock: Clock) -> None:
    for _ in range(10):
        ask("a")
    with pytest.raises(Throttled):
        ask("a")
    ask("b")


def test_a_429_closes_the_bucket_for_everybody_until_its_time(clock: Clock) -> None:
    rate_budget.settle(ask("a"), CostReport(charged=0, closed_for=7))
    with pytest.raises(Throttled) as refusal:
        ask("a", priority=Priority.URGENT)
    assert refusal.value.wait == timedelta(seconds=7)
    clock.now += 7
    ask("a")


def test_rest_calls_have_a_bucket_of_their_own(clock: Clock) -> None:
    for _ in range(10):
        ask("a")
    reservation = rate_budget.reserve("a", limits=REST_CALLS, operation="call", priority=Priority.HIGH)
    rate_budget.settle(reservation, CostReport(charged=1, available=1, maximum=40, restore=2))
    rate_budget.reserve("a", limits=REST_CALLS, operation="call", priority=Priority.HIGH)
    with pytest.raises(Throttled) as refusal:
        rate_budget.reserve("a", limits=REST_CALLS, operation="call", priority=Priority.HIGH)
    assert refusal.value.wait == timedelta(seconds=0.5)


def test_threads_share_one_bucket_and_spend_it_without_a_refusal() -> None:
    bucket, lock = ShopifyBucket(400, 2000), threading.Lock()
    bucket.at = time.monotonic()
    rate_budget.settle(ask("a", "medium"), CostReport(60, 60, 400, 400, 2000))
    until, spent = time.monotonic() + 0.7, []

    def work() -> None:
        while time.monotonic() < until:
            try:
                reservation = ask("a", "medium")
            except Throttled:
                continue
            with lock:
                bucket.begin(60, now=time.monotonic())
            with lock:
                receipt = answer(60, 45, bucket, now=time.monotonic())
            rate_budget.settle(reservation, receipt)
            spent.append(45)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bucket.refused == 0
    assert sum(spent) > 0.5 * (400 + 2000 * 0.7)
