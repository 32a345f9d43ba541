"""Whose turn it is in a lane: partitions take turns, an unclear lane runs one at a time, a throttled one the urgent."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from bench.tables.plans import plans_inside_functions
from ops.errors import Scope, Throttled
from ops.models import Circuit, Job, JobAttempt, Lane, Priority
from ops.queue import jobs, lanes
from ops.refs import LOCAL, LaneName
from ops.workers import dispatch, leases, scheduling
from tests.drain import drain, finish
from tests.ops.job_stub import KIND, acts

pytestmark = pytest.mark.django_db
LANE = "wms:north"
MINUTE = timedelta(minutes=1)


def put(*keys: str, partition: str = "", priority: Priority = Priority.NORMAL, lane: str = LANE) -> None:
    for key in keys:
        jobs.NewJob(KIND, key=key, lane=LaneName(lane), partition=partition, priority=priority).enqueue()


def claim() -> Job | None:
    """What a worker takes."""
    return scheduling.claim(LANE, token=uuid.uuid4()).job


def claimed() -> list[str]:
    """The keys of the jobs that workers take, one after the other, until the lane gives out none."""
    return [job.key for job in iter(claim, None)]


def set_concurrency(concurrency: int) -> None:
    Lane.objects.filter(name=LANE).update(concurrency=concurrency)


def test_a_shop_with_a_backlog_does_not_keep_another_waiting() -> None:
    put(*[f"a{n}" for n in range(50)], partition="shop:1")
    set_concurrency(3)
    assert claimed() == ["a0", "a1", "a2"]
    put("b0", partition="shop:2")
    finish([Job.objects.get(key="a0")])
    assert claimed() == ["b0"]


def test_shares_take_turns_within_one_claim_too() -> None:
    for partition in ("1", "2", "3"):
        put(*[f"{partition}.{n}" for n in range(5)], partition=partition)
    set_concurrency(6)
    assert Counter(key[0] for key in claimed()) == {"1": 2, "2": 2, "3": 2}


def test_what_is_urgent_goes_before_any_partition() -> None:
    put("a0", "a1", partition="shop:1")
    put("b0", partition="shop:2", priority=Priority.URGENT)
    set_concurrency(1)
    assert claimed() == ["b0"]


def test_a_share_is_served_first_in_first_out() -> None:
    put("x", "y", "z", partition="shop:1")
    assert claimed() == ["x", "y", "z"]


def test_a_claim_looks_at_shares_and_not_at_the_backlog() -> None:
    Lane.objects.create(name=LANE)
    row = {"kind": KIND, "lane_id": LANE, "state": "ready"}
    Job.objects.bulk_create(Job(**row, key=f"a{n}", partition="shop:1") for n in range(3000))
    put("b", partition="shop:2")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ops_job")
    with plans_inside_functions() as plans:
        assert claim()
    assert len(plans) >= 2
    assert max(most_rows(plan["Plan"]) for plan in plans) < 30


def most_rows(node: Mapping[str, Any]) -> int:
    """The largest number of rows that any step of the plan handled."""
    own = int(node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0))
    return max([own, *(most_rows(inner) for inner in node.get("Plans", []))])


def test_one_failure_puts_the_endpoint_in_doubt_and_one_answer_ends_that() -> None:
    put("a", "b", "c")
    lanes.record_failure(LANE)
    assert claimed() == ["a"]
    lanes.record_answer(LANE)
    assert claimed() == ["b", "c"]


def test_after_an_outage_a_lane_comes_back_slowly() -> None:
    put(*[f"a{n}" for n in range(40)])
    for _ in range(lanes.FAILURES_TO_OPEN):
        lanes.record_failure(LANE)
    Lane.objects.update(open_until=Now() - MINUTE)
    under_way = []
    for _ in range(1 + 3 * lanes.ANSWERS_PER_STEP):
        claimed()
        running = Job.objects.filter(state="running")
        under_way.append(running.count())
        finish([running.order_by("id")[0]])
        recovered = lanes.record_answer(LANE)
    assert under_way == [1] + [1] * 4 + [2] * 5 + [3] * 5 + [4]
    assert recovered is False  # it was, an answer ago
    assert Lane.objects.get().recovering is None


def test_a_failure_on_the_mend_opens_the_circuit_at_once_and_alerts_nobody_anew() -> None:
    put("a")
    for _ in range(lanes.FAILURES_TO_OPEN):
        lanes.record_failure(LANE)
    assert lanes.record_answer(LANE) is False
    assert lanes.record_failure(LANE) == (True, False)
    assert Lane.objects.get().circuit == Circuit.OPEN


def test_a_budget_that_is_used_up_holds_what_is_no_more_important() -> None:
    put("low", priority=Priority.LOW)
    put("normal1", "normal2")
    put("high", priority=Priority.HIGH)
    lanes.throttle_priority(LANE, priority=Priority.NORMAL, wait=MINUTE)
    assert scheduling.due_kinds() == [(LANE, KIND)]
    assert claimed() == ["high"]
    assert scheduling.due_kinds() == []
    Lane.objects.update(throttled_until=Now() - MINUTE)
    assert claimed() == ["normal1", "normal2", "low"]


def test_over_budget_one_refusal_is_enough_and_nobody_loses_his_place() -> None:
    tries: list[str] = []

    def refuse(batch: list[Job]) -> None:
        tries.append(batch[0].key)
        raise Throttled("no points left", wait=MINUTE, scope=Scope.PRIORITY)

    acts.extend([refuse] * 9)
    put(*[f"a{n}" for n in range(6)])
    set_concurrency(1)
    drain()
    acts.clear()
    assert tries == ["a0"]
    Lane.objects.update(throttled_until=Now() - MINUTE)
    assert claimed() == ["a0"]


def test_a_hold_of_the_important_covers_the_less_important_and_not_the_other_way_round() -> None:
    put("low", priority=Priority.LOW)
    lanes.throttle_priority(LANE, priority=Priority.HIGH, wait=MINUTE)
    lanes.throttle_priority(LANE, priority=Priority.LOW, wait=2 * MINUTE)
    assert Lane.objects.get().throttled_priority == Priority.HIGH
    lanes.throttle_priority(LANE, priority=Priority.URGENT, wait=MINUTE)
    assert Lane.objects.get().throttled_priority == Priority.URGENT


def test_the_work_of_a_killed_worker_is_given_back_at_once() -> None:
    put("a", "b")
    assert scheduling.claim(LANE, token=leases.new_lease("worker@one")).job
    assert scheduling.claim(LANE, token=leases.new_lease("worker@two")).job
    assert dispatch.recover_worker("worker@one") == 1
    job = Job.objects.get(key="a")
    assert (job.state, job.attempts, job.history.get().outcome) == ("ready", 1, JobAttempt.Outcome.LOST)
    assert dispatch.recover_worker("worker@one") == 0
    assert Job.objects.get(key="b").state == "running"


def test_a_replayed_poison_gets_its_runs_anew() -> None:
    put("poison")
    for _ in range(2):
        for _ in range(dispatch.MOST_WORKER_DEATHS):
            assert Job.objects.get().state == "ready"
            Job.objects.update(run_at=Now())
            assert scheduling.claim(LANE, token=leases.new_lease("worker@one")).job
            dispatch.recover_worker("worker@one")
        assert Job.objects.get(key="poison").state == "dead"
        Job.objects.exclude(key="poison").delete()
        jobs.replay([Job.objects.get().id])


def test_local_work_begins_with_less_room_than_work_that_waits_for_answers() -> None:
    put("a")
    put("b", lane=f"{LANE}{LOCAL}")
    assert dict(Lane.objects.values_list("name", "concurrency")) == {LANE: 4, f"{LANE}/in": 2}
