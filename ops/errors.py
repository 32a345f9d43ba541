"""The four kinds of error that decide what becomes of a job, and the one way to wait for a cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from ops.masking import mask_text


class JobError(Exception):
    """Base of all errors that the runner knows how to handle; everything else is a bug.

    Messages quote other systems and are stored, logged and mailed: nothing in them looks like a person's address, and
    there is nothing in them that cannot be stored.
    """

    def __init__(self, message: str) -> None:
        super().__init__(mask_text(message))


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
    `budget` is True when the lane's budget is used up for this priority: then nothing of it or below is tried before.
    """

    def __init__(
        self, message: str, *, wait: timedelta, endpoint: bool = False, budget: bool = False
    ) -> None:
        super().__init__(message)
        self.wait = wait
        self.endpoint = endpoint
        self.budget = budget


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
