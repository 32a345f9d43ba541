"""Work is put in and read back by its declaration; a row that does not fit is a dead letter, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from ops.models import Alert, Job, Priority
from ops.queue.jobs import is_busy, is_pending
from ops.queue.kinds import EventKind, JobKind, TypedJob
from ops.queue.queues import Queue
from ops.refs import LaneName, Subject
from ops.workers.handlers import handles, handles_batch
from tests.builders import make_job
from tests.drain import drain

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 27, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """Where a page begins: a part of a payload."""

    since: datetime
    cursor: str | None = None


@dataclass(frozen=True)
class Payload:
    """One field of each sort."""

    order: int
    return_: int
    page: Page | None
    lines: tuple[int, ...] = ()
    added_later: bool = False
    said: str | None = None


EVENT = EventKind("test.event", Payload, priority=Priority.LOW)
KIND = JobKind.of(EVENT, queue=Queue.MAINTENANCE, work="note what it gets", if_dead="It is a test.")
BATCH = JobKind(
    "test.many",
    Payload,
    queue=Queue.MAINTENANCE,
    batch_size=10,
    work="note what it gets",
    if_dead="It is a test.",
)
seen: list[Payload] = []
batches: list[list[TypedJob[Payload]]] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    yield
    seen.clear()
    batches.clear()


@handles(KIND)
def note(payload: Payload) -> None:
    seen.append(payload)


@handles_batch(BATCH)
def note_many(jobs: list[TypedJob[Payload]]) -> None:
    batches.append(jobs)


def put(
    kind: EventKind[Payload], key: str = "k", *, order: int = 7, priority: Priority | None = None
) -> int | None:
    payload = Payload(order, 8, Page(NOON), lines=(1, 2))
    return kind.new(
        payload, key=key, lane=LaneName("internal"), subject=Subject("order:1:7"), priority=priority
    ).enqueue()


def test_the_owner_of_an_event_gets_what_its_sender_put_in() -> None:
    put(EVENT)
    assert drain() == ["test.event"]
    assert seen == [Payload(7, 8, Page(NOON), lines=(1, 2))]


def test_a_row_holds_the_fields_by_their_names_and_leaves_out_what_nobody_said() -> None:
    put(KIND)
    assert Job.objects.get().payload == {
        "order": 7,
        "return": 8,
        "page": {"since": "2026-11-27T12:00:00.123456+00:00", "cursor": None},
        "lines": [1, 2],
        "added_later": False,
    }


def test_the_declaration_gives_the_priority_unless_the_caller_does() -> None:
    put(EVENT, "a")
    put(EVENT, "b", priority=Priority.URGENT)
    assert list(Job.objects.order_by("key").values_list("priority", flat=True)) == [
        Priority.LOW,
        Priority.URGENT,
    ]


def test_a_kind_coalesces_unless_its_declaration_says_otherwise() -> None:
    once = EventKind("test.once", Payload, coalesces=False)
    assert put(once) is not None
    assert put(once) is None
    assert put(KIND, "other") == put(KIND, "other")


def test_a_row_of_an_earlier_version_is_read() -> None:
    make_job(KIND.name, payload={"order": 7, "return": 8, "page": None, "masked_on": "2026-11-01"})
    drain()
    assert seen == [Payload(7, 8, None)]


def test_a_row_that_does_not_fit_is_a_dead_letter_at_once_and_keeps_what_it_holds() -> None:
    bad = make_job(KIND.name, payload={"order": "x@example.com", "page": {"cursor": "c"}})
    drain()
    bad.refresh_from_db()
    assert (bad.state, bad.error_class, bad.attempts) == ("dead", "Permanent", 1)
    assert bad.error.startswith("the payload does not fit the job kind test.event: order: ")
    assert "return: Field required" in bad.error
    assert "page.since: Field required" in bad.error
    assert "example.com" not in bad.error
    assert bad.payload == {"order": "x@example.com", "page": {"cursor": "c"}}
    assert Alert.objects.filter(kind="dead_letter").exists()
    assert seen == []


def test_a_row_that_does_not_fit_stops_no_other_of_its_batch() -> None:
    for number in range(3):
        put(BATCH, f"k{number}", order=number)
    bad = make_job(BATCH.name, "internal", payload={})
    drain(advance=timedelta(minutes=5))
    drain(advance=timedelta(minutes=5))
    bad.refresh_from_db()
    assert bad.state == "dead"
    assert {each.payload.order for jobs in batches for each in jobs} == {0, 1, 2}
    assert not is_busy()


def test_the_handler_of_a_batch_sees_what_each_job_is_about() -> None:
    put(BATCH, "a", priority=Priority.HIGH)
    drain()
    ((job,),) = batches
    assert (job.lane, job.subject, job.priority) == ("internal", "order:1:7", Priority.HIGH)


def test_what_is_pending_waits_or_runs() -> None:
    put(KIND, "a")
    for state, pending in (("ready", True), ("dead", False), ("done", False)):
        Job.objects.update(state=state)
        assert is_pending("a", "b") is pending
        assert is_pending("b", kinds=[KIND.name], lane="internal") is pending
        assert not is_pending("b", kinds=[KIND.name], lane="elsewhere")
        assert not is_pending("b", kinds=[BATCH.name], lane="internal")
