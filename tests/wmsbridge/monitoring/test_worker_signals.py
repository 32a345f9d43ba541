"""A worker that starts again after its death: it gives back what it was at, before its first run."""

from __future__ import annotations

import pytest
from celery import signals

from ops.models import Job, JobAttempt
from ops.queue import jobs
from ops.refs import LaneName
from ops.workers import leases, scheduling
from tests.drain import load_tasks
from tests.ops.job_stub import KIND

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def under_way() -> None:
    """A run of the worker `worker@one`."""
    load_tasks()
    jobs.NewJob(KIND, key="a", lane=LaneName("shop:a")).enqueue()
    assert scheduling.claim("shop:a", token=leases.new_lease("worker@one")).job


def starts(worker: str) -> None:
    """What Celery says in a worker that is set up."""
    signals.celeryd_after_setup.send(sender=worker, instance=None, conf=None)


def test_it_gives_back_what_it_was_at() -> None:
    starts("worker@one")
    assert Job.objects.get(key="a").state == "ready"
    assert JobAttempt.objects.get().outcome == JobAttempt.Outcome.LOST


def test_it_takes_nothing_from_others() -> None:
    starts("worker@two")
    assert Job.objects.get(key="a").state == "running"
