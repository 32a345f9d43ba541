from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from ops.errors import Blocked
from ops.models import Alert, Job, JobAttempt, Lane
from ops.queue import jobs, lanes
from ops.queue.kinds import DEFAULT_ATTEMPTS
from ops.refs import LaneName, ParkKey
from ops.workers import dispatch, leases, scheduling
from tests.drain import drain
from tests.ops.job_stub import BATCH_KIND, KIND, acts, raising

pytestmark = pytest.mark.django_db


def put(*keys: str, kind: str = KIND, lane: str = "shop:a") -> None:
    for key in keys:
        jobs.enqueue(kind, key=key, lane=LaneName(lane))


def expire_leases() -> None:
    Job.objects.filter(state="running").update(lease_until=Now() - timedelta(seconds=1))


def test_a_lane_gives_out_no_more_than_its_concurrency() -> None:
    put("a", "b", "c", "d", "e", "f")
    Lane.objects.update(concurrency=2)
    assert len(scheduling.claim("shop:a")) == 2
    assert scheduling.claim("shop:a") == []


def test_a_paused_lane_gives_out_nothing_and_loses_nothing() -> None:
    put("a")
    Lane.objects.update(paused=True)
    assert scheduling.claim("shop:a") == []
    Lane.objects.update(paused=False)
    assert drain() == [KIND]


def test_claiming_takes_a_look_and_two_statements_whatever_the_backlog() -> None:
    put(*[f"k{n}" for n in range(40)])
    with CaptureQueriesContext(connection) as queries:
        scheduling.claim("shop:a")
    assert [q["sql"].split()[0] for q in queries if "SAVEPOINT" not in q["sql"]] == [
        "SELECT",
        "UPDATE",
        "WITH",
    ]


def test_a_lane_with_nothing_due_costs_one_read(django_assert_num_queries: Any) -> None:
    put("a")
    drain()
    with django_assert_num_queries(1):
        assert scheduling.claim("shop:a") == []


def test_a_dispatched_job_starts_once_however_often_its_message_comes() -> None:
    put("a")
    (claimed,) = scheduling.claim("shop:a")
    assert leases.start(claimed.id, claimed.token) is not None
    assert leases.start(claimed.id, claimed.token) is None
    assert leases.start(claimed.id, uuid.uuid4()) is None


def test_a_message_that_was_lost_is_offered_again_with_the_same_token() -> None:
    put("a")
    (claimed,) = scheduling.claim("shop:a")
    assert leases.not_started() == []
    expire_leases()
    assert leases.not_started() == [claimed]
    assert leases.start(claimed.id, claimed.token) is not None


def test_a_run_that_lost_its_lease_changes_nothing() -> None:
    put("a")
    (claimed,) = scheduling.claim("shop:a")
    job = leases.start(claimed.id, claimed.token)
    assert job is not None
    expire_leases()
    dispatch.recover()
    with pytest.raises(leases.LeaseLost):
        leases.finish(claimed.token)
    with pytest.raises(leases.LeaseLost):
        leases.reschedule(job, wait=timedelta(0), reason="late")
    assert Job.objects.get().state == "ready"


def test_a_job_that_kills_its_worker_again_and_again_ends_as_a_dead_letter() -> None:
    put("a")
    for _ in range(3):
        Job.objects.filter(state="ready").update(run_at=Now())
        (claimed,) = scheduling.claim("shop:a")
        leases.start(claimed.id, claimed.token)
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
    jobs.enqueue("nobody.knows", key="x", lane=LaneName("internal"))
    for attempt in range(DEFAULT_ATTEMPTS):  # a newer worker may come during a deployment
        assert Job.objects.get(key="x").attempts == attempt
        Job.objects.update(run_at=Now())
        dispatch.serve("internal")
    assert (Job.objects.get(key="x").state, Job.objects.get(key="x").error_class) == ("dead", "NoOwner")


def test_back_off_grows_and_is_capped() -> None:
    assert all(leases.backoff(1) <= timedelta(seconds=2) for _ in range(50))
    assert all(timedelta(0) <= leases.backoff(30) <= leases.LONGEST_BACKOFF for _ in range(50))


def run(key: str) -> Job:
    """Claim and start the one due job."""
    (claimed,) = scheduling.claim(Job.objects.get(key=key).lane_id)
    job = leases.start(claimed.id, claimed.token)
    assert job is not None
    return job


def look_at(key: str, **how: Any) -> None:
    jobs.enqueue(KIND, key=key, lane=LaneName("shop:a"), coalesce=True, **how)


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
    assert scheduling.claim("shop:a") == []
    assert Job.objects.filter(run_at__gt=Now(), run_at__lt=Now() + timedelta(minutes=2)).exists()
    assert Lane.objects.get().open_until.year > 2001  # type: ignore[union-attr]
