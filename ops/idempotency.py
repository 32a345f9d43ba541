"""A fast guard in Redis, in front of the unique keys in Postgres.

A guard is *processing* for seconds while the work runs, and then *done* for a window that the specification names. If
the work fails, the guard is released. If the worker dies, the guard blocks others for PROCESSING_SECONDS only. If Redis
is away or was emptied, every guard is fresh: the unique key in Postgres is the one that always holds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from ops import redis

PROCESSING_SECONDS = 60


class RetentionWindow(enum.Enum):
    """How long a finished piece of work is remembered."""

    SUBMISSION = timedelta(days=7)
    SHIPMENT = timedelta(days=30)
    STOCK = timedelta(days=1)


class GuardState(enum.StrEnum):
    FRESH = "fresh"
    BUSY = "processing"
    DONE = "done"


@dataclass(frozen=True)
class Guard:
    """What the guard knows of an identity at this moment."""

    state: GuardState


def _key(window: RetentionWindow, identity: str) -> str:
    return f"wmsbridge:claim:{window.name.lower()}:{identity}"


def _acquire(key: str) -> GuardState:
    """Set the guard if nobody has it. Without Redis the answer is FRESH, because Postgres decides in the end."""
    if not redis.available():
        return GuardState.FRESH
    try:
        if redis.client().set(key, GuardState.BUSY, nx=True, ex=PROCESSING_SECONDS):
            return GuardState.FRESH
        found = redis.client().get(key)
    except redis.RedisError:
        redis.failed()
        return GuardState.FRESH
    return GuardState(str(found)) if found else GuardState.FRESH


def _set(key: str, window: RetentionWindow | None) -> None:
    """Mark the guard as done for the window, or release it if there is none. Without Redis nothing happens."""
    try:
        if window is None:
            redis.client().delete(key)
        else:
            redis.client().set(key, GuardState.DONE, ex=window.value)
    except redis.RedisError:
        redis.failed()


@contextmanager
def guard(window: RetentionWindow, identity: str) -> Iterator[Guard]:
    """Guard a piece of work while the block runs.

    The state of the guard is FRESH (the work is ours: the guard is done if the block ends well, and released if it
    raises), BUSY (another worker does it) or DONE (it was finished within the window).
    """
    key = _key(window, identity)
    state = _acquire(key)
    if state is not GuardState.FRESH:
        yield Guard(state)
        return
    finished = False
    try:
        yield Guard(state)
        finished = True
    finally:
        _set(key, window if finished else None)


def forget(window: RetentionWindow, identity: str) -> None:
    """Release a guard, whatever its state: a person decided that the work must be done again."""
    _set(_key(window, identity), None)
