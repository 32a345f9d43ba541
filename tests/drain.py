"""Runs due jobs in this process, one after the other, as workers do: the same claims and runner, and no broker."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import cache, partial
from unittest import mock

from celery import current_app
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from ops.models import Job, Lane
from ops.queue import lanes
from ops.workers import dispatch, leases, runner, scheduling

BACKOFF = timedelta(minutes=1)


@cache
def load_tasks() -> None:
    """Import every task, once: Celery runs all of Django's checks with it."""
    current_app.loader.import_default_modules()


def _backoff(_: int) -> timedelta:
    """No jitter: whether a retry falls into this drain must not depend on the machine's speed."""
    return BACKOFF


def drain(*, advance: timedelta = timedelta(0), most: int = 500) -> list[str]:
    """Run due jobs until none is left; returns the kinds run, in order.

    `advance` first moves every waiting job's time that much closer, so back-offs and delays need no sleep.
    """
    if advance:
        Job.objects.filter(state=Job.State.READY).update(run_at=F("run_at") - advance)
        Lane.objects.update(open_until=F("open_until") - advance)
    return [kind for kind, _ in drain_counting(most=most)]


def drain_counting(*, most: int = 500, said: dict[str, list[str]] | None = None) -> list[tuple[str, int]]:
    """As `drain`; returns with each kind how many SQL statements its claim and its run took.

    A lane gives out what it has room for before any of it runs, as it does to several workers. `said` is given the
    statements of the last run of each kind.
    """
    load_tasks()
    ran: list[tuple[str, int]] = []
    with mock.patch.object(lanes, "_send"), mock.patch.object(leases, "backoff", _backoff):
        while claimed := [each for lane in due_lanes() for each in iter(partial(_claimed, lane), None)]:
            for batch, claim in claimed:
                with CaptureQueriesContext(connection) as queries:
                    run(batch)
                statements, kind = claim + _sql(queries), batch[0].kind
                ran.append((kind, len(statements)))
                if said is not None:
                    said[kind] = statements
                if len(ran) > most:
                    raise AssertionError(f"still busy after {most} jobs: {ran[-20:]}")
    return ran


def _claimed(lane: str) -> tuple[list[Job], list[str]] | None:
    with CaptureQueriesContext(connection) as queries:
        batch = scheduling.claim(lane, token=uuid.uuid4()).batch
    return (batch, _sql(queries)) if batch else None


def run(batch: list[Job]) -> None:
    """Run claimed jobs to their end, as the last run of a worker's turn."""
    if runner.run(batch).well:
        finish(batch)


def finish(batch: list[Job]) -> None:
    """What a worker does after the last run of its turn, if it ended well."""
    assert batch[0].lease_token
    scheduling.claim(token=batch[0].lease_token, ended=True)


def _sql(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]


def due_lanes() -> list[str]:
    """What the sweep finds: the lanes with due jobs, once the runs of dead workers are ended."""
    dispatch.recover()
    return list(dict.fromkeys(lane for lane, _ in scheduling.due_kinds()))


def run_next(lane: str) -> str | None:
    """Run the next due job of a lane, as a worker does. Returns its kind; None if the lane gives none out."""
    batch = scheduling.claim(lane, token=uuid.uuid4()).batch
    if not batch:
        return None
    run(batch)
    return batch[0].kind
