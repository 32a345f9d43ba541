"""Tells workers of lanes with due jobs, and recovers jobs whose worker was lost."""

from __future__ import annotations

import structlog
from django.db import transaction

from ops.alerting import own_alerts
from ops.alerting.jobs import NOTIFY
from ops.models import Job, JobAttempt
from ops.queue import lanes, subjects
from ops.workers import handlers, leases, scheduling

logger = structlog.get_logger(__name__)

MOST_WORKER_DEATHS = 3
"""If the worker of a job died this often in a row, the job is assumed to be the cause."""


class WorkerLost(Exception):
    """The process that ran a job died."""


def announce(lane: str | None = None) -> int:
    """Tell workers of a lane if it has due jobs, or of every lane that has. Returns of how many lanes and kinds."""
    due = scheduling.due_kinds(lane)
    for name, kind in due:
        lanes.send_wakeup(name, kind)
    return len(due)


@transaction.atomic
def bury_and_alert(job: Job, outcome: JobAttempt.Outcome, error_class: str, error: str) -> None:
    """Make a job a dead letter and alert a person. Raises LeaseLost."""
    known = job.kind == NOTIFY.name or job.history.filter(outcome=JobAttempt.Outcome.PERMANENT).exists()
    if not leases.bury(job, outcome, error_class, error):
        return
    about = subjects.names_of([job.subject]).get(job.subject)
    logger.error("job_dead", job=job.id, kind=job.kind, subject=job.subject, error=error[:500])
    own_alerts.dead_letter(
        job,
        about=about,
        error=error,
        # A job that dies on every schedule alerts once. A dead notification must not cause further notifications.
        again=not known,
    )


def recover() -> int:
    """End the runs of dead workers. Returns how many."""
    found = leases.expired_runs()
    for job in found:
        if job.started_at is None:
            assert job.lease_token is not None  # noqa: S101
            leases.release_unstarted(job.lease_token)
        else:
            _end_run_of_dead_worker(job)
    return len(found)


def _end_run_of_dead_worker(job: Job) -> None:
    """End the run of a worker that died. The job is tried again, or is a dead letter if its workers died too often."""
    error = WorkerLost("the worker died or was killed during the run")
    deaths = leases.worker_deaths(job) + 1
    try:
        if deaths >= MOST_WORKER_DEATHS:
            reason = f"its worker died in each of {deaths} runs: it may have killed them (memory, a crash in a library)"
            bury_and_alert(job, JobAttempt.Outcome.LOST, WorkerLost.__name__, reason)
        elif job.attempts >= handlers.attempts_of(job.kind):
            bury_and_alert(job, JobAttempt.Outcome.LOST, WorkerLost.__name__, str(error))
        else:
            leases.retry(job, JobAttempt.Outcome.LOST, error, counts=True)
    except leases.LeaseLost:
        logger.info("lease_taken_meanwhile", job=job.id)


def recover_worker(worker: str) -> int:
    """A worker of this name is dead, so end its runs before their leases are over. Returns how many jobs they had.

    The worker that takes its place calls this before its first run.
    """
    jobs = leases.jobs_of_worker(worker)
    for job in jobs:
        _end_run_of_dead_worker(job)
        lanes.send_wakeup(job.lane_id, job.kind)
    return len(jobs)


def sweep() -> int:
    """Recover lost jobs, then announce every lane with due jobs. Returns how many of both there were."""
    return recover() + announce()
