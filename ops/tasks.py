"""Celery tasks of ops: dispatch, the sweep, notifications, pruning."""

from __future__ import annotations

from celery import Task, current_app, shared_task

from ops.alerting import notifications
from ops.alerting.jobs import NOTIFY, NotifyPayload
from ops.doors import reused_ids
from ops.doors.jobs import IDS_REUSED, IdsReusedPayload
from ops.queue import lanes, retention
from ops.queue.kinds import TypedJob
from ops.workers import circuits, dispatch, lane_worker, leases
from ops.workers.handlers import handles, handles_batch


@shared_task(name=lanes.WORK, bind=True)
def work(self: Task[..., None], lane: str, queue: str) -> None:
    """A lane was woken: work it."""
    lanes.clear_wakeup(lane, queue)
    lane_worker.work(lane, token=leases.new_lease(self.request.hostname or ""), queues=served_queues())


@shared_task(name="ops.dispatch")
def dispatch_lane(lane: str) -> None:
    """A message of the version before, which woke a lane."""
    dispatch.announce(lane)


def served_queues() -> list[str]:
    """The queues of this worker."""
    return list(current_app.amqp.queues.consume_from)


@shared_task(name="ops.sweep")
def sweep() -> None:
    """Every few seconds: do what lost messages would have done."""
    dispatch.sweep()


@shared_task(name="ops.recheck_parked")
def recheck_parked() -> None:
    """Every minute: make parked jobs due that nobody woke for a quarter of an hour. They check their cause again."""
    leases.recheck_parked()


@shared_task(name="ops.prune")
def prune() -> None:
    """Every ten minutes: erase or delete old payloads, finished jobs, failed runs and closed alerts."""
    retention.prune()


@handles_batch(NOTIFY)
def notify(jobs: list[TypedJob[NotifyPayload]]) -> None:
    """Send the alerts that wait for a channel, in one message."""
    if notifications.send([each.payload.alert for each in jobs], by=jobs[0].payload.channel):
        circuits.endpoint_answered(jobs[0].lane)


@handles(IDS_REUSED)
def ids_reused(last: IdsReusedPayload) -> None:
    """Raise or close the alert about a sender that reuses its ids."""
    reused_ids.update_alert(last)
