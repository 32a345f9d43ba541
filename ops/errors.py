"""The four kinds of error that decide what becomes of a job, and the one way to wait for a cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta


class JobError(Exception):
    """Base of all errors that the runner knows how to handle; everything else is a bug."""


class Transient(JobError):
    """It may pass: try again with back-off. `endpoint` is True when the other side itself failed."""

    def __init__(self, message: str, *, endpoint: bool = False) -> None:
        super().__init__(message)
        self.endpoint = endpoint


class UnknownOutcome(Transient):
    """A changing call may or may not have happened: the next attempt looks before it acts."""


class Throttled(JobError):
    """Not now: the other side's budget says when. Costs no attempt.

    `endpoint` is True when the other side itself said so: then nothing else of the lane goes out before that either.
    """

    def __init__(self, message: str, *, wait: timedelta, endpoint: bool = False) -> None:
        super().__init__(message)
        self.wait = wait
        self.endpoint = endpoint


class Permanent(JobError):
    """It will not pass by itself: a dead letter at once."""


class Blocked(JobError):
    """It cannot go on until a cause is gone; whoever removes the cause wakes one of the keys.

    `recheck` is called inside the parking transaction, under the keys' locks: True = still blocked.
    """

    def __init__(self, reason: str, *, on: Sequence[str], recheck: Callable[[], bool]) -> None:
        super().__init__(reason)
        self.on = tuple(on)
        self.recheck = recheck
