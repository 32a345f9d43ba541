from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from ops.errors import Blocked
from ops.models import Job
from ops.queue import jobs
from ops.refs import LaneName, ParkKey
from ops.workers import leases, scheduling
from tests.drain import drain
from tests.ops.job_stub import KIND, acts, raising

pytestmark = pytest.mark.django_db


def put(key: str = "k", *, lane: str = "shop:a", **options: Any) -> int | None:
    return jobs.NewJob(KIND, key=key, lane=LaneName(lane), **options).enqueue()


def start(lane: str = "shop:a") -> Job:
    job = scheduling.claim(lane, token=uuid.uuid4()).job
    assert job is not None
    return job


def test_enqueue_is_one_statement_and_makes_its_lane() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        put(payload={"n": 1}, subject="order:1")
    assert len(queries) == 1
    job = Job.objects.get(key="k")
    assert (job.lane_id, job.payload, job.subject, job.state) == ("shop:a", {"n": 1}, "order:1", "ready")


def test_a_known_key_is_a_duplicate_even_after_it_is_done() -> None:
    assert put() is not None
    drain()
    assert put(payload={"n": 2}) is None
    assert Job.objects.get().state == "done"
    assert Job.objects.get().payload == {}


def test_a_coalescing_notice_while_one_waits_adds_nothing() -> None:
    first = put(coalesce=True)
    assert put(coalesce=True) == first
    assert drain() == [KIND]


def test_a_coalescing_notice_after_the_end_runs_again() -> None:
    put(coalesce=True)
    drain()
    put(coalesce=True)
    assert drain() == [KIND]


def test_a_coalescing_notice_while_it_runs_makes_it_run_once_more() -> None:
    put(coalesce=True)
    acts.append(lambda _: (put(coalesce=True), put(coalesce=True)))
    assert drain() == [KIND, KIND]
    assert Job.objects.get().state == "done"


def test_a_coalescing_notice_revives_a_dead_letter_with_all_its_attempts() -> None:
    put(coalesce=True)
    acts.extend([raising(ValueError("bug"))] * 3)
    for _ in range(3):
        drain(advance=timedelta(minutes=10))
    assert Job.objects.get(key="k").state == "dead"
    put(coalesce=True)
    assert drain() == [KIND]
    assert (Job.objects.get(key="k").state, Job.objects.get(key="k").attempts) == ("done", 1)


def test_a_delay_is_kept_when_the_job_asks_for_itself_while_it_runs() -> None:
    put(coalesce=True)
    acts.append(lambda _: put(coalesce=True, delay=timedelta(minutes=1)))
    assert drain() == [KIND]
    assert drain(advance=timedelta(minutes=1)) == [KIND]


def test_an_earlier_notice_brings_a_delayed_job_forward() -> None:
    put(coalesce=True, delay=timedelta(minutes=5))
    assert drain() == []
    put(coalesce=True)
    assert drain() == [KIND]


def test_a_lane_takes_by_priority_then_age() -> None:
    for key, priority in [("late", 9), ("first", 1), ("second", 1), ("urgent", 0)]:
        put(key, priority=priority)
    order: list[str] = []
    acts.extend([lambda batch: order.append(batch[0].key)] * 4)
    drain()
    assert order[0] == "urgent"
    assert sorted(order[1:3]) == ["first", "second"]
    assert order[3] == "late"


def test_a_parked_job_waits_until_its_key_is_woken() -> None:
    put()
    acts.append(raising(Blocked("no mapping", on=[ParkKey("sku:1:2")], recheck=lambda: True)))
    assert drain() == [KIND]
    assert (Job.objects.get().parked_on, Job.objects.get().error) == (["sku:1:2"], "no mapping")
    assert drain(advance=timedelta(minutes=5)) == []
    assert jobs.wake(ParkKey("sku:other"), ParkKey("sku:1:2")) == 1
    assert drain() == [KIND]


def test_parking_looks_at_the_cause_again_and_costs_no_attempt() -> None:
    put()
    acts.append(raising(Blocked("gone meanwhile", on=[ParkKey("sku:1:2")], recheck=lambda: False)))
    assert drain() == [KIND, KIND]
    assert (Job.objects.get().state, Job.objects.get().attempts) == ("done", 1)


def test_what_parks_again_for_the_same_reason_is_parked_since_the_first_time() -> None:
    put()
    still_blocked = raising(Blocked("no stock", on=[ParkKey("stock:1:MUG")], recheck=lambda: True))
    acts.extend(
        [
            still_blocked,
            still_blocked,
            raising(Blocked("no SKU", on=[ParkKey("sku:1:2")], recheck=lambda: True)),
        ]
    )
    drain()
    long_ago = Now() - timedelta(days=2)
    Job.objects.update(parked_since=long_ago)
    since = Job.objects.get().parked_since
    drain(advance=jobs.RECHECK_PARKED)
    leases.recheck_parked()
    drain()
    assert (Job.objects.get().parked_on, Job.objects.get().parked_since) == (["stock:1:MUG"], since)
    jobs.wake(ParkKey("stock:1:MUG"))
    drain()
    assert Job.objects.get().parked_on == ["sku:1:2"]
    assert Job.objects.get().parked_since != since


def test_a_parked_job_that_nobody_wakes_looks_again_after_a_quarter_of_an_hour() -> None:
    put()
    acts.append(raising(Blocked("no stock", on=[ParkKey("stock:1:MUG")], recheck=lambda: True)))
    drain()
    Job.objects.update(run_at=Now())
    assert leases.recheck_parked() == 1
    assert drain() == [KIND]


def test_replay_gives_a_dead_letter_its_attempts_back_and_touches_no_other() -> None:
    put("dead")
    put("done")
    acts.append(raising(ValueError("bug")))
    Job.objects.filter(key="dead").update(attempts=2, priority=0)
    drain()
    assert Job.objects.get(key="dead").state == "dead"
    assert jobs.replay(Job.objects.values_list("id", flat=True)) == 1
    assert drain() == [KIND]
    assert Job.objects.get(key="dead").state == "done"


@pytest.mark.parametrize(
    ("broken", "constraint"),
    [
        ({"state": "lost"}, "job_state_is_known"),
        ({"state": "running"}, "job_has_a_lease_exactly_while_running"),
        ({"parked_on": ["a"]}, "job_parks_only_while_ready"),
    ],
)
def test_the_database_refuses_a_job_in_an_impossible_state(
    broken: dict[str, object], constraint: str
) -> None:
    put()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Job.objects.update(**broken)
