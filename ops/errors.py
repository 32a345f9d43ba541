"""The kinds of error that decide what becomes of a job and of its lane, and the one way to wait for a cause."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from datetime import timedelta

from ops.refs import ParkKey
from ops.text.masking import mask_text


class JobError(Exception):
    """Base of all errors that the runner can handle. Every other error is a bug.

    Messages quote other systems, and are stored, logged and mailed. So anything that looks like the address of a person
    is masked, and characters that cannot be stored are removed.
    """

    def __init__(self, message: str) -> None:
        super().__init__(mask_text(message))


class Transient(JobError):
    """The error may pass by itself, so the job is tried again with back-off."""


class EndpointFailed(Transient):
    """The other side itself failed: that counts towards opening the circuit of its lane."""


class UnknownOutcome(Transient):
    """A changing call may or may not have happened: the next attempt looks before it acts."""


class AnswerLost(UnknownOutcome, EndpointFailed):
    """The other side failed while it answered a changing call: both of the above hold."""


def unanswered(message: str, *, changes: bool) -> EndpointFailed:
    """The error for a call to which the other side gave no usable answer; `changes`: the call changes something."""
    return AnswerLost(message) if changes else EndpointFailed(message)


class Scope(enum.Enum):
    """What has to wait when a job is throttled."""

    JOB = enum.auto()
    """This job alone."""
    PRIORITY = enum.auto()
    """Everything in the lane of this priority and below: the lane's budget is used up for it."""
    ENDPOINT = enum.auto()
    """Everything in the lane: the other side itself asked for the wait."""


class Throttled(JobError):
    """The job must wait for `wait`. This costs no attempt. `scope` says what else has to wait for as long."""

    def __init__(self, message: str, *, wait: timedelta, scope: Scope = Scope.JOB) -> None:
        super().__init__(message)
        self.wait = wait
        self.scope = scope


class Permanent(JobError):
    """The error will not pass by itself, so the job is a dead letter at once."""


class Blocked(JobError):
    """The job cannot go on until a cause is gone. Whoever removes the cause wakes one of the keys.

    `recheck` is called in the transaction that parks the job, under the locks of the keys. It says whether the job is
    still blocked.
    """

    def __init__(self, reason: str, *, on: Sequence[ParkKey], recheck: Callable[[], bool]) -> None:
        super().__init__(reason)
        self.on = tuple(on)
        self.recheck = recheck


class AccessRefused(Blocked):
    """The other side refuses our credentials, so work waits until they are changed."""


class CredentialsUnusable(Blocked):
    """There are no credentials that could be sent, so no call was made; work waits until they are changed."""


def recorded_name(error: BaseException) -> str:
    """The name of an error in the database, in metrics and in logs: a kind keeps the name that it always had there."""
    match error:
        case CredentialsUnusable():
            return AccessRefused.__name__
        case UnknownOutcome():
            return UnknownOutcome.__name__
        case EndpointFailed():
            return Transient.__name__
        case _:
            return type(error).__name__
