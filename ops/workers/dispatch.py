"""From the lane to the worker: send claimed jobs to their Celery tasks, and find again what got lost on the way."""

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

MOST_LOSSES = 3
"""A job whose worker died so often is taken for the cause of it."""


class WorkerLost(Exception):
    """The process that ran a job is gone."""


class NoOwner(Exception):
    """This worker knows no task of that name."""


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
    """Only a worker has loaded them when it starts; and Celery runs all of Django's checks with it."""
    current_app.loader.import_default_modules()


def kind_named(name: str) -> JobKind[DataclassInstance] | None:
    """The declaration of a kind; None when this version has no handler for it."""
    _load_handlers()
    return _kind_of(name)


def _kind_of(name: str) -> JobKind[DataclassInstance] | None:
    return getattr(current_app.tasks.get(name), "job_kind", None)


def serve(lane: str) -> int:
    """Claim what a lane may run now and send it off; returns how many jobs."""
    lanes.awake(lane)
    claimed = scheduling.claim(lane)
    for job in claimed:
        offer(job)
    return len(claimed)


def offer(claimed: leases.Claimed) -> None:
    """Send one claimed job to its Celery task. A message that cannot be sent is offered again by the sweep."""
    kind = _kind_of(claimed.kind)
    if kind is None:
        _put_off_orphan(claimed)
        return
    try:
        arguments = (claimed.id, str(claimed.token))
        current_app.tasks[kind.name].apply_async(args=arguments, queue=str(kind.queue), retry=False)
    except (OperationalError, redis.RedisError):
        logger.warning("offer_lost", job=claimed.id, kind=claimed.kind)


def _put_off_orphan(claimed: leases.Claimed) -> None:
    """During a deployment an older worker meets jobs of newer kinds: those are tried again for minutes."""
    job = leases.start(claimed.id, claimed.token)
    if job is None:
        return
    error = NoOwner(f"no task is named {claimed.kind}")
    if job.attempts >= DEFAULT_ATTEMPTS:
        bury(job, JobAttempt.Outcome.PERMANENT, NoOwner.__name__, str(error))
    else:
        leases.retry(job, JobAttempt.Outcome.TRANSIENT, error, counts=True)


@transaction.atomic
def bury(job: Job, outcome: JobAttempt.Outcome, error_class: str, error: str) -> None:
    """Make a job a dead letter and alert a person. Raises LeaseLost."""
    known = job.kind == NOTIFY.name or job.history.filter(outcome=JobAttempt.Outcome.PERMANENT).exists()
    if not leases.bury(job, outcome, error_class, error):
        return
    about = subjects.in_words([job.subject]).get(job.subject)
    logger.error("job_dead", job=job.id, kind=job.kind, subject=job.subject, error=error[:500])
    own_alerts.dead_letter(
        job,
        about=about,
        error=error,
        # Neither the same death on every schedule, nor that of messages, which would only cause more messages.
        again=not known,
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
    """End the run of a worker that died: to be tried again, or a dead letter when it killed too many."""
    error = WorkerLost("the worker died or was killed during the run")
    losses = leases.losses(job) + 1
    try:
        if losses >= MOST_LOSSES:
            told = f"its worker died in each of {losses} runs: it may have killed them (memory, a crash in a library)"
            bury(job, JobAttempt.Outcome.LOST, WorkerLost.__name__, told)
        elif job.attempts >= attempts_of(job.kind):
            bury(job, JobAttempt.Outcome.LOST, WorkerLost.__name__, str(error))
        else:
            leases.retry(job, JobAttempt.Outcome.LOST, error, counts=True)
    except leases.LeaseLost:
        logger.info("lease_taken_meanwhile", job=job.id)


def worker_lost(token: uuid.UUID) -> int:
    """A child of this worker died in the run of this lease: its jobs need not wait until the lease is over.

    Returns how many. Called in the worker's main process.
    """
    jobs = leases.under(token)
    for job in jobs:
        _give_back(job)
    for lane in {job.lane_id for job in jobs}:
        lanes.wake(lane)
    return len(jobs)


def sweep() -> int:
    """One round: recover what got lost, then serve every lane with due jobs in turn. Returns how many jobs moved."""
    moved = recover()
    return moved + sum(serve(lane) for lane in scheduling.lanes_with_due_jobs())
