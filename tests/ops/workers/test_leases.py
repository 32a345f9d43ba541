from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from ops.errors import Blocked
from ops.models import Alert, Job, JobAttempt, Lane
from ops.queue import jobs, lanes
from ops.queue.kinds import DEFAULT_ATTEMPTS
from ops.refs import LaneName, ParkKey
from ops.workers import dispatch, leases, scheduling
from tests.drain import drain, run_next
from tests.ops.job_stub import BATCH_KIND, KIND, acts, raising

pytestmark = pytest.mark.django_db


def put(*keys: str, kind: str = KIND, lane: str = "shop:a") -> None:
    for key in keys:
        jobs.NewJob(kind, key=key, lane=LaneName(lane)).enqueue()


def claim(lane: str = "shop:a") -> Job | None:
    return scheduling.claim(lane, token=uuid.uuid4()).job


def claimed() -> Job:
    job = claim()
    assert job is not None
    return job


def expire_leases() -> None:
    Job.objects.filter(state="running").update(lease_until=Now() - timedelta(seconds=1))


def test_a_lane_gives_out_no_more_than_its_concurrency() -> None:
    put("a", "b", "c", "d", "e", "f")
    Lane.objects.update(concurrency=2)
    assert [bool(claim()) for _ in range(3)] == [True, True, False]


def test_a_paused_lane_gives_out_nothing_and_loses_nothing() -> None:
    put("a")
    Lane.objects.update(paused=True)
    assert claim() is None
    Lane.objects.update(paused=False)
    assert drain() == [KIND]


def test_a_claim_takes_one_statement_whatever_the_backlog() -> None:
    put(*[f"k{n}" for n in range(40)])
    with CaptureQueriesContext(connection) as queries:
        claim()
    assert len(queries) == 1


def test_a_lane_with_nothing_due_costs_one_statement_that_locks_nothing() -> None:
    put("a")
    drain()
    served_at = Lane.objects.get().served_at
    with CaptureQueriesContext(connection) as queries:
        assert claim() is None
    assert len(queries) == 1
    assert Lane.objects.get().served_at == served_at


def test_a_claim_begins_the_run_and_counts_the_attempt() -> None:
    put("a")
    token = uuid.uuid4()
    job = scheduling.claim("shop:a", token=token).job
    assert job is not None
    assert (job.state, job.attempts, job.lease_token) == ("running", 1, token)
    assert job.started_at is not None
    stored = Job.objects.get()
    assert (stored.state, stored.attempts, stored.lease_token) == ("running", 1, token)


@pytest.mark.parametrize("ends", ["its message comes", "its lease ends"])
def test_what_the_version_before_claimed_and_did_not_begin_is_due_again(ends: str) -> None:
    put("a")
    token = uuid.uuid4()
    Job.objects.update(state="running", lease_token=token, lease_until=Now() + timedelta(minutes=1))
    drain()
    assert Job.objects.get().state == "running"
    if ends == "its message comes":
        current_app.tasks[KIND](Job.objects.get().id, str(token))
    else:
        expire_leases()
    assert drain() == [KIND]
    assert not JobAttempt.objects.exists()


def test_a_run_that_lost_its_lease_changes_nothing() -> None:
    put("a")
    job = claimed()
    assert job.lease_token is not None
    expire_leases()
    dispatch.recover()
    assert scheduling.claim(token=job.lease_token, ended=True).lease_lost
    with pytest.raises(leases.LeaseLost):
        leases.reschedule(job, wait=timedelta(0), reason="late")
    assert Job.objects.get().state == "ready"


def test_a_job_that_kills_its_worker_again_and_again_ends_as_a_dead_letter() -> None:
    put("a")
    for _ in range(3):
        Job.objects.filter(state="ready").update(run_at=Now())
        claimed()
        expire_leases()
        dispatch.recover()
    assert (Job.objects.get(key="a").state, Job.objects.get(key="a").error_class) == ("dead", "WorkerLost")
    assert JobAttempt.objects.filter(outcome="lost").count() == 3
    assert Alert.objects.get().kind == "dead_letter"


