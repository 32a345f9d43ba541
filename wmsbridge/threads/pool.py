"""Celery's pool of threads, which asks for the next message as soon as a thread is free.

A worker with all threads busy asks for none (CELERY_WORKER_DISABLE_PREFETCH). Its event loop looks again when something
happens, or after a second. A process of a pool that becomes free is such an event; a thread is made one here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from celery.concurrency import thread


class TaskPool(thread.TaskPool):
    """A pool whose threads wake the event loop of the worker when they are free. Celery makes it, see settings."""

    _waker: int | None = None

    def register_with_event_loop(self, hub: Any) -> None:
        """Listen to the threads. Celery calls this once, before the first task."""
        reader, self._waker = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(self._waker, False)
        hub.add_reader(reader, _empty, reader)

    def on_apply(self, *args: Any, **options: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(*args, **options)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: object) -> None:
        if self._waker is not None:
            with suppress(BlockingIOError):  # it is awake already
                os.write(self._waker, b".")


def _empty(reader: int) -> None:
    with suppress(BlockingIOError):
        while os.read(reader, 512):
            pass
