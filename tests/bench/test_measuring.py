"""The measuring tools measure: percentiles, calls at the same time, and a gate that does what it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from bench.gate import REFUSES, SWALLOWS, Call, Gate, gate_before, most_at_once
from bench.lag import Lags
from bench.stage import deployed_fleet
from ops.models import Lane
from tests.world import Sandbox, sandbox_process


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_process() as sandbox:
        yield sandbox


@pytest.fixture
def gate(sandbox: Sandbox) -> Iterator[Gate]:
    with gate_before(sandbox.wms.root) as gate:
        yield gate


def call(gate: Gate, **options: float) -> int:
    return requests.get(
        f"{gate.root}/north/orders?externalOrderId=x", timeout=options.get("timeout", 5)
    ).status_code


def test_the_p99_of_a_hundred_orders_is_the_second_slowest() -> None:
    lags = Lags([float(second) for second in range(1, 101)])
    assert [lags.percentile(share) for share in (50, 90, 99)] == [50, 90, 99]
    assert Lags([7.0]).percentile(99) == 7


def test_calls_that_follow_each_other_do_not_overlap() -> None:
    def made(began: float, ended: float | None) -> Call:
        return Call("north", "GET /orders", began, passed=True, ended=ended)

    assert most_at_once([made(1, 2), made(2, 3)]) == 1
    assert most_at_once([made(1, 3), made(2, 4), made(2.5, None)]) == 3
    assert most_at_once([]) == 0


def test_a_gate_lets_calls_pass_refuses_and_lets_pass_again(gate: Gate) -> None:
    assert call(gate) == 404  # the sandbox's own answer: no such account
    down = gate.take_down("north", REFUSES)
    assert call(gate) == 503
    gate.bring_back("north")
    assert call(gate) == 404
    assert [each.passed for each in gate.of("north", since=down)] == [False, True]


def test_a_swallowed_call_lasts_until_the_caller_gives_up(gate: Gate) -> None:
    down = gate.take_down("north", SWALLOWS)
    with pytest.raises(requests.ReadTimeout):
        call(gate, timeout=0.1)
    [swallowed] = gate.of("north", since=down)
    assert swallowed.what == "GET /orders"
    assert not swallowed.passed


@pytest.mark.parametrize("queue", ["submission", "callbacks"])
def test_no_lane_can_hold_all_processes_of_a_queue_of_orders(queue: str) -> None:
    processes = dict(deployed_fleet().values())
    assert processes[queue] > Lane._meta.get_field("concurrency").default
