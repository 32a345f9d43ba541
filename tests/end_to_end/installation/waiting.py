"""Waiting for what other processes do: by looking again and again, never longer than a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LOOK_EVERY = 0.3

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen], *, what: str, seconds: float = 30.0) -> Seen:
    """Look until there is something to see (anything true), and return it; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(LOOK_EVERY)
    return seen


def until_none(look: Callable[[], list[str]], *, seconds: float = 30.0) -> None:
    """Look until there is nothing to complain about; fails with the last complaints."""
    deadline = time.monotonic() + seconds
    while complaints := look():
        assert time.monotonic() < deadline, "\n".join([f"after {seconds:.0f} s still:", *complaints])
        time.sleep(LOOK_EVERY)
