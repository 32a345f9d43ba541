"""Each kind of error: what becomes of the job that met it, and of the lane it ran in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import responses
from django.utils import timezone
from structlog.testing import capture_logs

from ops import errors
from ops.errors import (
    AccessRefused,
    AnswerLost,
    Blocked,
    CredentialsUnusable,
    EndpointFailed,
    JobError,
    Permanent,
    Scope,
    Throttled,
    Transient,
    UnknownOutcome,
)
from ops.models import Job, Lane, Priority
from ops.net import http
from ops.queue import jobs
from ops.refs import LaneName, ParkKey
from tests.drain import drain
from tests.ops.job_stub import KIND, Act, acts, answered

LANE, URL = "wms:north", "https://wms.test/"
WAIT = timedelta(minutes=2)
NO_LANE_CHANGE = ("closed", 0, None)
CASES = [
    # the error, (state, attempts, outcome noted, name stored), (circuit, failures, throttled priority)
    (Transient("x"), ("ready", 1, "transient", "Transient"), NO_LANE_CHANGE),
    (EndpointFailed("x"), ("ready", 1, "transient", "Transient"), ("closed", 1, None)),
    (UnknownOutcome("x"), ("ready", 1, "unknown", "UnknownOutcome"), NO_LANE_CHANGE),
    (AnswerLost("x"), ("ready", 1, "unknown", "UnknownOutcome"), ("closed", 1, None)),
    (Throttled("x", wait=WAIT), ("ready", 0, None, "Throttled"), NO_LANE_CHANGE),
    (
        Throttled("x", wait=WAIT, scope=Scope.PRIORITY),
        ("ready", 0, None, "Throttled"),
        ("closed", 0, Priority.NORMAL),
    ),
    (Throttled("x", wait=WAIT, scope=Scope.ENDPOINT), ("ready", 0, None, "Throttled"), ("open", 0, None)),
    (Permanent("x"), ("dead", 1, "permanent", "Permanent"), NO_LANE_CHANGE),
    (
        Blocked("x", on=[ParkKey("k")], recheck=lambda: True),
        ("ready", 0, "blocked", "Blocked"),
        NO_LANE_CHANGE,
    ),
    (
        AccessRefused("x", on=[ParkKey("k")], recheck=lambda: True),
        ("ready", 0, "blocked", "Blocked"),
        NO_LANE_CHANGE,
    ),
    (
        CredentialsUnusable("x", on=[ParkKey("k")], recheck=lambda: True),
        ("ready", 0, "blocked", "Blocked"),
        NO_LANE_CHANGE,
    ),
    (KeyError("x"), ("ready", 1, "bug", "KeyError"), NO_LANE_CHANGE),
]


def named(error: Exception) -> str:
    return " ".join(filter(None, [type(error).__name__, getattr(getattr(error, "scope", None), "name", "")]))


def run(error: Exception, *, after: Act | None = None) -> Job:
    """The job whose run met this error, `after` something else."""

    def act(batch: list[Job]) -> None:
        if after:
            after(batch)
        raise error

    jobs.NewJob(KIND, key="a", lane=LaneName(LANE), priority=Priority.NORMAL).enqueue()
    acts.append(act)
    drain()
    return Job.objects.get(key="a")


def lane_state() -> tuple[str, int, int | None]:
    lane = Lane.objects.get(name=LANE)
    return lane.circuit, lane.failures, lane.throttled_priority


@pytest.mark.django_db
@pytest.mark.parametrize(("error", "job_ends", "lane_ends"), CASES, ids=[named(error) for error, *_ in CASES])
def test_what_becomes_of_the_job_and_its_lane(
    error: Exception, job_ends: tuple[object, ...], lane_ends: tuple[object, ...]
) -> None:
    job = run(error)
    noted = job.history.values_list("outcome", flat=True).first()
    assert (job.state, job.attempts, noted, job.error_class) == job_ends
    assert set(job.history.values_list("error_class", flat=True)) <= {job.error_class}
    assert lane_state() == lane_ends


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "name"),
    [
        (Throttled("x", wait=WAIT), "Throttled"),
        (AnswerLost("x"), "UnknownOutcome"),
        (Blocked("x", on=[], recheck=lambda: True), "Blocked"),
        (AccessRefused("x", on=[], recheck=lambda: True), "AccessRefused"),
        (CredentialsUnusable("x", on=[], recheck=lambda: True), "AccessRefused"),
    ],
    ids=lambda each: named(each) if isinstance(each, Exception) else "",
)
def test_the_log_names_the_kind_of_error_as_it_always_has(error: Exception, name: str) -> None:
    with capture_logs() as logs:
        run(error)
    assert [line["outcome"] for line in logs if line["event"] == "job_run"] == [name]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "due_later"), [(Scope.JOB, True), (Scope.PRIORITY, False), (Scope.ENDPOINT, True)]
)
def test_where_the_lane_waits_for_its_budget_the_job_keeps_its_place(scope: Scope, due_later: bool) -> None:
    job = run(Throttled("x", wait=WAIT, scope=scope))
    assert (job.run_at > timezone.now() + WAIT / 2) == due_later


@pytest.mark.django_db
@pytest.mark.parametrize("error", [EndpointFailed("x"), AnswerLost("x")], ids=named)
def test_a_further_failure_of_the_endpoint_costs_the_job_no_attempt(error: Exception) -> None:
    Lane.objects.create(name=LANE, failures=1)
    assert run(error).attempts == 0


@pytest.mark.django_db
@pytest.mark.parametrize(("error", "_job", "lane_ends"), CASES, ids=[named(error) for error, *_ in CASES])
def test_an_answer_ends_earlier_failures_unless_the_lane_has_to_wait_or_the_endpoint_failed_after_it(
    error: Exception, _job: object, lane_ends: tuple[object, ...]
) -> None:
    Lane.objects.create(name=LANE, failures=2)
    run(error, after=answered)
    failures = 3 if isinstance(error, EndpointFailed) else 0
    if getattr(error, "scope", Scope.JOB) is not Scope.JOB:
        failures = 2
    assert lane_state()[1] == failures
    assert lane_state()[::2] == lane_ends[::2]


def every_kind() -> Iterator[type[JobError]]:
    pending: list[type[JobError]] = [JobError]
    while pending:
        for kind in pending.pop().__subclasses__():
            if kind.__module__ == errors.__name__:
                yield kind
                pending.append(kind)


def test_every_kind_of_error_and_every_scope_stands_in_the_table() -> None:
    assert {type(error) for error, *_ in CASES} >= set(every_kind())
    assert {error.scope for error, *_ in CASES if isinstance(error, Throttled)} == set(Scope)


@pytest.mark.parametrize(("changes", "kind"), [(False, EndpointFailed), (True, AnswerLost)])
def test_what_is_not_answered_may_have_been_done_when_it_changes_something(
    changes: bool, kind: type[JobError]
) -> None:
    error = errors.unanswered("x", changes=changes)
    assert type(error) is kind
    assert isinstance(error, UnknownOutcome) == changes


@pytest.mark.parametrize(
    ("status", "is_answer"), [(200, True), (404, True), (429, True), (408, False), (500, False)]
)
def test_a_proper_answer_is_observed_however_deep_the_call(status: int, is_answer: bool) -> None:
    with responses.RequestsMock() as endpoint, http.observed() as calls:
        endpoint.get(URL, status=status)
        try:
            http.send("GET", URL, changes=False, what="a look", pool="test")
        except JobError:
            assert status not in (200, 404)
    assert calls.answered == is_answer


def test_each_block_observes_its_own_calls() -> None:
    with http.observed() as outer:
        with http.observed() as inner:
            answered([])
        assert (inner.answered, outer.answered) == (True, False)
    answered([])  # nobody observes: nothing is remembered
    with http.observed() as later:
        pass
    assert not later.answered
