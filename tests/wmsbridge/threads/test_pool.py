"""A thread that becomes free wakes the event loop of its worker, which then asks for the next message."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kombu.asynchronous import Hub

from wmsbridge.threads.pool import TaskPool


class EventLoop:
    """Of a worker. It notes what it is to look after."""

    def __init__(self) -> None:
        self.called: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.called.append(callback)


def test_the_event_loop_is_woken_when_a_task_has_ended_and_not_before() -> None:
    loop, pool, may_end = EventLoop(), TaskPool(limit=1), threading.Event()
    pool.register_with_event_loop(loop)
    running = pool.on_apply(lambda: may_end.wait(5), (), {}, callback=lambda _: None)
    assert not loop.called
    may_end.set()
    running.wait(5)
    pool.on_stop()
    (callback,) = loop.called
    callback()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_broker_that_comes_and_goes_costs_no_open_files() -> None:
    loop, pool = Hub(), TaskPool(limit=1)
    gc.collect()  # whatever an earlier test left open
    before = _open_files()
    for _ in range(3):
        pool.register_with_event_loop(loop)
        loop.reset()
    assert _open_files() <= before


class Panic(BaseException):
    """As libraries raise it that are not written in Python."""


@pytest.mark.parametrize("error", [Panic, SystemExit, ValueError])
def test_a_task_that_breaks_off_frees_its_thread(error: type[BaseException]) -> None:
    def breaks_off() -> None:
        raise error

    ended: list[Any] = []
    pool = TaskPool(limit=1)
    pool.on_apply(breaks_off, (), {}, callback=ended.append).get(5)
    pool.on_stop()
    ((failed, _, seconds),) = ended
    assert not failed
    assert seconds < 5
