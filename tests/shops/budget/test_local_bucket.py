"""One process's share of a budget while Redis is away: an eighth, taken before a call and settled after it."""

from __future__ import annotations

import pytest

from shops.budget.limits import POINTS, CostReport, Purse
from shops.budget.local_bucket import LocalBucket

FULL = 125.0
"""An eighth of the 1000 points that are assumed; 6.25 of them come back each second."""


class Bucket:
    """A bucket on a clock that stands still unless a test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        self.inner = LocalBucket(POINTS)

    def wait_for(
        self, cost: float, *, floor: float = 0.0, leave: float = 0.0, purse: Purse | None = None
    ) -> float:
        """Seconds until a call of this cost may be made; 0 = its points were taken."""
        self.inner._costs["call"] = cost
        return self.inner.reserve("call", floor=floor, leave=leave, purse=purse)[0]

    def left(self) -> float:
        """Points that could be taken now."""
        self.inner._advance()
        return round(self.inner._level, 3)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return Bucket(monkeypatch)


def test_a_call_takes_its_points_and_waits_where_they_lack(bucket: Bucket) -> None:
    assert bucket.wait_for(100) == 0
    assert bucket.left() == 25
    assert bucket.wait_for(50) == 25 / 6.25
    assert bucket.left() == 25
    bucket.now += 4
    assert bucket.wait_for(50) == 0
    assert bucket.left() == 0


def test_an_unknown_call_costs_what_is_assumed(bucket: Bucket) -> None:
    assert bucket.inner.reserve("new", floor=0, leave=0, purse=None) == (0.0, POINTS.cost)


def test_points_come_back_up_to_a_full_bucket(bucket: Bucket) -> None:
    bucket.wait_for(100)
    bucket.now += 2
    assert bucket.left() == 25 + 12.5
    bucket.now += 1000
    assert bucket.left() == FULL


@pytest.mark.parametrize(
    ("cost", "floor", "leave", "wait"),
    [(25, 0, 0, 0), (25, 0.5, 0, 6), (25, 0, 0.3, 6), (500, 0, 0, 16), (1, 0.2, 0, 0)],
)
def test_less_urgent_calls_leave_points_for_others(
    bucket: Bucket, cost: float, floor: float, leave: float, wait: float
) -> None:
    bucket.wait_for(100)
    assert bucket.wait_for(cost, floor=floor, leave=leave) == wait


def test_a_call_that_the_bucket_never_holds_goes_when_it_is_full(bucket: Bucket) -> None:
    assert bucket.wait_for(500) == 0
    assert bucket.left() == FULL - 500
    assert bucket.wait_for(1) == (1 + 375) / 6.25


def test_a_work_takes_its_points_at_once_and_spends_them(bucket: Bucket) -> None:
    purse = Purse("w", expected=60)
    assert bucket.wait_for(20, purse=purse) == 0
    assert (bucket.left(), purse.left, purse.taken) == (65, 40, True)
    assert bucket.wait_for(20, purse=purse) == 0
    assert (bucket.left(), purse.left) == (65, 20)
    assert bucket.wait_for(30, purse=purse) == 0  # it is more than the purse holds
    assert (bucket.left(), purse.left) == (35, 20)


def test_a_work_that_is_refused_knows_how_much_it_lacked(bucket: Bucket) -> None:
    bucket.wait_for(100)
    purse = Purse("w", expected=60)
    assert bucket.wait_for(20, purse=purse) == 35 / 6.25
    assert (purse.short_of, purse.begun, purse.taken) == (20, False, False)


def test_a_work_of_one_call_takes_nothing_more(bucket: Bucket) -> None:
    purse = Purse("w")
    bucket.wait_for(20, purse=purse)
    assert (purse.begun, purse.taken, purse.left) == (True, False, 0)


def test_what_a_work_did_not_use_comes_back(bucket: Bucket) -> None:
    bucket.wait_for(100)
    bucket.inner.give_back(40)
    assert bucket.left() == 65
    bucket.inner.give_back(1000)
    assert bucket.left() == FULL


@pytest.mark.parametrize(
    ("report", "left"),
    [
        (CostReport(), 25),
        (CostReport(charged=10), 115),
        (CostReport(charged=0), FULL),
        (CostReport(charged=100), 25),
        (CostReport(charged=10, available=5), 5),
        (CostReport(charged=10, available=500), 115),
        (CostReport(closed_for=10), 25 - 62.5),
    ],
)
def test_a_call_costs_what_its_answer_says(bucket: Bucket, report: CostReport, left: float) -> None:
    bucket.wait_for(100)
    bucket.inner.settle("call", 100, report)
    assert bucket.left() == left


def test_the_size_of_the_bucket_is_learned(bucket: Bucket) -> None:
    bucket.inner.settle("call", 0, CostReport(charged=0, maximum=2000, restore=100))
    bucket.now += 8
    assert bucket.left() == FULL + 100
    bucket.now += 1000
    assert bucket.left() == 250


def test_the_largest_cost_of_a_call_is_remembered(bucket: Bucket) -> None:
    for requested in (30, 70, 50):
        bucket.inner.settle("call", 0, CostReport(charged=0, requested=requested))
    assert bucket.inner.reserve("call", floor=0, leave=0, purse=None) == (0.0, 70)
