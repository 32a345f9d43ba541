"""Celery tasks of ops: dispatch, the sweep, notifications, pruning."""

from __future__ import annotations

from celery import shared_task

from ops import dispatch, leases, notifications, retention
from ops.models import Job
from ops.runner import Queue, job


@shared_task(name="ops.dispatch")
def dispatch_lane(lane: str) -> None:
    """A lane was woken."""
    dispatch.serve(lane)


@shared_task(name="ops.sweep")
def sweep() -> None:
    """Every few seconds: what every lost message would have done."""
    dispatch.sweep()


@shared_task(name="ops.recheck_parked")
def recheck_parked() -> None:
    """Every minute: parked jobs that nobody woke for a quarter of an hour look at their cause again."""
    leases.recheck_parked()


@shared_task(name="ops.prune")
def prune() -> None:
    """Hourly: finished jobs and closed alerts past their age."""
    retention.prune()


@job("ops.notify", queue=Queue.MAINTENANCE, attempts=6)
def notify(job: Job) -> None:
    """A new alert goes out by e-mail and the configured channels."""
    notifications.send(job.payload["alert"])
