"""From the lane to the worker: send claimed jobs to their Celery tasks, and find again what got lost on the way."""

from __future__ import annotations

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from ops import lanes, leases, redis
from ops.alerts import raise_alert
from ops.models import Job, JobAttempt, Severity

logger = structlog.get_logger(__name__)

DEFAULT_ATTEMPTS = 10
DEFAULT_QUEUE = "maintenance"


def attempts_of(kind: str) -> int:
    """How many attempts a job of this kind has."""
    return int(getattr(current_app.tasks.get(kind), "job_attempts", DEFAULT_ATTEMPTS))


def serve(lane: str) -> int:
    """Claim what a lane may run now and send it off; returns how many jobs."""
    lanes.awake(lane)
    claimed = leases.claim(lane)
    for job in claimed:
        offer(job)
    return len(claimed)


def offer(claimed: leases.Claimed) -> None:
    """Send one claimed job to its Celery task. A message that cannot be sent is offered again by the sweep."""
    task = current_app.tasks.get(claimed.kind)
    if task is None:
        _bury_orphan(claimed)
        return
    try:
        queue: str = getattr(task, "job_queue", DEFAULT_QUEUE)
        task.apply_async(args=(claimed.id, str(claimed.token)), queue=queue, retry=False)
    except (OperationalError, redis.RedisError):
        logger.warning("offer_lost", job=claimed.id, kind=claimed.kind)


def _bury_orphan(claimed: leases.Claimed) -> None:
    job = leases.start(claimed.id, claimed.token)
    if job is not None:
        bury(job, JobAttempt.Outcome.PERMANENT, "NoOwner", f"no task is named {claimed.kind}")


@transaction.atomic
def bury(job: Job, outcome: JobAttempt.Outcome, error_class: str, error: str) -> None:
    """Make a job a dead letter and alert a person. Raises LeaseLost."""
    if not leases.bury(job, outcome, error_class, error):
        return
    logger.error("job_dead", job=job.id, kind=job.kind, subject=job.subject, error=error[:500])
    raise_alert(
        "dead_letter",
        subject=f"{job.kind} {job.lane_id}",
        severity=Severity.CRITICAL,
        title=f"Dead letter: {job.kind} for {job.subject or job.key}",
        meaning=f"This work will not go on by itself. Reason: {error[:500]}",
        action="Open Dead letters in the admin, fix the cause it names, then choose «Replay».",
    )


def recover() -> int:
    """Give back the runs of dead workers and offer again what no worker began; returns how many."""
    found = leases.lost()
    for job in found:
        _give_back(job)
    again = leases.not_picked_up()
    for claimed in again:
        offer(claimed)
    return len(found) + len(again)


def _give_back(job: Job) -> None:
    error = leases.LeaseLost("the worker died or was killed during the run")
    try:
        if job.attempts >= attempts_of(job.kind):
            bury(job, JobAttempt.Outcome.LOST, "WorkerLost", str(error))
        else:
            leases.retry(job, JobAttempt.Outcome.LOST, error, counts=True)
    except leases.LeaseLost:
        logger.info("lease_taken_meanwhile", job=job.id)


def sweep() -> int:
    """One round: recover what got lost, then serve every lane with due jobs in turn. Returns how many jobs moved."""
    moved = recover()
    return moved + sum(serve(lane) for lane in leases.lanes_with_due_jobs())
