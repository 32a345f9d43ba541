"""The budget without Redis, and how calls are told apart."""

from __future__ import annotations

import time
from types import SimpleNamespace
from unittest import mock

import pytest

from ops import redis
from ops.errors import Throttled
from shops.budget import local_bucket, rate_budget
from shops.budget.rate_budget import CostReport
from tests.shops.budget.test_budget import Clock, ask


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_a_process_keeps_to_a_small_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Clock()
    monkeypatch.setattr(local_bucket, "time", SimpleNamespace(monotonic=lambda: now.now))
    admitted = 0
    for _ in range(200):
        now.now += 1
        try:
            reservation = ask("a", "medium")
        except Throttled:
            continue
        assert reservation.local
        rate_budget.settle(reservation, CostReport(60, 60, 900, 1000, 50))
        admitted += 1
    assert 0.5 < admitted * 60 / (200 * 50 * local_bucket.LOCAL_SHARE) < 1.1


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_it_answers_at_once() -> None:
    began = time.monotonic()
    for _ in range(20):
        try:
            ask("a")
        except Throttled:
            continue
    assert time.monotonic() - began < 1.0


def test_a_redis_that_dies_before_the_settlement_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    reservation = ask("a")
    monkeypatch.setattr(rate_budget, "_run", mock.Mock(side_effect=redis.RedisError("gone")))
    rate_budget.settle(reservation, CostReport(charged=10))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"lines": 1}, "0,lines=1"),
        ({"lines": 1, "after": None}, "0,lines=1"),
        ({"lines": 1, "ids": ["a"]}, "1,lines=1"),
        ({"lines": 1, "ids": ["a"] * 5}, "8,lines=1"),
        ({"ids": ["a"] * 8, "lines": 250, "quantity": 3}, "8,lines=250"),
        ({"lines": 100}, "0,lines=100"),
        ({"lines": 1, "input": {"quantities": [{"tags": ["x", "y"]}] * 3}}, "16,lines=1"),
    ],
)
def test_size_classes(variables: dict, expected: str) -> None:
    assert rate_budget.size_class(variables, page_sizes={"lines"}) == expected
