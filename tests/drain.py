"""Runs due jobs in this process, as a dispatcher hands them out: the same leases and runner, a list for a broker."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from functools import cache
from unittest import mock

from celery import current_app
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from ops.models import Job, Lane
from ops.workers import dispatch, leases

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
    """As `drain`; returns with each kind how many SQL statements its run took, all of the runner's included.

    `said` is given the statements of the last run of each kind.
    """
    load_tasks()
    broker: deque[leases.Claimed] = deque()
    ran: list[tuple[str, int]] = []
    with mock.patch.object(dispatch, "offer", broker.append), mock.patch.object(leases, "backoff", _backoff):
        while dispatch.sweep() or broker:
            while broker:
                claimed = broker.popleft()
                with CaptureQueriesContext(connection) as queries:
                    current_app.tasks[claimed.kind](claimed.id, str(claimed.token))
                statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
                ran.append((claimed.kind, len(statements)))
                if said is not None:
                    said[claimed.kind] = statements
                if len(ran) > most:
                    raise AssertionError(f"still busy after {most} jobs: {ran[-20:]}")
    return ran
