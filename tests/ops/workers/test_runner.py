from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import OperationalError

from ops.alerting.jobs import AGAIN_AFTER
from ops.errors import Blocked, EndpointFailed, Permanent, Scope, Throttled, Transient, UnknownOutcome
from ops.models import Alert, Circuit, Job, JobAttempt, Lane
from ops.queue import jobs, lanes
from ops.refs import LaneName, ParkKey, Subject
from tests.drain import drain, run_next
from tests.ops.job_stub import BATCH_KIND, EACH_KIND, KIND, acts, answered, raising

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=10)


def put(*keys: str, lane: str = "wms:north") -> None:
    for key in keys:
        jobs.NewJob(KIND, key=key, lane=LaneName(lane), subject=Subject(f"about:{key}")).enqueue()


def test_a_transient_error_is_tried_again_until_attempts_are_used_up() -> None:
    put("a")
    acts.extend([raising(Transient("busy"))] * 3)
    assert drain() == [KIND]
    assert (Job.objects.get().state, Job.objects.get().attempts) == ("ready", 1)
    drain(advance=LATER)
    drain(advance=LATER)
    assert (Job.objects.get(key="a").state, Job.objects.get(key="a").error) == ("dead", "busy")
    assert JobAttempt.objects.count() == 3


def test_a_permanent_error_is_a_dead_letter_at_once_with_an_alert_and_a_mail() -> None:
    put("a")
    acts.append(raising(Permanent("unknown item")))
    drain()
    assert Job.objects.get(key="a").state == "dead"
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("dead_letter", "test.acts wms:north")
    assert "unknown item" in alert.meaning
    assert "unknown item" in mail.outbox[0].body


def test_a_further_dead_letter_is_told_too_but_not_the_same_one_again() -> None:
    for key in ("a", "b"):
        put(key)
        acts.append(raising(Permanent("unknown item")))
        drain()
    drain(advance=AGAIN_AFTER)
    assert len(mail.outbox) == 2
    jobs.replay([Job.objects.get(key="a").pk])
    acts.append(raising(Permanent("unknown item")))
    drain()
    drain(advance=AGAIN_AFTER)
    assert Alert.objects.get().count == 3
    assert len(mail.outbox) == 2


def test_throttled_work_waits_and_costs_no_attempt() -> None:
    put("a")
    acts.append(raising(Throttled("over budget", wait=timedelta(seconds=30))))
    drain()
    assert (Job.objects.get().state, Job.objects.get().attempts) == ("ready", 0)
    assert drain() == []
    assert drain(advance=timedelta(seconds=30)) == [KIND]


def test_an_unknown_outcome_is_noted_as_one() -> None:
    put("a")
    acts.append(raising(UnknownOutcome("timed out after sending")))
    drain()
    assert JobAttempt.objects.get().outcome == "unknown"


def test_a_bug_is_counted_and_kept_with_its_class() -> None:
    put("a")
    acts.append(raising(KeyError("oops")))
    drain()
    assert (JobAttempt.objects.get().outcome, Job.objects.get().error_class) == ("bug", "KeyError")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_broke_the_run_is_no_bug() -> None:
    put("a")
    acts.append(raising(OperationalError("terminating connection due to administrator command")))
    drain()
    assert (JobAttempt.objects.get().outcome, Job.objects.get().state) == ("transient", "ready")
    assert drain(advance=LATER) == [KIND]


def outage(times: int) -> None:
    acts.extend([raising(EndpointFailed("connection refused"))] * times)


def test_an_outage_opens_the_circuit_and_kills_nothing_however_long_it_lasts() -> None:
    put(*[f"k{n}" for n in range(6)])
    outage(40)
    for _ in range(20):
        drain(advance=LATER)
    lane = Lane.objects.get(name="wms:north")
    assert lane.circuit == Circuit.OPEN
    assert Job.objects.filter(kind=KIND, state="ready").count() == 6
    assert not Job.objects.filter(state="dead").exists()
    assert Alert.objects.get(kind="circuit_open").count == 1


def test_an_open_circuit_lets_one_probe_through_at_a_time() -> None:
    put(*[f"k{n}" for n in range(8)])
    outage(40)
    for _ in range(3):
        drain(advance=LATER)
    acts.clear()
    outage(1)
    assert drain(advance=LATER) == [KIND]


def test_answers_close_the_circuit_and_the_alert() -> None:
    put(*[f"k{n}" for n in range(20)])
    outage(6)
    drain(advance=LATER)
    acts.extend([answered] * 20)
    for _ in range(3):
        drain(advance=LATER)
    assert Lane.objects.get(name="wms:north").circuit == Circuit.CLOSED
    assert Alert.objects.get(kind="circuit_open").state == "closed"
    assert set(Job.objects.filter(kind=KIND).values_list("state", flat=True)) == {"done"}


