"""The measuring tools measure: percentiles, overlapping calls, and a proxy that fails as it is asked to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from bench.installation import deployed_fleet
from bench.lag import Lags
from bench.proxy import REFUSES, SWALLOWS, Call, Proxy, most_at_once, running_proxy
from ops.models import Lane
from tests.world import Sandbox, sandbox_process


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_process() as sandbox:
        yield sandbox


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    with running_proxy(sandbox.wms.root) as proxy:
        yield proxy


def call(proxy: Proxy, **options: float) -> int:
    return requests.get(
        f"{proxy.root}/north/orders?externalOrderId=x", timeout=options.get("timeout", 5)
    ).status_code


def test_the_p99_of_a_hundred_orders_is_the_second_slowest() -> None:
    lags = Lags([float(second) for second in range(1, 101)])
    assert [lags.percentile(percent) for percent in (50, 90, 99)] == [50, 90, 99]
    assert Lags([7.0]).percentile(99) == 7


def test_calls_that_follow_each_other_do_not_overlap() -> None:
    def made(began: float, ended: float | None) -> Call:
        return Call("north", "GET /orders", began, passed=True, ended=ended)

    assert most_at_once([made(1, 2), made(2, 3)]) == 1
    assert most_at_once([made(1, 3), made(2, 4), made(2.5, None)]) == 3
    assert most_at_once([]) == 0


def test_a_proxy_passes_calls_refuses_them_and_passes_them_again(proxy: Proxy) -> None:
    assert call(proxy) == 404  # the sandbox's own answer: no such account
    down = proxy.take_down("north", REFUSES)
    assert call(proxy) == 503
    proxy.bring_back("north")
    assert call(proxy) == 404
    assert [each.passed for each in proxy.calls_to("north", since=down)] == [False, True]


def test_a_swallowed_call_lasts_until_the_caller_gives_up(proxy: Proxy) -> None:
    down = proxy.take_down("north", SWALLOWS)
    with pytest.raises(requests.ReadTimeout):
        call(proxy, timeout=0.1)
    [swallowed] = proxy.calls_to("north", since=down)
    assert swallowed.what == "GET /orders"
    assert not swallowed.passed


@pytest.mark.parametrize("queue", ["submission", "callbacks"])
def test_no_lane_can_hold_all_threads_of_a_worker_of_orders(queue: str) -> None:
    threads = {served: count for queues, count in deployed_fleet().values() for served in queues.split(",")}
    assert threads[queue] > Lane._meta.get_field("concurrency").default
