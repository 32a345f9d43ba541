"""Whatever happens to jobs and workers, in whatever order: the tables say what a model in plain Python says, none runs
twice at a time, no notice of work is lost, and an outage costs nobody an attempt.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, ClassVar
from unittest import mock
from uuid import UUID, uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now
from greenlet import getcurrent, greenlet
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ops.errors import Blocked, EndpointFailed, Permanent, Scope, Throttled, Transient, UnknownOutcome
from ops.models import Circuit, Job, Lane
from ops.queue import jobs
from ops.refs import LaneName, ParkKey
from ops.workers import dispatch, leases, scheduling
from tests import workers
from tests.ops import job_stub
from tests.steps import Steps, drawn, same_every_time, seeds

numbers = itertools.count()
ATTEMPTS, DAY = 3, timedelta(days=1)
which = range(21)
ENDS = (
    *("well", "well", "answers", "answers", "fails", "endpoint fails", "endpoint fails", "outcome unknown"),
    *("over budget", "told to rest", "blocked", "blocked", "unblocked by now", "refused", "refused", "dies"),
)
STEPS: Steps = {
    "work_comes": (4, (["xyz", "XYZ", "a", "b", "c", "xy", "X", "Z later"],)),
    "the_lane_is_served": (10, ([1, 2, 3],)),
    "a_worker_dies_before_its_run": (1, ()),
    "a_run_ends": (12, (which, ENDS)),
    "a_run_ends_and_its_worker_stays": (6, (which,)),
    "a_lease_runs_out": (2, (which,)),
    "one_given_up_comes_back": (3, (which, ENDS)),
    "a_sweep": (3, ()),
    "time_passes": (4, ()),
    "the_cause_goes": (2, ()),
    "parked_are_looked_at": (2, ()),
    "the_dead_are_replayed": (1, ()),
    "a_person_discards": (1, (which,)),
    "a_person_pauses": (1, ([False, False, True],)),
    "the_done_are_pruned": (1, ()),
}


@dataclass
class Known:
    """What the model knows of one job. `owed`: no run began after its last notice."""

    state: str = "ready"
    attempts: int = 0
    rerun: bool = False
    parked: bool = False
    owed: bool = True


class Run:
    """A worker's run that stands in its handler, until the test says how it ends."""

    def __init__(self, batch: list[Job]) -> None:
        self.worker: greenlet = getcurrent()
        self.keys = [job.key for job in batch]
        self.token: UUID | None = batch[0].lease_token
        self.ending = ""