def test_a_run_that_called_nobody_closes_no_circuit() -> None:
    put("a")
    for _ in range(5):
        lanes.record_failure("wms:north")
    drain(advance=LATER)
    assert Job.objects.get().state == "done"
    assert Lane.objects.get(name="wms:north").circuit == Circuit.HALF_OPEN


def test_one_lane_s_outage_leaves_the_other_alone() -> None:
    put("dead", lane="wms:north")
    for _ in range(5):
        lanes.record_failure("wms:north")
    put("well", lane="wms:south")
    assert drain() == [KIND]
    assert Job.objects.get(key="well").state == "done"


def test_a_refused_alert_channel_is_tried_again(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    put("a")
    acts.append(raising(Permanent("no")))
    monkeypatch.setattr("django.core.mail.EmailMessage.send", raise_os_error)
    drain()
    assert Job.objects.get(kind="ops.notify").state == "ready"
    monkeypatch.undo()
    drain(advance=LATER)
    assert len(mail.outbox) == 1


def raise_os_error(*_: object, **__: object) -> None:
    raise OSError("mail server away")


def test_a_permanent_error_of_a_batch_kills_only_the_job_it_is_about() -> None:
    for key in ("a", "b", "c"):
        jobs.NewJob(BATCH_KIND, key=key, lane=LaneName("wms:north")).enqueue()
    Lane.objects.update(concurrency=1)

    def refuse_b(batch: list[Job]) -> None:
        if any(job.key == "b" for job in batch):
            raise Permanent("b is bad")

    acts.extend([refuse_b] * 10)
    drain()
    drain(advance=LATER)
    states = dict(Job.objects.filter(kind=BATCH_KIND).values_list("key", "state"))
    assert states == {"a": "done", "b": "dead", "c": "done"}


def test_jobs_that_a_run_does_one_after_the_other_end_each_by_itself() -> None:
    for key in ("a", "b", "c"):
        jobs.NewJob(EACH_KIND, key=key, lane=LaneName("wms:north")).enqueue()
    seen: list[str] = []

    def act(batch: list[Job]) -> None:
        (job,) = batch
        seen.append(job.key)
        if job.key == "a":
            raise Permanent("a is bad")
        if job.key == "b":
            raise Blocked("b waits", on=[ParkKey("cause")], recheck=lambda: True)

    acts.extend([act] * 3)
    assert run_next("wms:north") == EACH_KIND
    assert seen == ["a", "b", "c"]
    rows = Job.objects.filter(kind=EACH_KIND).order_by("id").values_list("state", "parked_on", "attempts")
    assert list(rows) == [("dead", [], 1), ("ready", ["cause"], 0), ("done", [], 1)]


def test_what_one_of_them_lost_keeps_the_others_from_nothing() -> None:
    for key in ("a", "b"):
        jobs.NewJob(EACH_KIND, key=key, lane=LaneName("wms:north")).enqueue()

    def lose(batch: list[Job]) -> None:
        Job.objects.filter(id=batch[0].id).update(state="ready", lease_token=None)
        raise Transient("busy")

    acts.append(lose)
    run_next("wms:north")
    assert dict(Job.objects.values_list("key", "state")) == {"a": "ready", "b": "done"}


def test_a_job_of_a_batch_that_lost_its_lease_does_not_keep_the_others_running() -> None:
    for key in ("a", "b", "c"):
        jobs.NewJob(BATCH_KIND, key=key, lane=LaneName("wms:north")).enqueue()
    Lane.objects.update(concurrency=1)

    def lose_the_first(batch: list[Job]) -> None:
        Job.objects.filter(id=batch[0].id).update(state="ready", lease_token=None)
        raise Transient("busy")

    acts.append(lose_the_first)
    drain()
    assert set(Job.objects.values_list("state", flat=True)) <= {"ready", "done"}


def test_an_answer_before_the_failure_does_not_hide_an_outage() -> None:
    put(*[f"k{n}" for n in range(6)])

    def look_up_then_fail(batch: list[Job]) -> None:
        answered(batch)
        raise EndpointFailed("POST: 503")

    acts.extend([look_up_then_fail] * 60)
    for _ in range(30):
        drain(advance=LATER)
    assert Lane.objects.get(name="wms:north").circuit == Circuit.OPEN
    assert not Job.objects.filter(state="dead").exists()


def test_an_endpoint_that_asks_for_time_is_left_alone_by_the_whole_lane() -> None:
    put(*[f"k{n}" for n in range(20)])
    Lane.objects.update(concurrency=2)
    acts.extend([raising(Throttled("429", wait=timedelta(seconds=30), scope=Scope.ENDPOINT))] * 20)
    assert len(drain()) <= 2
    assert len(drain(advance=timedelta(seconds=31))) == 1
    acts.clear()
    acts.append(answered)
    assert len(drain(advance=timedelta(seconds=31))) == 20
    assert not Alert.objects.exists()
