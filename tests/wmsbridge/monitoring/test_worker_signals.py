"""A child of a worker that dies in the middle of a turn: its main process gives the work back at once."""

from __future__ import annotations

import uuid

import pytest
from billiard.exceptions import WorkerLostError
from celery import current_app, signals

from ops.models import Job, JobAttempt
from ops.queue import jobs, lanes
from ops.refs import LaneName
from ops.workers import scheduling
from tests.drain import load_tasks
from tests.ops.job_stub import KIND

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lease() -> uuid.UUID:
    """Of a turn whose run is under way."""
    load_tasks()
    token = uuid.uuid4()
    jobs.NewJob(KIND, key="a", lane=LaneName("shop:a")).enqueue()
    assert scheduling.claim("shop:a", token=token).job
    return token


def child_ended(task: str, lease: uuid.UUID, error: Exception) -> None:
    """What Celery says in the main process."""
    signals.task_failure.send(sender=current_app.tasks[task], task_id=str(lease), exception=error)


def test_the_work_of_a_dead_child_is_given_back(lease: uuid.UUID) -> None:
    child_ended(lanes.WORK, lease, WorkerLostError("signal 9"))
    assert Job.objects.get(key="a").state == "ready"
    assert JobAttempt.objects.get().outcome == JobAttempt.Outcome.LOST


def test_a_task_that_failed_in_a_living_child_has_ended_its_runs_itself(lease: uuid.UUID) -> None:
    child_ended(lanes.WORK, lease, ValueError("a bug"))
    assert Job.objects.get(key="a").state == "running"


def test_a_dead_child_that_had_no_turn_had_no_work(lease: uuid.UUID) -> None:
    child_ended("ops.sweep", lease, WorkerLostError("signal 9"))
    assert Job.objects.get(key="a").state == "running"
