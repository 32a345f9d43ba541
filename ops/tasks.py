"""Celery tasks of ops: dispatch, the sweep, notifications, pruning."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task

from ops.alerting import channels, notifications
from ops.doors import reused_ids
from ops.doors.refusals import Door
from ops.models import Job
from ops.queue import retention
from ops.workers import circuits, dispatch, leases
from ops.workers.runner import Queue, job, job_batch


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
    """Every ten minutes: payloads, finished jobs, failed runs and closed alerts past their age."""
    retention.prune()


@job_batch("ops.notify", queue=Queue.MAINTENANCE, size=notifications.MOST_IN_ONE, attempts=6)
def notify(jobs: list[Job]) -> None:
    """New alerts go out by a channel, those that wait there in one message."""
    alert_ids = [each.payload["alert"] for each in jobs]
    if notifications.send(alert_ids, by=jobs[0].payload.get("channel", channels.MAIL)):
        circuits.answered(jobs[0].lane_id)


@job(reused_ids.JOB_KIND, queue=Queue.MAINTENANCE)
def ids_reused(job: Job) -> None:
    """A sender gave the id of one event to another, or did so a while ago."""
    told = job.payload
    reused_ids.look(
        Door(told["door"]),
        told["sender"],
        event_id=told["event_id"],
        lane=told["lane"],
        at=datetime.fromisoformat(told["at"]),
    )
