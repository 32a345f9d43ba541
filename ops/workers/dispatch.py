"""Sends claimed jobs to their Celery tasks, and recovers jobs whose message or worker was lost."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from ops import redis
from ops.alerting import own_alerts
from ops.alerting.jobs import NOTIFY
from ops.models import Job, JobAttempt
from ops.queue import lanes, subjects
from ops.queue.kinds import DEFAULT_ATTEMPTS, JobKind
from ops.workers import leases, scheduling

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = structlog.get_logger(__name__)

MOST_WORKER_DEATHS = 3
"""If the worker of a job died this often in a row, the job is assumed to be the cause."""


class WorkerLost(Exception):
    """The process that ran a job died."""


class NoOwner(Exception):
    """This worker has no task for the kind of the job."""


def attempts_of(kind: str) -> int:
    """How many attempts a job of this kind has."""
    known = _kind_of(kind)
    return known.attempts if known else DEFAULT_ATTEMPTS


def kinds() -> dict[str, JobKind[DataclassInstance]]:
    """Every job kind that this version has a handler for, by name."""
    _load_handlers()
    found = {name: _kind_of(name) for name in sorted(current_app.tasks)}
    return {name: kind for name, kind in found.items() if kind}


@cache
def _load_handlers() -> None:
    """Import the modules with handlers. Only a worker has imported them at its start."""
    current_app.loader.import_default_modules()


def kind_named(name: str) -> JobKind[DataclassInstance] | None:
    """The declaration of a kind; None when this version has no handler for it."""
    _load_handlers()
    return _kind_of(name)


def _kind_of(name: str) -> JobKind[DataclassInstance] | None:
    return getattr(current_app.tasks.get(name), "job_kind", None)


def serve(lane: str) -> int:
    """Claim the jobs that a lane may run now and send them to workers. Returns how many."""
    lanes.clear_wakeup(lane)
    claimed = scheduling.claim(lane)
    for job in claimed:
        offer(job)
    return len(claimed)


def offer(claimed: leases.Claimed) -> None:
    """Send one claimed job to its Celery task. If the message cannot be sent, the sweep sends it again."""
    kind = _kind_of(claimed.kind)
    if kind is None:
        _retry_unknown_kind(claimed)
        return
    try:
        arguments = (claimed.id, str(claimed.token))
        current_app.tasks[kind.name].apply_async(args=arguments, queue=str(kind.queue), retry=False)
    except (OperationalError, redis.RedisError):
        logger.warning("offer_lost", job=claimed.id, kind=claimed.kind)


def _retry_unknown_kind(claimed: leases.Claimed) -> None:
    """During a deployment an older worker gets jobs of newer kinds. They are tried again for some minutes."""
    job = leases.start(claimed.id, claimed.token)
    if job is None:
        return
    error = NoOwner(f"no task is named {claimed.kind}")
    if job.attempts >= DEFAULT_ATTEMPTS:
        bury_and_alert(job, JobAttempt.Outcome.PERMANENT, NoOwner.__name__, str(error))
    else:
        leases.retry(job, JobAttempt.Outcome.TRANSIENT, error, counts=True)


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
    """End the runs of dead workers, and send the jobs again that no worker started. Returns how many."""
    found = leases.expired_runs()
    for job in found:
        _end_run_of_dead_worker(job)
    again = leases.not_started()
    for claimed in again:
        offer(claimed)
    return len(found) + len(again)


def _end_run_of_dead_worker(job: Job) -> None:
    """End the run of a worker that died. The job is tried again, or is a dead letter if its workers died too often."""
    error = WorkerLost("the worker died or was killed during the run")
    deaths = leases.worker_deaths(job) + 1
    try:
        if deaths >= MOST_WORKER_DEATHS:
            reason = f"its worker died in each of {deaths} runs: it may have killed them (memory, a crash in a library)"
            bury_and_alert(job, JobAttempt.Outcome.LOST, WorkerLost.__name__, reason)
        elif job.attempts >= attempts_of(job.kind):
            bury_and_alert(job, JobAttempt.Outcome.LOST, WorkerLost.__name__, str(error))
        else:
            leases.retry(job, JobAttempt.Outcome.LOST, error, counts=True)
    except leases.LeaseLost:
        logger.info("lease_taken_meanwhile", job=job.id)


def recover_lease(token: uuid.UUID) -> int:
    """A child process of this worker died during the run of this lease, so end the run before the lease is over.

    Returns how many jobs the run had. The main process of the worker calls this.
    """
    jobs = leases.jobs_of_lease(token)
    for job in jobs:
        _end_run_of_dead_worker(job)
    for lane in {job.lane_id for job in jobs}:
        lanes.send_wakeup(lane)
    return len(jobs)


def sweep() -> int:
    """Recover lost jobs, then serve every lane with due jobs in turn. Returns how many jobs were recovered or sent."""
    moved = recover()
    return moved + sum(serve(lane) for lane in scheduling.lanes_with_due_jobs())