class Jobs(RuleBasedStateMachine):
    """One lane. a, b, c are events, each once for ever; x, y, z are things to look at, X, Y, Z several at once."""

    reached: ClassVar[Counter[str]] = Counter()

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.chance = Random(seed)
        self.name = f"lane:{next(numbers)}"
        self.cause = f"{self.name}:cause"
        Lane.objects.create(name=self.name, concurrency=self.chance.randint(1, 3))
        self.staged = workers.working()
        self.workers = self.staged.__enter__()
        self.known: dict[str, Known] = {}
        self.runs: list[Run] = []
        self.given_up: list[Run] = []
        self.begun: list[Run] = []
        self.handler = mock.patch.object(job_stub, "_act", self.act)
        self.handler.start()
        self.work_comes("axyXYZ")

    def act(self, batch: list[Job]) -> None:
        """The handler of every run: it stands still, and ends as it is told to."""
        run = Run(batch)
        self.begun.append(run)
        workers.hang()
        match run.ending:
            case "answers" | "refused":
                job_stub.answered(batch)
            case "dies":
                workers.die()
        errors: dict[str, Exception] = {
            "fails": Transient("busy"),
            "endpoint fails": EndpointFailed("down"),
            "outcome unknown": UnknownOutcome("lost"),
            "over budget": Throttled("later", wait=DAY),
            "told to rest": Throttled("429", wait=DAY, scope=Scope.ENDPOINT),
            "blocked": Blocked("no stock", on=[ParkKey(self.cause)], recheck=lambda: True),
            "unblocked by now": Blocked("no stock", on=[ParkKey(self.cause)], recheck=lambda: False),
            "refused": Permanent("no"),
        }
        if run.ending in errors:
            raise errors[run.ending]

    @rule()
    def anything(self) -> None:
        name, how = drawn(STEPS, self.chance)
        if getattr(self, name)(*how) is not False:
            self.reached[name] += 1

    # Each step does something to the tables and says to the model what that must mean; False = nothing to do it to.

    def work_comes(self, letters: str) -> None:
        delay = DAY if letters.endswith(" later") else timedelta(0)
        for letter in letters.removesuffix(" later"):
            self.enqueue(letter, delay)

    def enqueue(self, letter: str, delay: timedelta) -> None:
        once, key = letter in "abc", f"{self.name}:{letter}"
        kind = job_stub.BATCH_KIND if letter.isupper() else job_stub.KIND
        added = jobs.NewJob(kind, key=key, lane=LaneName(self.name), delay=delay, coalesce=not once).enqueue()
        known = self.known.get(key)
        assert (added is None) == (once and known is not None)
        if known is None:
            self.known[key] = Known()
        elif not once:
            known.owed, known.parked = True, False
            known.rerun = known.state == "running"
            if known.state in ("done", "dead"):
                known.state, known.attempts = "ready", 0

    def the_lane_is_served(self, times: int) -> None:
        for _ in range(times):
            before, room = self.leases(), self.room()
            self.workers.serve(self.name)
            self.claims_are_fair(before, room)
            self.note_begun()

    def a_worker_dies_before_its_run(self) -> bool:
        """The claim is committed, and nothing else happens until the lease ends."""
        before, room = self.leases(), self.room()
        batch = scheduling.claim(self.name, token=uuid4()).batch
        self.claims_are_fair(before, room)
        for job in batch:
            self.known[job.key].attempts += 1
        return bool(batch)

    def leases(self) -> set[UUID | None]:
        return {job.lease_token for job in self.rows(state="running")}

    def room(self) -> int:
        """As the manual says it: nothing goes out while the circuit is open, then one probe."""
        lane = Lane.objects.extra(select={"over": "open_until <= clock_timestamp()"}).get(name=self.name)
        if lane.paused or (lane.circuit == Circuit.OPEN and not lane.over):
            return 0
        return lane.concurrency if lane.circuit == Circuit.CLOSED else 1

    def claims_are_fair(self, before: set[UUID | None], room: int) -> None:
        running = {job.key: job for job in self.rows(state="running")}
        claimed = [job for job in running.values() if job.lease_token not in before]
        assert not claimed or len({job.lease_token for job in running.values()}) <= room
        for job in claimed:
            known = self.known[job.key]
            assert (known.state, known.parked) == ("ready", False)
            known.state = "running"

    def note_begun(self) -> None:
        for run in self.begun:
            self.runs.append(run)
            for key in run.keys:
                self.known[key].state, self.known[key].owed = "running", False
                self.known[key].attempts += 1
        self.begun = []

    def a_run_ends(self, number: int, how: str) -> bool:
        if not self.runs:
            self.the_lane_is_served(1)
        if not self.runs:
            return False
        run = self.runs.pop(number % len(self.runs))
        self.reached[f"a run {how}"] += 1
        in_doubt = Lane.objects.get(name=self.name).failures > 0
        self.end(run, how)
        if how != "dies":
            blameless = in_doubt or Lane.objects.get(name=self.name).circuit == Circuit.OPEN
            for key in run.keys:
                self.model_end(self.known[key], how, blameless=blameless, several=len(run.keys) > 1)
        return True

    def a_run_ends_and_its_worker_stays(self, number: int) -> bool:
        """What it did is done, and the next job of the lane is under its lease, or none."""
        if not self.runs:
            self.the_lane_is_served(1)
        if not self.runs:
            return False
        run = self.runs.pop(number % len(self.runs))
        before, room = self.leases() - {run.token}, self.room()
        self.end(run, "well", stays=True)
        for key in run.keys:
            self.model_end(self.known[key], "well", blameless=False, several=len(run.keys) > 1)
        self.claims_are_fair(before, room)
        self.note_begun()
        return True

    def end(self, run: Run, how: str, *, stays: bool = False) -> None:
        run.ending = how
        self.workers.go_on(self.workers.hung.index(run.worker), stays=stays)

    def model_end(self, known: Known, how: str, *, blameless: bool, several: bool) -> None:
        again, known.rerun = known.rerun, False
        given_back = how in ("over budget", "told to rest", "blocked", "unblocked by now")
        given_back = given_back or (how == "endpoint fails" and blameless)
        known.state = "ready"
        if how in ("well", "answers"):
            known.state = "ready" if again else "done"
            known.attempts = 0 if again else known.attempts
        elif given_back:
            known.attempts -= 1
            known.parked = how == "blocked" and not again
        elif (how == "refused" and not several) or known.attempts >= ATTEMPTS:
            known.state = "ready" if again else "dead"
            known.attempts = 0 if again else known.attempts
        # Work that was begun and not ended well is owed, except by those who tell a person.
        known.owed = known.owed or known.state == "ready"

    def a_lease_runs_out(self, number: int) -> bool:
        """Of a worker that died or hangs."""
        tokens = sorted(self.leases(), key=str)
        if not tokens:
            return False
        self.loses_its_lease(tokens[number % len(tokens)])
        return True

    def loses_its_lease(self, token: UUID | None) -> None:
        Job.objects.filter(lease_token=token).update(lease_until=Now() - DAY)
        begun = [job.key for job in self.rows(lease_token=token)]
        dispatch.recover()
        for key in begun:
            self.model_end(self.known[key], "lost", blameless=False, several=False)
        for run in [run for run in self.runs if run.token == token]:
            self.runs.remove(run)
            self.given_up.append(run)

    def one_given_up_comes_back(self, number: int, how: str) -> bool:
        """Its lease is another's, or nobody's: whatever it says, no job changes."""
        if not self.given_up and self.runs:
            self.loses_its_lease(self.runs[0].token)
        if not self.given_up:
            return False
        run = self.given_up.pop(number % len(self.given_up))
        before = {job.key: self.standing(job) for job in self.rows(key__in=run.keys)}
        self.end(run, how)
        assert {job.key: self.standing(job) for job in self.rows(key__in=run.keys)} == before
        return True

    def standing(self, job: Job) -> tuple[object, ...]:
        return (job.state, job.attempts, job.rerun, job.error_class, job.parked_on, job.finished_at)

    def a_sweep(self) -> None:
        dispatch.sweep()

    def time_passes(self) -> None:
        Job.objects.filter(lane=self.name, state="ready").update(run_at=F("run_at") - 2 * DAY)
        Lane.objects.filter(name=self.name).update(open_until=F("open_until") - 2 * DAY)

    def one_is_parked(self) -> None:
        if not any(known.parked for known in self.known.values()):
            self.a_run_ends(0, "blocked")

    def the_cause_goes(self) -> bool:
        self.one_is_parked()
        parked = [known for known in self.known.values() if known.parked]
        assert jobs.wake(ParkKey(self.cause)) == len(parked)
        for known in parked:
            known.parked = False
        return bool(parked)

    def parked_are_looked_at(self) -> bool:
        self.one_is_parked()
        self.time_passes()
        due = [self.known[job.key] for job in self.rows(run_at__lte=Now()) if self.known[job.key].parked]
        assert leases.recheck_parked() >= len(due)
        for known in due:
            known.parked = False
        return bool(due)

    def the_dead_are_replayed(self) -> bool:
        dead = [job.id for job in self.rows(state="dead")]
        if not dead:
            self.a_run_ends(0, "refused")
            dead = [job.id for job in self.rows(state="dead")]
        assert jobs.replay(dead) == len(dead)
        for known in self.known.values():
            if known.state == "dead":
                known.state, known.attempts, known.owed = "ready", 0, True
        return bool(dead)

    def a_person_discards(self, number: int) -> bool:
        self.one_is_parked()
        keys = sorted(key for key, known in self.known.items() if known.state == "dead" or known.parked)
        for key in keys[number % len(keys) :][:1] if keys else []:
            assert jobs.discard([self.rows(key=key)[0].id]) == 1
            self.known[key] = Known("done", self.known[key].attempts, owed=False)
        assert jobs.discard([job.id for job in self.rows(state__in=["running", "done"])]) == 0
        return bool(keys)

    def a_person_pauses(self, paused: bool) -> None:
        Lane.objects.filter(name=self.name).update(paused=paused)

    def the_done_are_pruned(self) -> bool:
        if not any(known.state == "done" for known in self.known.values()):
            self.a_run_ends(0, "well")
        done = [key for key, known in self.known.items() if known.state == "done"]
        Job.objects.filter(key__in=done).delete()
        for key in done:
            del self.known[key]
        return bool(done)

    def rows(self, **having: object) -> list[Job]:
        return list(Job.objects.filter(lane=self.name, **having).order_by("id"))

    @invariant()
    def what_must_hold_holds(self) -> None:
        if hasattr(self, "known"):
            rows = self.rows()
            self.the_tables_are_as_the_model_says(rows)
            self.no_job_runs_under_two_leases(rows)
            self.what_is_owed_stands_where_it_will_be_run()

    def the_tables_are_as_the_model_says(self, rows: list[Job]) -> None:
        told = {job.key: (job.state, job.attempts, job.rerun, bool(job.parked_on)) for job in rows}
        assert told == {key: (k.state, k.attempts, k.rerun, k.parked) for key, k in self.known.items()}

    def no_job_runs_under_two_leases(self, rows: list[Job]) -> None:
        held = {job.key: job.lease_token for job in rows if job.state == "running"}
        valid = Counter(key for run in self.runs for key in run.keys)
        assert all(count == 1 for count in valid.values())
        assert all(held[key] == run.token for run in self.runs for key in run.keys)

    def what_is_owed_stands_where_it_will_be_run(self) -> None:
        begun = {key for run in self.runs for key in run.keys}
        for key, known in self.known.items():
            if known.owed:
                assert (
                    known.state == "ready" or known.rerun or (known.state == "running" and key not in begun)
                )

    def teardown(self) -> None:
        """In quiet times everything is done, or a dead letter that somebody was told of."""
        if not hasattr(self, "known"):
            return
        try:
            self.a_person_pauses(False)
            for _ in range(30):
                if not self.rows(state__in=["ready", "running"]):
                    break
                while self.runs:
                    self.a_run_ends(0, "answers")
                self.a_lease_runs_out(0)
                self.time_passes()
                self.the_cause_goes()
                self.the_lane_is_served(1)
            assert {job.state for job in self.rows()} <= {"done", "dead"}
            assert not any(known.owed for known in self.known.values() if known.state != "dead")
        finally:
            self.handler.stop()
            self.staged.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def nobody_reads_alerts(settings: Any) -> None:
    """So no further jobs than the tests' own."""
    settings.ALERT_EMAILS = []


