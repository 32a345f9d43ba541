"""The Celery task around a job's handler: lease, the four errors, and the one broad except."""

from __future__ import annotations

import enum
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import shared_task
from django.db import InterfaceError, OperationalError, close_old_connections

from ops import dispatch, http, lanes, leases, runs
from ops.alerts import close_alert, raise_alert
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from ops.models import Job, JobAttempt, Severity

logger = structlog.get_logger(__name__)

Handler = Callable[[Job], None]
BatchHandler = Callable[[list[Job]], None]


class Queue(enum.StrEnum):
    """Celery queues, one per concern, so that fleets of workers are scaled apart."""

    SUBMISSION = "submission"
    CALLBACKS = "callbacks"
    CANCELLATION = "cancellation"
    INVENTORY = "inventory"
    MAINTENANCE = "maintenance"
    DISPATCH = "dispatch"


def job(
    kind: str, *, queue: Queue, attempts: int = dispatch.DEFAULT_ATTEMPTS
) -> Callable[[Handler], Handler]:
    """Make a function the handler of a job kind: the Celery task of that name runs it.

    The handler gets the Job, is called outside any transaction, must be safe to run again, and ends within 50 s.
    """

    def decorate(handler: Handler) -> Handler:
        def each(batch: list[Job]) -> None:
            handler(batch[0])

        _bind(kind, each, queue=queue, attempts=attempts, size=1)
        return handler

    return decorate


def job_batch(
    kind: str, *, queue: Queue, size: int, attempts: int = dispatch.DEFAULT_ATTEMPTS
) -> Callable[[BatchHandler], BatchHandler]:
    """As `job`, for a handler that takes up to `size` due jobs of its kind and lane at once.

    When a batch fails, its jobs are tried again one by one: none pays for another's permanent error.
    """

    def decorate(handler: BatchHandler) -> BatchHandler:
        _bind(kind, handler, queue=queue, attempts=attempts, size=size)
        return handler

    return decorate


def _bind(kind: str, handler: BatchHandler, *, queue: Queue, attempts: int, size: int) -> None:
    def task(job_id: int, token: str) -> None:
        run(handler, job_id, uuid.UUID(token), size=size)

    options: dict[str, Any] = {"name": kind, "job_queue": str(queue), "job_attempts": attempts}
    shared_task(**options)(task)


def run(handler: BatchHandler, job_id: int, token: uuid.UUID, *, size: int = 1) -> None:
    """Run one dispatched job (and what it may take along) and end it according to what the handler did."""
    first = leases.start(job_id, token)
    if first is None:
        logger.info("run_superseded", job=job_id)
        return
    batch = [first, *leases.take_along(first, limit=size - 1)]
    http.answered.set(False)
    began = time.monotonic()
    with structlog.contextvars.bound_contextvars(job=first.id, kind=first.kind, subject=first.subject):
        try:
            outcome = _attempt(handler, batch)
        except leases.LeaseLost:
            outcome = "lease_lost"
        logger.info(
            "job_run",
            outcome=outcome,
            batch=len(batch),
            attempt=first.attempts,
            seconds=round(time.monotonic() - began, 3),
        )
    dispatch.serve(first.lane_id)


def _attempt(handler: BatchHandler, batch: list[Job]) -> str:
    try:
        with runs.begin(batch):
            handler(batch)
    except Exception as raised:  # noqa: BLE001
        error = _in_our_words(raised)
        blameless = _lane_after(batch, error)
        one_by_one = len(batch) > 1 and isinstance(error, Permanent)
        _end_each(batch, Transient(str(error)) if one_by_one else error, blameless=blameless)
        return type(error).__name__
    _note_answer(batch[0].lane_id)
    assert batch[0].lease_token is not None  # noqa: S101
    leases.finish(batch[0].lease_token)
    return "done"


def _in_our_words(raised: Exception) -> Exception:
    """A database that went away, or broke a deadlock, is no bug of the handler's: the run is repeated."""
    if not isinstance(raised, OperationalError | InterfaceError):
        return raised
    close_old_connections()
    return Transient(f"the database failed: {raised}")


def _note_answer(lane: str) -> None:
    if http.answered.get() and lanes.answered(lane):
        logger.info("circuit_closed", lane=lane)
        close_alert("circuit_open", subject=lane)


def _lane_after(batch: list[Job], error: Exception) -> bool:
    """Whether the endpoint is in trouble, so that no job is to blame. A run that met a failure is no answer, whatever
    else was answered."""
    lane = batch[0].lane_id
    match error:
        case Throttled(endpoint=True):
            lanes.rest(lane, error.wait)
            return False
        case Throttled(budget=True):
            lanes.hold(lane, priority=batch[0].priority, wait=error.wait)
            return False
        case Transient(endpoint=True):
            return _note_failure(lane, error)
    _note_answer(lane)
    return False


def _note_failure(lane: str, error: Transient) -> bool:
    in_trouble, just_opened = lanes.failed(lane)
    if just_opened:
        raise_alert(
            "circuit_open",
            subject=lane,
            severity=Severity.CRITICAL,
            cause=lane,
            title=f"{lane} does not answer",
            meaning=f"Its work waits and nothing is lost; one probe at a time goes out. Last error: {error}",
            action="Nothing, if it comes back: the work goes on by itself. Else ask whoever runs that system.",
        )
    return in_trouble


def _end_each(batch: list[Job], error: Exception, *, blameless: bool) -> None:
    for job in batch:
        try:
            _end_failed(job, error, blameless=blameless)
        except leases.LeaseLost:
            logger.info("lease_lost", job=job.id)


def _end_failed(job: Job, error: Exception, *, blameless: bool) -> None:
    match error:
        case Throttled():
            leases.put_back(job, wait=None if error.budget else error.wait, reason=str(error))
        case Blocked():
            leases.park(job, error)
        case Permanent():
            dispatch.bury(job, JobAttempt.Outcome.PERMANENT, type(error).__name__, str(error))
        case Transient():
            unknown = isinstance(error, UnknownOutcome)
            outcome = JobAttempt.Outcome.UNKNOWN if unknown else JobAttempt.Outcome.TRANSIENT
            _retry_or_bury(job, outcome, error, counts=not blameless)
        case _:
            logger.exception("job_bug", job=job.id, kind=job.kind)
            _retry_or_bury(job, JobAttempt.Outcome.BUG, error, counts=True)


def _retry_or_bury(job: Job, outcome: JobAttempt.Outcome, error: Exception, *, counts: bool) -> None:
    if counts and job.attempts >= dispatch.attempts_of(job.kind):
        dispatch.bury(job, outcome, type(error).__name__, str(error))
    else:
        leases.retry(job, outcome, error, counts=counts)
