"""The Celery task around the handler of a job. It decides what becomes of the job and its lane.

The only broad `except` of the product is here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import shared_task
from django.db import InterfaceError, OperationalError, close_old_connections

from ops.errors import (
    Blocked,
    EndpointFailed,
    Permanent,
    Scope,
    Throttled,
    Transient,
    UnknownOutcome,
    recorded_name,
)
from ops.models import Job, JobAttempt
from ops.net import http
from ops.queue import lanes
from ops.queue.kinds import JobKind, P, TypedJob
from ops.workers import circuits, dispatch, leases, run_context

logger = structlog.get_logger(__name__)

BatchHandler = Callable[[list[Job]], None]


def handles(kind: JobKind[P]) -> Callable[[Callable[[P], None]], Callable[[P], None]]:
    """Make a function the handler of a job kind: the Celery task of that name runs it.

    The handler gets the payload, is called outside any transaction, must be safe to run again, and ends within 50 s.
    """

    def decorate(handler: Callable[[P], None]) -> Callable[[P], None]:
        bind(kind, lambda batch: handler(kind.read(batch[0].payload)))
        return handler

    return decorate


def handles_batch(
    kind: JobKind[P],
) -> Callable[[Callable[[list[TypedJob[P]]], None]], Callable[[list[TypedJob[P]]], None]]:
    """As `handles`, for a handler that takes up to `kind.batch_size` due jobs of one lane and priority at once.

    If a batch fails, its jobs are tried again one by one, so that no job dies of the permanent error of another.
    """

    def decorate(handler: Callable[[list[TypedJob[P]]], None]) -> Callable[[list[TypedJob[P]]], None]:
        bind(kind, lambda batch: handler([kind.typed(job) for job in batch]))
        return handler

    return decorate


def bind(kind: JobKind[P], handler: BatchHandler) -> None:
    """Make the Celery task of this job kind, which carries its declaration."""

    def task(job_id: int, token: str) -> None:
        run(handler, job_id, uuid.UUID(token), size=kind.batch_size)

    options: dict[str, Any] = {"name": kind.name, "job_kind": kind}
    shared_task(**options)(task)


def run(handler: BatchHandler, job_id: int, token: uuid.UUID, *, size: int = 1) -> None:
    """Run one dispatched job, with the further jobs of its batch, and end them according to what the handler did."""
    first = leases.start(job_id, token)
    if first is None:
        logger.info("run_superseded", job=job_id)
        return
    batch = [first, *leases.claim_batch(first, limit=size - 1)]
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
    """Run the handler, and end the jobs and their lane according to its result. Returns the result for the log.

    If a batch fails for good, each of its jobs is tried again alone, because only one of them may be the cause.
    """
    with http.observed() as calls:
        try:
            with run_context.begin(batch):
                handler(batch)
        except Exception as raised:  # noqa: BLE001
            error = _translate(raised)
            endpoint_at_fault = _lane_after_failure(batch[0], error, calls)
            one_by_one = len(batch) > 1 and isinstance(error, Permanent)
            _end_each(
                batch,
                Transient(str(error)) if one_by_one else error,
                endpoint_at_fault=endpoint_at_fault,
            )
            return recorded_name(error)
    _lane_after_calls(batch[0].lane_id, calls)
    assert batch[0].lease_token is not None  # noqa: S101
    leases.finish(batch[0].lease_token)
    return "done"


def _translate(raised: Exception) -> Exception:
    """A lost connection to the database, or a deadlock, is no bug of the handler, so the run is repeated."""
    if not isinstance(raised, OperationalError | InterfaceError):
        return raised
    close_old_connections()
    return Transient(f"the database failed: {raised}")


def _lane_after_calls(lane: str, calls: http.Calls) -> None:
    if calls.answered:
        circuits.endpoint_answered(lane)


def _lane_after_failure(job: Job, error: Exception, calls: http.Calls) -> bool:
    """Stop or slow the lane down if its endpoint is the cause. Returns whether the endpoint is at fault, and no job.

    If the endpoint failed in this run, answers that it gave in the same run do not count.
    """
    match error:
        case Throttled(scope=Scope.ENDPOINT):
            lanes.open_circuit_for(job.lane_id, error.wait)
        case Throttled(scope=Scope.PRIORITY):
            lanes.throttle_priority(job.lane_id, priority=job.priority, wait=error.wait)
        case EndpointFailed():
            return circuits.endpoint_failed(job.lane_id, error)
        case _:
            _lane_after_calls(job.lane_id, calls)
    return False


def _end_each(batch: list[Job], error: Exception, *, endpoint_at_fault: bool) -> None:
    """End every job of a failed batch. A job that lost its lease is left to the run that has it now."""
    for job in batch:
        try:
            _end_failed(job, error, endpoint_at_fault=endpoint_at_fault)
        except leases.LeaseLost:
            logger.info("lease_lost", job=job.id)


def _end_failed(job: Job, error: Exception, *, endpoint_at_fault: bool) -> None:
    """Decide what becomes of a job whose run failed: it waits, parks, is tried again, or is a dead letter."""
    match error:
        case Throttled(scope=Scope.PRIORITY):
            leases.reschedule(job, wait=None, reason=str(error))
        case Throttled():
            leases.reschedule(job, wait=error.wait, reason=str(error))
        case Blocked():
            leases.park(job, error)
        case Permanent():
            dispatch.bury_and_alert(job, JobAttempt.Outcome.PERMANENT, recorded_name(error), str(error))
        case UnknownOutcome():
            _retry_or_bury(job, JobAttempt.Outcome.UNKNOWN, error, counts=not endpoint_at_fault)
        case Transient():
            _retry_or_bury(job, JobAttempt.Outcome.TRANSIENT, error, counts=not endpoint_at_fault)
        case _:
            logger.exception("job_bug", job=job.id, kind=job.kind)
            _retry_or_bury(job, JobAttempt.Outcome.BUG, error, counts=True)


def _retry_or_bury(job: Job, outcome: JobAttempt.Outcome, error: Exception, *, counts: bool) -> None:
    """Retry the job, or bury it if its attempts are used up. An attempt that does not count never uses them up."""
    if counts and job.attempts >= dispatch.attempts_of(job.kind):
        dispatch.bury_and_alert(job, outcome, recorded_name(error), str(error))
    else:
        leases.retry(job, outcome, error, counts=counts)
