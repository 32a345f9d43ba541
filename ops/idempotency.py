"""The fast first guard in front of Postgres' unique keys.

A claim is *processing* for seconds, then *done* for the specification's window. A claim whose work fails is released;
a dead worker blocks it for PROCESSING_SECONDS only. With Redis away or emptied every claim is fresh: the guard that
holds is the unique key in Postgres.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from ops import redis

PROCESSING_SECONDS = 60


class Window(enum.Enum):
    """How long a finished piece of work is remembered."""

    SUBMISSION = timedelta(days=7)
    SHIPMENT = timedelta(days=30)
    STOCK = timedelta(days=1)


class ClaimState(enum.StrEnum):
    FRESH = "fresh"
    BUSY = "processing"
    DONE = "done"


@dataclass(frozen=True)
class Claim:
    """What the guard knows of an identity at this moment."""

    state: ClaimState


def _key(window: Window, identity: str) -> str:
    return f"wmsbridge:claim:{window.name.lower()}:{identity}"


def _take(key: str) -> ClaimState:
    if not redis.available():
        return ClaimState.FRESH
    try:
        if redis.client().set(key, ClaimState.BUSY, nx=True, ex=PROCESSING_SECONDS):
            return ClaimState.FRESH
        found = redis.client().get(key)
    except redis.RedisError:
        redis.failed()
        return ClaimState.FRESH
    return ClaimState(str(found)) if found else ClaimState.FRESH


def _set(key: str, window: Window | None) -> None:
    try:
        if window is None:
            redis.client().delete(key)
        else:
            redis.client().set(key, ClaimState.DONE, ex=window.value)
    except redis.RedisError:
        redis.failed()


@contextmanager
def claim(window: Window, identity: str) -> Iterator[Claim]:
    """Claim a piece of work while the block runs.

    Yields a Claim: FRESH (ours: done when the block ends well, released when it raises), BUSY (another worker is at it)
    or DONE (it was finished within the window).
    """
    key = _key(window, identity)
    state = _take(key)
    if state is not ClaimState.FRESH:
        yield Claim(state)
        return
    finished = False
    try:
        yield Claim(state)
        finished = True
    finally:
        _set(key, window if finished else None)


def forget(window: Window, identity: str) -> None:
    """Release a claim, whatever its state: a person decided that the work is to be done again."""
    _set(_key(window, identity), None)
