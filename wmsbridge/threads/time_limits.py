"""Ends tasks that take too long. Celery does so itself only in a pool whose tasks have a process of their own.

After the soft limit the task is interrupted, as Celery does: SoftTimeLimitExceeded is raised in its thread. If it does
not end then, for example because it waits inside a library, the whole worker ends at the hard limit, so that no run
outlives its lease. The supervisor starts it again, and it gives back what it was at (`worker_signals.give_back`).
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from celery import signals
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

logger = structlog.get_logger(__name__)

LOOK_EVERY = 0.5


@dataclass
class _Task:
    name: str
    began: float
    interrupted: bool = False


_running: dict[int, _Task] = {}
"""The task of each thread."""
_lock = threading.Lock()


def connect() -> None:
    """Watch the tasks of this process, if it is a worker."""
    signals.task_prerun.connect(_note_begin)
    signals.task_postrun.connect(_note_end)
    signals.celeryd_after_setup.connect(_watch)


def enforce() -> None:
    """Interrupt each task that is over the soft limit, and end the worker if one is over the hard limit."""
    now = time.monotonic()
    with _lock:
        for thread, task in _running.items():
            if now - task.began > settings.CELERY_TASK_TIME_LIMIT:
                logger.critical("task_over_hard_limit", task=task.name, seconds=round(now - task.began))
                os._exit(1)
            if now - task.began > settings.CELERY_TASK_SOFT_TIME_LIMIT and not task.interrupted:
                logger.error("task_over_soft_limit", task=task.name, seconds=round(now - task.began))
                task.interrupted = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(SoftTimeLimitExceeded)
                )


def _note_begin(sender: Any, **_: object) -> None:
    with _lock:
        _running[threading.get_ident()] = _Task(sender.name, time.monotonic())


def _note_end(**_: object) -> None:
    # Under the lock, so that no interruption meets the next task of this thread.
    with _lock:
        _running.pop(threading.get_ident(), None)


def _watch(**_: object) -> None:
    threading.Thread(target=_enforce_for_ever, name="time-limits", daemon=True).start()


def _enforce_for_ever() -> None:
    while True:
        time.sleep(LOOK_EVERY)
        enforce()