@pytest.mark.django_db
def test_no_job_is_lost_or_run_twice_at_a_time() -> None:
    run_state_machine_as_test(Jobs, settings=same_every_time(examples=16, steps=50))
    expected = STEPS.keys() | {f"a run {how}" for how in ENDS}
    missing = expected - Jobs.reached.keys()
    assert not missing, f"{missing} never happened, only {Jobs.reached}"


@pytest.mark.django_db
def test_an_outage_of_hours_costs_no_attempt_and_no_job() -> None:
    """Every call fails for a day, and whatever the lane makes of that: then everything is done."""
    lane = Lane.objects.create(name="lane:down", concurrency=3)
    down = job_stub.raising(EndpointFailed("down"))
    with workers.working() as staff, mock.patch.object(job_stub, "_act", down):
        for number in range(8):
            jobs.NewJob(job_stub.KIND, key=f"k{number}", lane=LaneName(lane.name)).enqueue()
        for _ in range(60):
            staff.work()
            Job.objects.update(run_at=F("run_at") - DAY)
            Lane.objects.update(open_until=F("open_until") - DAY)
    waiting = Job.objects.filter(lane=lane)
    assert set(waiting.values_list("state", flat=True)) == {"ready"}
    # The first failure may have been the job's own.
    assert sum(waiting.values_list("attempts", flat=True)) == 1
    with workers.working() as staff:
        for _ in range(10):
            staff.work()
            Job.objects.filter(state="ready").update(run_at=F("run_at") - DAY)
            Lane.objects.update(open_until=F("open_until") - DAY)
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [job_stub.KIND, job_stub.BATCH_KIND])
def test_a_job_that_kills_its_workers_ends_as_a_dead_letter(kind: str) -> None:
    jobs.NewJob(kind, key="poison", lane=LaneName("lane:poison")).enqueue()
    with workers.working() as staff, mock.patch.object(job_stub, "_act", side_effect=lambda _: workers.die()):
        for _ in range(12):
            staff.work()
            Job.objects.filter(state="running").update(lease_until=Now() - DAY)
            Job.objects.filter(state="ready").update(run_at=F("run_at") - DAY)
    assert Job.objects.get().state == "dead"
    assert staff.ran[kind] == ATTEMPTS
