"""Jobs that wait for a cause, for tests of those who remove it."""

from __future__ import annotations

from django.db.models.functions import Now

from ops.models import Job
from ops.queue import jobs
from ops.workers.runner import Queue, job


@job("test.waits", queue=Queue.MAINTENANCE)
def waits(_: Job) -> None:
    """Goes on, once its cause is gone."""


def park(*keys: str) -> int:
    """A job that waits under the keys; returns its id."""
    job_id = jobs.enqueue("test.waits", key="waits:" + "+".join(keys), lane="internal")
    assert job_id is not None
    Job.objects.filter(pk=job_id).update(parked_on=list(keys), parked_since=Now())
    return job_id


def is_parked(job_id: int) -> bool:
    """Whether the job still waits."""
    return bool(Job.objects.get(pk=job_id).parked_on)
