"""Celery's pool of threads, which asks for the next message as soon as a thread is free, however its task ended.

A worker with all threads busy asks for none (CELERY_WORKER_DISABLE_PREFETCH). Its event loop looks again when something
happens, or after a second. A process of a pool that becomes free is such an event; a thread is made one here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from celery.concurrency import thread

logger = structlog.get_logger(__name__)


class TaskPool(thread.TaskPool):
    """A pool whose threads wake the event loop of the worker when they are free. Celery makes it, see settings."""

    _hub: Any = None

    def register_with_event_loop(self, hub: Any) -> None:
        """Note the event loop. Celery calls this at the start, and again each time that the broker is back."""
        self._hub = hub

    def on_apply(self, target: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(partial(_to_its_end, target), *args, **options)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: object) -> None:
        if self._hub is not None:
            self._hub.call_soon(_look_again)


def _to_its_end(target: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run a task, and end it for Celery whatever it raises.

    Celery expects that an error which is no `Exception` (a library panics, or calls sys.exit) ends the process. A
    thread goes on, and Celery would count it as busy for ever. A worker without a free thread takes no more messages.
    """
    began = time.monotonic()
    try:
        return target(*args, **options)
    except BaseException:
        logger.critical("task_broke_off", exc_info=True)
        failed, returned = 0, None
        return failed, returned, time.monotonic() - began


def _look_again() -> None:
    """Nothing is to be done but to look."""