def test_a_batch_takes_along_waiting_jobs_of_its_kind_under_one_lease() -> None:
    put("a", "b", "c", "d", kind=BATCH_KIND)
    put("other")
    Lane.objects.update(concurrency=1)
    sizes: list[int] = []
    acts.extend([lambda batch: sizes.append(len(batch))] * 3)
    drain()
    assert sorted(sizes) == [1, 1, 3]
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}


def test_jobs_of_a_failed_batch_are_tried_one_by_one() -> None:
    put("a", "b", "c", kind=BATCH_KIND)
    Lane.objects.update(concurrency=1)
    acts.append(raising(ValueError("one of them is bad")))
    drain()
    sizes: list[int] = []
    acts.extend([lambda batch: sizes.append(len(batch))] * 3)
    drain(advance=timedelta(minutes=1))
    assert sizes == [1, 1, 1]
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}


def test_a_kind_that_nobody_owns_is_a_dead_letter_not_a_loop() -> None:
    jobs.NewJob("nobody.knows", key="x", lane=LaneName("internal")).enqueue()
    for attempt in range(DEFAULT_ATTEMPTS):  # a newer worker may come during a deployment
        assert Job.objects.get(key="x").attempts == attempt
        Job.objects.update(run_at=Now())
        run_next("internal")
    assert (Job.objects.get(key="x").state, Job.objects.get(key="x").error_class) == ("dead", "NoOwner")


def test_back_off_grows_and_is_capped() -> None:
    assert all(leases.backoff(1) <= timedelta(seconds=2) for _ in range(50))
    assert all(timedelta(0) <= leases.backoff(30) <= leases.LONGEST_BACKOFF for _ in range(50))


def run(key: str) -> Job:
    """Claim the one due job."""
    job = claim(Job.objects.get(key=key).lane_id)
    assert job is not None
    return job


def look_at(key: str, **how: Any) -> None:
    jobs.NewJob(KIND, key=key, lane=LaneName("shop:a"), coalesce=True, **how).enqueue()


def test_a_notice_during_a_run_that_dies_is_a_job_of_its_own() -> None:
    look_at("a")
    job = run("a")
    look_at("a")
    assert not leases.bury(job, JobAttempt.Outcome.PERMANENT, "Permanent", "no")
    assert (Job.objects.get(key="a").state, Job.objects.get(key="a").attempts) == ("ready", 0)
    assert leases.bury(run("a"), JobAttempt.Outcome.PERMANENT, "Permanent", "no")
    assert Job.objects.get(key="a").state == "dead"


def test_a_notice_during_a_run_that_parks_makes_the_job_due() -> None:
    look_at("a")
    job = run("a")
    look_at("a")
    assert not leases.park(job, Blocked("no stock", on=[ParkKey("stock:1")], recheck=lambda: True))
    assert leases.park(run("a"), Blocked("no stock", on=[ParkKey("stock:1")], recheck=lambda: True))


def test_notices_never_put_off_a_job_that_failed() -> None:
    look_at("a")
    leases.reschedule(run("a"), wait=timedelta(seconds=1), reason="busy")
    before = Job.objects.get(key="a").run_at
    look_at("a", delay=timedelta(minutes=1))
    assert Job.objects.get(key="a").run_at == before


def test_a_worker_with_a_wrong_clock_gives_jobs_the_database_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2001, 1, 1, tzinfo=UTC))
    look_at("a")
    leases.reschedule(run("a"), wait=timedelta(minutes=1), reason="busy")
    lanes.record_failure("shop:a")
    Lane.objects.update(failures=10)
    lanes.record_failure("shop:a")
    assert claim() is None
    assert Job.objects.filter(run_at__gt=Now(), run_at__lt=Now() + timedelta(minutes=2)).exists()
    assert Lane.objects.get().open_until.year > 2001  # type: ignore[union-attr]
