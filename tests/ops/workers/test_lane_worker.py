"""A worker's turn: what it goes on with by itself, and what it tells other workers of."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from threading import Event, Thread
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from ops.models import Job, Lane
from ops.queue import jobs, lanes
from ops.queue.queues import Queue
from ops.refs import LaneName
from ops.workers import lane_worker, scheduling
from ops.workers.handlers import bind
from tests.ops.job_stub import BATCH_KIND, KIND, ONE, acts, answered
from tests.ops.job_stub import Nothing as NoPayload

pytestmark = pytest.mark.django_db(transaction=True)

ALL = [str(queue) for queue in Queue]
A, B = LaneName("shop:a"), LaneName("wms:b")
OTHER_CONCERN = "test.other_concern"
bind(
    type(ONE)(OTHER_CONCERN, NoPayload, queue=Queue.CALLBACKS, work="do it", if_dead="It is a test."),
    lambda batch: ran.append(batch[0].key),
)
ran: list[str] = []


@pytest.fixture(autouse=True)
def sent() -> Iterator[list[tuple[str, str]]]:
    """The messages: lane and queue."""
    ran.clear()
    messages: list[tuple[str, str]] = []
    with mock.patch.object(lanes, "_send", lambda name, queue: messages.append((name, str(queue)))):
        yield messages


def put(key: str, lane: LaneName = A, *, kind: str = KIND, **options: Any) -> None:
    jobs.NewJob(kind, key=key, lane=lane, **options).enqueue()


def running(*further: tuple[str, LaneName]) -> Any:
    """A run that notes its key, and makes further work due."""

    def act(batch: list[Job]) -> None:
        ran.append(batch[0].key)
        for key, lane in further:
            put(key, lane)

    return act


def work(lane: str = A, *, queues: list[str] = ALL) -> int:
    return lane_worker.work(lane, token=uuid.uuid4(), queues=queues)


def test_a_worker_goes_on_with_what_its_run_made_due_and_no_message_is_sent(
    sent: list[tuple[str, str]],
) -> None:
    put("read")
    sent.clear()
    acts.extend([running(("route", A)), running(("submit", B)), running()])
    assert work() == 3
    assert (ran, sent) == (["read", "route", "submit"], [])


def test_the_next_step_of_an_order_comes_before_the_next_order(sent: list[tuple[str, str]]) -> None:
    put("read 1")
    put("read 2")
    Lane.objects.update(concurrency=1)
    acts.extend([running(("submit 1", B)), running(), running(("submit 2", B)), running()])
    work()
    assert ran == ["read 1", "submit 1", "read 2", "submit 2"]


def test_a_second_worker_is_called_where_it_finds_a_job_and_a_free_slot(sent: list[tuple[str, str]]) -> None:
    put("one")
    put("two")
    sent.clear()
    work()
    assert sent == [(A, "maintenance")]
    sent.clear()
    put("three")
    put("four")
    Lane.objects.update(concurrency=1)
    sent.clear()
    work()
    assert sent == []


def test_a_run_costs_one_statement_and_so_does_the_last_look() -> None:
    for key in ("one", "two", "three"):
        put(key)
    put("four", B)
    with CaptureQueriesContext(connection) as queries:
        acts.append(lambda _: Lane.objects.get(name=A))
        assert work() == 3
    assert len(queries) == 1 + 3 + 1
    assert dict(Job.objects.values_list("key", "state")) == {
        **dict.fromkeys(["one", "two", "three"], "done"),
        "four": "ready",
    }


def test_what_was_asked_for_again_during_its_run_is_run_again_in_the_same_turn() -> None:
    """Whoever asked told the workers, and those who looked found it running."""
    put("read", coalesce=True)
    acts.extend([lambda _: Job.objects.update(rerun=True), running()])
    assert work() == 2
    assert Job.objects.get().state == "done"


def test_what_is_asked_for_again_while_the_run_ends_is_run_again_in_the_same_turn() -> None:
    put("read", coalesce=True)
    asked = Thread(target=_ask_again_slowly)
    acts.extend([lambda _: _begin(asked), running()])
    assert work() == 2
    asked.join()
    assert Job.objects.get().state == "done"


enqueued = Event()


def _ask_again_slowly() -> None:
    with transaction.atomic():
        put("read", coalesce=True)
        enqueued.set()
        time.sleep(0.2)
    connection.close()


def _begin(asked: Thread) -> None:
    enqueued.clear()
    asked.start()
    assert enqueued.wait(10)


def test_a_run_that_lost_its_lease_ends_nothing_and_its_worker_goes_on() -> None:
    put("lost")
    put("next")
    away = {"state": "ready", "lease_token": None, "run_at": Now() + timedelta(minutes=1)}
    acts.extend([lambda batch: Job.objects.filter(id=batch[0].id).update(**away), running()])
    assert work() == 2
    assert (ran, Job.objects.get(key="lost").state) == (["next"], "ready")


def test_a_full_lane_is_passed_over_without_a_lock() -> None:
    put("with another")
    put("waits")
    Lane.objects.update(concurrency=1)
    assert scheduling.claim(A, token=uuid.uuid4()).job
    served_at = Lane.objects.get().served_at
    put("free", B)
    with CaptureQueriesContext(connection) as queries:
        job = scheduling.claim(A, B, token=uuid.uuid4()).job
    assert (job and job.key, len(queries)) == ("free", 1)
    assert Lane.objects.get(name=A).served_at == served_at


@pytest.mark.parametrize(("waiting", "called"), [(3, []), (4, [(A, "maintenance")])])
def test_nobody_is_called_for_what_joins_the_run(
    sent: list[tuple[str, str]], waiting: int, called: list[tuple[str, str]]
) -> None:
    for number in range(waiting):
        put(f"{number}", kind=BATCH_KIND)
    sent.clear()
    seen: list[list[tuple[str, str]]] = []
    acts.append(lambda _: seen.append(list(sent)))
    work()
    assert seen == [called]


def test_a_lane_that_is_left_is_announced_before_the_next_run_begins(sent: list[tuple[str, str]]) -> None:
    put("read 1")
    put("read 2")
    Lane.objects.update(concurrency=1)
    seen: list[list[tuple[str, str]]] = []
    acts.extend([running(("submit", B)), lambda _: seen.append(list(sent))])
    sent.clear()
    work()
    assert seen == [[(A, "maintenance")]]


def test_a_lane_that_is_left_with_free_slots_was_told_of_by_its_claim(sent: list[tuple[str, str]]) -> None:
    put("read 1")
    put("read 2")
    sent.clear()
    seen: list[list[tuple[str, str]]] = []
    acts.extend([running(("submit", B)), lambda _: seen.append(list(sent))])
    work()
    assert seen == [[(A, "maintenance")]]


def test_what_a_run_made_due_does_not_wait_for_its_next_call(sent: list[tuple[str, str]]) -> None:
    def act(batch: list[Job]) -> None:
        put("submit", B)
        sent.clear()
        answered(batch)
        assert sent == [(B, "maintenance")]

    put("read")
    acts.append(act)
    work()
    assert Job.objects.get(key="read").state == "done"


def test_a_turn_ends_after_its_slice_and_the_rest_is_announced(sent: list[tuple[str, str]]) -> None:
    for key in ("one", "two", "three"):
        put(key)
    Lane.objects.update(concurrency=1)
    sent.clear()
    with mock.patch.object(lane_worker, "SLICE_SECONDS", 0.0):
        assert work() == 1
    assert sent == [(A, "maintenance")]


def test_jobs_of_other_queues_are_left_to_their_workers_and_keep_their_turn(
    sent: list[tuple[str, str]],
) -> None:
    put("first", kind=OTHER_CONCERN)
    put("second")
    sent.clear()
    assert work(queues=["maintenance"]) == 0
    assert sent == [(A, "callbacks")]
    assert work(queues=["callbacks"]) == 1
    assert ran == ["first"]
    assert sent == [(A, "callbacks"), (A, "maintenance"), (A, "maintenance")]


def test_a_kind_that_nobody_knows_is_anybody_s(sent: list[tuple[str, str]]) -> None:
    put("strange", kind="nobody.knows")
    assert work(queues=["callbacks"]) == 1
    assert Job.objects.get(key="strange").error_class == "NoOwner"


def test_all_runs_of_a_turn_have_its_lease() -> None:
    token = uuid.uuid4()
    tokens: list[uuid.UUID | None] = []
    acts.extend([lambda batch: tokens.append(batch[0].lease_token)] * 2)
    put("one")
    put("two")
    lane_worker.work(A, token=token, queues=ALL)
    assert tokens == [token, token]


def test_a_delayed_job_wakes_nobody_before_its_time(sent: list[tuple[str, str]]) -> None:
    put("later", delay=timedelta(minutes=1))
    assert (work(), sent) == (0, [])
