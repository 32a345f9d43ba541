"""Replays or discards many dead letters, in batches of bounded size. The history of each job names who did it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection, transaction
from django.db.models import QuerySet

from ops.models import Job
from ops.queue import jobs

logger = structlog.get_logger(__name__)

BATCH = 1000
SECONDS_OF_A_REQUEST = 10.0
"""A web request changes jobs for at most this long, then says that there are more. A busy machine does 10,000."""


@dataclass(frozen=True)
class Done:
    """`count` jobs were changed. `more` says whether chosen jobs are left."""

    count: int
    more: bool


def waiting() -> QuerySet[Job]:
    """Every dead letter."""
    return Job.objects.filter(state=Job.State.DEAD)


def kinds_and_lanes() -> set[tuple[str, str]]:
    """The kinds of dead letters with the lanes that they are in."""
    return set(waiting().values_list("kind", "lane_id").order_by().distinct())


def replay_chosen(
    chosen: QuerySet[Job],
    *,
    by: int | None = None,
    most: int | None = None,
    seconds: float | None = None,
) -> Done:
    """Make the chosen dead letters due again, those that died first. A job that dies meanwhile is not replayed twice.

    `by` is the id of the user who asked for it; the history of the jobs shows the name. The function stops after `most`
    jobs or after `seconds`. Each batch is a transaction of its own. Jobs that are not dead stay as they are.
    """
    dead = chosen.filter(state=Job.State.DEAD, finished_at__lte=_now()).order_by("finished_at", "id")
    return _in_batches(dead, jobs.replay, "Replayed.", by=by, most=most, seconds=seconds)


def discard_chosen(chosen: QuerySet[Job], *, by: int, seconds: float) -> Done:
    """Give up the chosen dead letters and parked jobs for good. Other jobs stay as they are. See `replay_chosen`."""
    dead = chosen.filter(state=Job.State.DEAD)
    done = _in_batches(dead.order_by("id"), jobs.discard, "Discarded.", by=by, seconds=seconds)
    if done.more:
        return done
    parked = chosen.filter(state=Job.State.READY).exclude(parked_on=[])
    rest = _in_batches(parked.order_by("id"), jobs.discard, "Discarded.", by=by, seconds=seconds)
    return Done(done.count + rest.count, rest.more)


def _in_batches(
    chosen: QuerySet[Job],
    change: Callable[[list[int]], int],
    said: str,
    *,
    by: int | None,
    most: int | None = None,
    seconds: float | None = None,
) -> Done:
    """Change the chosen jobs batch by batch, each in a transaction, until none, `most` or `seconds` is left.

    Jobs that another transaction has locked are skipped, so `more` may be True at the end.
    """
    began, count = time.monotonic(), 0
    while most is None or count < most:
        size = BATCH if most is None else min(BATCH, most - count)
        with transaction.atomic():
            rows = chosen.select_for_update(skip_locked=True).only("id", "kind", "key")
            batch = list(rows[:size])
            changed = change([job.id for job in batch])
            note(batch, said, by=by)
        count += changed
        if len(batch) < size:
            break
        if seconds is not None and time.monotonic() - began > seconds:
            break
    logger.info("jobs_changed", said=said, count=count, user=by)
    return Done(count, chosen.exists())


def note(changed: Sequence[Job], said: str, *, by: int | None) -> None:
    """Write a log entry for each job. The page of the job shows it among the failed runs."""
    if by is not None and changed:
        LogEntry.objects.log_actions(by, changed, CHANGE, change_message=said)


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found
