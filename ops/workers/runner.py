"""What happens around the handler of a job. It decides what becomes of the job and its lane.

The only broad `except` of the product is here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog
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
from ops.queue.lanes import Wakeups
from ops.workers import circuits, dispatch, handlers, leases, run_context

logger = structlog.get_logger(__name__)


class NoOwner(Exception):
    """This worker has no handler for the kind of the job."""


@dataclass(frozen=True)
class Ended:
    """A run whose handler has ended. `wakeups`: those that it did not send, because the caller looks after those lanes.
    `well`: it was a success for at least one job, and the caller has to store this end. Every other end is stored.
    """

    wakeups: Wakeups
    well: bool


def run(batch: list[Job], *, lane_troubled: bool = True) -> Ended:
    """Run claimed jobs, and end those that failed according to what the handler did.

    `lane_troubled`: what the claim said, see `scheduling.Claimed`.
    """
    first, began = batch[0], time.monotonic()
    with (
        structlog.contextvars.bound_contextvars(job=first.id, kind=first.kind, subject=first.subject),
        lanes.kept_wakeups() as wakeups,
    ):
        outcomes = _attempts(batch, wakeups, lane_troubled=lane_troubled)
        logger.info(
            "job_run",
            outcome=next((each for each in outcomes if each != "done"), "done"),
            batch=len(batch),
            attempt=first.attempts,
            seconds=round(time.monotonic() - began, 3),
        )
    return Ended(wakeups, well="done" in outcomes)


def _attempts(batch: list[Job], wakeups: Wakeups, *, lane_troubled: bool) -> list[str]:
    """Run the handler for all jobs of the batch at once, or for one after the other, as it was made for."""
    if len(batch) == 1 or handlers.takes_batch(batch[0].kind):
        return [_attempt(batch, wakeups, lane_troubled=lane_troubled)]
    results = []
    for job in batch:
        with structlog.contextvars.bound_contextvars(job=job.id, subject=job.subject):
            results.append(_attempt([job], wakeups, lane_troubled=lane_troubled))
    return results


def _attempt(batch: list[Job], wakeups: Wakeups, *, lane_troubled: bool) -> str:
    """Run the handler, and end the jobs if it failed, and their lane. Returns the result for the log.

    If a batch fails for good, each of its jobs is tried again alone, because only one of them may be the cause. What
    the handler made due before a call is announced before the call, which may take a while.
    """
    with http.observed(before_each=wakeups.send) as calls:
        try:
            with run_context.begin(batch):
                _handler_of(batch[0])(batch)
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
    if lane_troubled:
        _lane_after_calls(batch[0].lane_id, calls)
    return "done"


def _handler_of(job: Job) -> handlers.BatchHandler:
    """Raises NoOwner. During a deployment an older worker gets jobs of newer kinds."""
    handler = handlers.handler_of(job.kind)
    if handler is None:
        raise NoOwner(f"no task is named {job.kind}")
    return handler


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
        case NoOwner() if job.attempts >= handlers.attempts_of(job.kind):
            dispatch.bury_and_alert(job, JobAttempt.Outcome.PERMANENT, recorded_name(error), str(error))
        case NoOwner():
            leases.retry(job, JobAttempt.Outcome.TRANSIENT, error, counts=True)
        case UnknownOutcome():
            _retry_or_bury(job, JobAttempt.Outcome.UNKNOWN, error, counts=not endpoint_at_fault)
        case Transient():
            _retry_or_bury(job, JobAttempt.Outcome.TRANSIENT, error, counts=not endpoint_at_fault)
        case _:
            logger.exception("job_bug", job=job.id, kind=job.kind)
            _retry_or_bury(job, JobAttempt.Outcome.BUG, error, counts=True)


def _retry_or_bury(job: Job, outcome: JobAttempt.Outcome, error: Exception, *, counts: bool) -> None:
    """Retry the job, or bury it if its attempts are used up. An attempt that does not count never uses them up."""
    if counts and job.attempts >= handlers.attempts_of(job.kind):
        dispatch.bury_and_alert(job, outcome, recorded_name(error), str(error))
    else:
        leases.retry(job, outcome, error, counts=counts)
