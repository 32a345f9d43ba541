"""What happens to a job after the claim: its run ends in one of several ways.

Every statement that ends a run requires the lease token that the run began with (fencing). So a run that lost its lease
changes nothing. A worker has one token for all runs of a turn, one after the other. Its tokens say whose they are, so
the work of a worker that died is found by its name.
"""

from __future__ import annotations

import hashlib
import os
import random
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from ops.errors import Blocked, recorded_name
from ops.models import Job, JobAttempt
from ops.queue.jobs import RECHECK_PARKED, lock_keys
from ops.text.masking import mask_text

RUN = timedelta(seconds=60)
"""The lease of a run. The hard time limit of a task is shorter, so a live run never outlives its lease."""

FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=5)
LONGEST_ERROR = 4000


class LeaseLost(Exception):
    """Another run has the lease of this job now, so the result of this run is discarded."""


def _under_lease(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(id=job.id, state=Job.State.RUNNING, lease_token=job.lease_token)


def _rerun_requested(job: Job) -> bool:
    """Whether the job was requested again while it ran. This locks the row, so none comes until the run has ended.

    Raises LeaseLost.
    """
    rerun = _under_lease(job).select_for_update().values_list("rerun", flat=True).first()
    if rerun is None:
        raise LeaseLost(str(job.lease_token))
    return rerun


def _end(job: Job, **changes: object) -> None:
    ended = {"lease_token": None, "lease_until": None, "rerun": False, "parked_since": None, **changes}
    if not _under_lease(job).update(**ended):
        raise LeaseLost(str(job.lease_token))


def _record_attempt(job: Job, outcome: JobAttempt.Outcome, error_class: str, error: str) -> None:
    JobAttempt.objects.create(
        job=job,
        attempt=job.attempts,
        started_at=job.started_at,
        outcome=outcome,
        error_class=error_class,
        error=mask_text(error)[:LONGEST_ERROR],
    )


def backoff(attempts: int) -> timedelta:
    """The time to the next attempt after this many: exponential, with full jitter and a limit."""
    ceiling: timedelta = min(FIRST_BACKOFF * 2 ** min(attempts, 20), LONGEST_BACKOFF)
    return ceiling * random.random()  # noqa: S311


def retry(job: Job, outcome: JobAttempt.Outcome, error: BaseException, *, counts: bool) -> None:
    """End a failed run: the job is ready again after a back-off. Raises LeaseLost.

    With `counts=False` the attempt does not count, because the endpoint is down.
    """
    with transaction.atomic():
        _end(
            job,
            state=Job.State.READY,
            run_at=Now() + backoff(job.attempts),
            attempts=job.attempts if counts else job.attempts - 1,
            error_class=recorded_name(error),
            error=mask_text(str(error))[:LONGEST_ERROR],
        )
        _record_attempt(job, outcome, recorded_name(error), str(error))


def reschedule(job: Job, *, wait: timedelta | None, reason: str) -> None:
    """End a run that could not make its call yet: the job is due again after `wait`, and the attempt does not count.

    With `wait=None` the lane itself is throttled, so the job keeps its position in it. Raises LeaseLost.
    """
    _end(
        job,
        state=Job.State.READY,
        run_at=F("run_at") if wait is None else Now() + wait,
        attempts=job.attempts - 1,
        error_class="Throttled",
        error=reason[:LONGEST_ERROR],
    )


def park(job: Job, blocked: Blocked) -> bool:
    """End a run that cannot go on: the job is parked under the keys of its causes, and the attempt does not count.

    The causes are checked again under the locks of the keys. If they are gone, or the job was requested again while it
    ran, the job is due at once, and the result is False. Raises LeaseLost.
    """
    with transaction.atomic():
        lock_keys(blocked.on)
        still = blocked.recheck() and not _rerun_requested(job)
        as_before = (job.error_class, job.error) == ("Blocked", str(blocked))
        if still and not as_before:
            _record_attempt(job, JobAttempt.Outcome.BLOCKED, "Blocked", str(blocked))
        _end(
            job,
            state=Job.State.READY,
            run_at=Now() + RECHECK_PARKED if still else Now(),
            parked_on=list(blocked.on) if still else [],
            parked_since=((as_before and job.parked_since) or Now()) if still else None,
            attempts=job.attempts - 1,
            error_class="Blocked" if still else "",
            error=str(blocked)[:LONGEST_ERROR] if still else "",
        )
    return still


def bury(job: Job, outcome: JobAttempt.Outcome, error_class: str, error: str) -> bool:
    """End a run for good: the job is a dead letter and waits for a person.

    If the job was requested again while it ran, it is ready again instead, and the result is False. Raises LeaseLost.
    """
    with transaction.atomic():
        again = _rerun_requested(job)
        ended: dict[str, object] = {"state": Job.State.DEAD, "finished_at": Now()}
        _end(
            job,
            **({"state": Job.State.READY, "attempts": 0} if again else ended),
            error_class=error_class,
            error=mask_text(error)[:LONGEST_ERROR],
        )
        _record_attempt(job, outcome, error_class, error)
    return not again


def new_lease(worker: str) -> uuid.UUID:
    """A new lease token. Its first half says which worker has it, see `jobs_of_worker`."""
    return uuid.UUID(bytes=_mark(worker) + os.urandom(8))


def jobs_of_worker(worker: str) -> list[Job]:
    """The jobs under the leases of a worker of this name."""
    ours = (uuid.UUID(bytes=_mark(worker) + bytes(8)), uuid.UUID(bytes=_mark(worker) + b"\xff" * 8))
    return list(Job.objects.filter(state=Job.State.RUNNING, lease_token__range=ours))


def _mark(worker: str) -> bytes:
    return hashlib.sha256(worker.encode()).digest()[:8]


def worker_deaths(job: Job) -> int:
    """In how many of the latest runs in a row the worker died. Runs from before a replay do not count."""
    count, attempt = 0, job.attempts
    for past in job.history.order_by("-id")[:10]:
        if past.outcome != JobAttempt.Outcome.LOST or past.attempt >= attempt:
            break
        count, attempt = count + 1, past.attempt
    return count


def expired_runs(limit: int = 200) -> list[Job]:
    """Jobs whose lease is over: their worker died, or the version before claimed them and no worker of it began."""
    overdue = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=Now())
    return list(overdue.order_by("lease_until")[:limit])


def release_unstarted(token: uuid.UUID) -> int:
    """Make those jobs of a lease due again that the version before claimed and no worker of it began.

    Returns how many.
    """
    claimed = Job.objects.filter(state=Job.State.RUNNING, started_at__isnull=True, lease_token=token)
    return claimed.update(state=Job.State.READY, lease_token=None, lease_until=None)


def recheck_parked(limit: int = 500) -> int:
    """Make those jobs due that were parked for RECHECK_PARKED and that nobody woke. Returns how many."""
    with transaction.atomic():
        ids: Sequence[int] = list(
            Job.objects.select_for_update(skip_locked=True)
            .filter(state=Job.State.READY, run_at__lte=Now())
            .exclude(parked_on=[])
            .order_by("run_at")
            .values_list("id", flat=True)[:limit]
        )
        return Job.objects.filter(id__in=ids).update(parked_on=[], run_at=Now())
