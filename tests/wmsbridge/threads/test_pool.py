"""A thread that becomes free wakes the event loop of its worker, which then asks for the next message."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any

from wmsbridge.threads.pool import TaskPool


class EventLoop:
    """Of a worker. It listens to one file."""

    def add_reader(self, descriptor: int, callback: Callable[..., None], *arguments: Any) -> None:
        self.descriptor, self.callback, self.arguments = descriptor, callback, arguments

    def is_woken(self) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(0))


def test_the_event_loop_is_woken_when_a_task_has_ended_and_not_before() -> None:
    loop, pool, may_end = EventLoop(), TaskPool(limit=1), threading.Event()
    pool.register_with_event_loop(loop)
    running = pool.on_apply(lambda: may_end.wait(5), (), {})
    assert not loop.is_woken()
    may_end.set()
    running.wait(5)
    pool.on_stop()
    assert loop.is_woken()
    loop.callback(*loop.arguments)
    assert not loop.is_woken()
