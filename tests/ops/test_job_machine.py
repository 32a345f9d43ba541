"""Whatever happens to jobs, in whatever order: none runs twice at a time, and no notice of work is lost."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta
from unittest import mock
from uuid import UUID

import pytest
from django.db.models import F
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ops import dispatch, jobs, leases
from ops.errors import Blocked, Transient
from ops.models import Job, JobAttempt, Lane
from tests.ops.acting import BATCH_KIND

numbers = itertools.count()
ATTEMPTS, DAY = 3, timedelta(days=1)
some = st.integers(0, 20)


STEPS = {
    "work_comes": ["abcxyz", "xyz", "zx", "cz later"],
    "the_lane_is_served": ["0", "1", "3"],
    "a_message_arrives": ["once", "twice"],
    "a_run_ends": ["well", "fail", "die", "throttled", "blocked", "unblocked"],
    "a_lease_runs_out": [""],
    "a_worker_given_up_comes_back": ["well", "fail", "die", "throttled", "blocked"],
    "time_passes": ["wake", "recheck"],
    "a_person_comes": ["replay", "pause"],
}


class Jobs(RuleBasedStateMachine):
    """One lane. A run is open from its start until a step ends it; `owed` are keys whose last notice was not served."""

    @initialize(concurrency=st.integers(1, 3))
    def begin(self, concurrency: int) -> None:
        self.name = f"lane:{next(numbers)}"
        self.lane = Lane.objects.create(name=self.name, concurrency=concurrency)
        self.messages: list[leases.Claimed] = []
        self.runs: list[list[Job]] = []
        self.given_up: list[list[Job]] = []
        self.owed: set[str] = set()

    # One rule: Hypothesis leaves some rules out of each example, and here nothing happens without all of them.
    @rule(step=st.sampled_from([(step, how) for step, hows in STEPS.items() for how in hows]), which=some)
    def anything(self, step: tuple[str, str], which: int) -> None:
        getattr(self, step[0])(step[1], which)

    def jobs(self, **having: object) -> list[Job]:
        return list(Job.objects.filter(lane=self.name, **having).order_by("id"))

    def work_comes(self, names: str, which: int) -> None:
        """a, b, c are events, each of them once for ever; x, y, z are things to be looked at."""
        names, later = names.removesuffix(" later"), names.endswith("later")
        for name in names:
            coalesce, key = name in "xyz", f"{self.name}:{name}"
            delay = DAY if later else timedelta(0)
            added = jobs.enqueue(BATCH_KIND, key=key, lane=self.name, delay=delay, coalesce=coalesce)
            if added is not None:
                self.owed.add(key)

    def the_lane_is_served(self, arrive: str, _: int) -> None:
        self.messages += leases.claim(self.name)
        for which in range(int(arrive)):
            self.a_message_arrives("once", which)

    def a_message_arrives(self, times: str, which: int) -> None:
        if not self.messages:
            return
        message = self.messages[which % len(self.messages)]
        if times == "once":
            self.messages.remove(message)
        first = leases.start(message.id, message.token)
        if first is not None:
            self.runs.append([first, *leases.take_along(first, limit=2)])
            self.owed -= {job.key for job in self.runs[-1]}

    def a_run_ends(self, how: str, which: int) -> None:
        if not self.runs:
            return
        run = self.runs.pop(which % len(self.runs))
        if how == "well":
            leases.finish(token_of(run))
            return
        for job in run:
            if not end(job, how):
                self.owed.add(job.key)

    def a_lease_runs_out(self, _: str, which: int) -> None:
        tokens = sorted({job.lease_token for job in self.jobs(state="running")}, key=str)
        if not tokens:
            return
        token = tokens[which % len(tokens)]
        Job.objects.filter(lease_token=token).update(lease_until=Now() - DAY)
        with mock.patch.object(dispatch, "offer", self.messages.append):
            dispatch.recover()
        for run in [run for run in self.runs if token_of(run) == token]:
            self.runs.remove(run)
            self.given_up.append(run)
            self.owed |= {job.key for job in run if Job.objects.get(id=job.id).state != "dead"}

    def a_worker_given_up_comes_back(self, how: str, _: int) -> None:
        if not self.given_up:
            return
        run, before = self.given_up.pop(), self.standing()
        with pytest.raises(leases.LeaseLost):
            leases.finish(token_of(run)) if how == "well" else end(run[0], how)
        assert self.standing() == before

    def standing(self) -> list[tuple[object, ...]]:
        return [(job.id, job.state, job.attempts, job.rerun, job.lease_token) for job in self.jobs()]

    def time_passes(self, how: str, _: int) -> None:
        Job.objects.filter(lane=self.name, state="ready").update(run_at=F("run_at") - 2 * DAY)
        if how == "wake":
            jobs.wake(f"{self.name}:cause")
        else:
            leases.recheck_parked()

    def a_person_comes(self, how: str, _: int) -> None:
        """Dead letters are replayed, or the lane is paused for a moment."""
        dead = self.jobs(state="dead") if how == "replay" else []
        assert jobs.replay([job.id for job in dead]) == len(dead)
        self.owed |= {job.key for job in dead}
        Lane.objects.filter(name=self.name).update(paused=True)
        assert leases.claim(self.name) == []
        Lane.objects.filter(name=self.name).update(paused=False)

    @invariant()
    def no_more_leases_than_the_lane_has_room_for(self) -> None:
        running = {job.lease_token for job in self.jobs(state="running")}
        assert len(running) <= self.lane.concurrency

    @invariant()
    def no_job_runs_under_two_leases(self) -> None:
        held = {job.id: job.lease_token for job in self.jobs(state="running")}
        open_runs = Counter(job.id for run in self.runs for job in run)
        assert all(count == 1 for count in open_runs.values())
        assert all(held[job.id] == job.lease_token for run in self.runs for job in run)

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert all(job.attempts <= ATTEMPTS for job in self.jobs())

    @invariant()
    def what_is_owed_will_be_run(self) -> None:
        rows = {job.key: job for job in self.jobs()}
        for key in self.owed:
            job = rows[key]
            begun = job.started_at is not None and not job.rerun
            assert job.state == "ready" or (job.state == "running" and not begun), key

    def teardown(self) -> None:
        """In quiet times everything is done, or a dead letter that nobody asks for."""
        if not hasattr(self, "name"):
            return
        for _ in range(20):
            if not self.jobs(state__in=["ready", "running"]):
                break
            while self.runs:
                self.a_run_ends("well", 0)
            self.a_lease_runs_out("", 0)
            self.time_passes("recheck", 0)
            self.the_lane_is_served("9", 0)
        assert {job.state for job in self.jobs()} <= {"done", "dead"}
        assert not self.owed


def token_of(run: list[Job]) -> UUID:
    token = run[0].lease_token
    assert token is not None
    return token


def end(job: Job, how: str) -> bool:
    """End a run of one job; whether that was for good."""
    match how:
        case "throttled":
            leases.put_back(job, wait=DAY, reason="later")
        case "blocked" | "unblocked":
            on = [f"{job.lane_id}:cause"]
            leases.park(job, Blocked("no stock", on=on, recheck=lambda: how == "blocked"))
        case "fail" if job.attempts < ATTEMPTS:
            leases.retry(job, JobAttempt.Outcome.TRANSIENT, Transient("busy"), counts=True)
        case _:
            leases.bury(job, JobAttempt.Outcome.PERMANENT, "Permanent", "no")
            return True
    return False


@pytest.mark.django_db
def test_no_job_is_lost_or_run_twice_at_a_time() -> None:
    run_state_machine_as_test(
        Jobs,
        settings=settings(
            max_examples=20,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
