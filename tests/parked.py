"""Jobs that wait for a cause, for tests of those who remove it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models.functions import Now

from ops.models import Job
from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from ops.refs import LaneName
from ops.workers.handlers import handles


@dataclass(frozen=True)
class Nothing:
    """No payload."""


WAITS = JobKind("test.waits", Nothing, queue=Queue.MAINTENANCE, work="wait", if_dead="It is a test.")


@handles(WAITS)
def waits(_: Nothing) -> None:
    """Goes on, once its cause is gone."""


def park(*keys: str) -> int:
    """A job that waits under the keys; returns its id."""
    job_id = WAITS.new(Nothing(), key="waits:" + "+".join(keys), lane=LaneName("internal")).enqueue()
    assert job_id is not None
    Job.objects.filter(pk=job_id).update(parked_on=list(keys), parked_since=Now())
    return job_id


def is_parked(job_id: int) -> bool:
    """Whether the job still waits."""
    return bool(Job.objects.get(pk=job_id).parked_on)
