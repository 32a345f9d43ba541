"""Jobs are enqueued, woken and replayed here. What happens to a job while it runs is in `ops.workers.leases`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Expression, Q, QuerySet, Subquery
from django.db.models.functions import Now

from ops.models import Job, Priority
from ops.queue import lanes
from ops.refs import NO_SUBJECT, LaneName, ParkKey, Subject

RECHECK_PARKED = timedelta(minutes=15)
"""A parked job checks its cause again after this time, even if nobody woke it."""

_ENQUEUE = "SELECT ops_enqueue(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
"""What happens if the key is known says ops/migrations/0014_enqueue.py."""

_STORE_EVENT = (
    "SELECT ops_store_event(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


@dataclass(frozen=True)
class Written:
    """A part of a payload that is JSON already, so that a large one is written once."""

    json: str


class RowChanged(Exception):
    """The row on which a job depends is not as it was, so the job was not stored."""


@dataclass(frozen=True)
class Unchanged:
    """A row that must still have these values when a job is stored. `condition` is the end of a SELECT, from FROM
    on."""

    condition: str
    values: Sequence[Any]


@dataclass(frozen=True)
class NewJob:
    """One durable unit of work that can be stored.

    `key` identifies the work for ever. `coalesce=False`: a known key is a duplicate, and nothing changes.
    `coalesce=True`: there is one row per key; a job that is done, dead or parked becomes ready again, and one that runs
    will run once more. `partition` says for whom the job is, if the lane serves several (as that of a WMS serves
    several shops): the partitions take turns. `payload` must not hold more than the job needs. `yields=True`: whoever
    asked for the same job before, and is not served yet, keeps his payload.
    """

    kind: str
    _: KW_ONLY
    key: str
    lane: LaneName
    payload: Mapping[str, object] = field(default_factory=dict)
    subject: Subject = NO_SUBJECT
    partition: str = ""
    priority: Priority = Priority.NORMAL
    delay: timedelta = timedelta(0)
    coalesce: bool = False
    yields: bool = False

    def enqueue(self, *, meaning: NewJob | None = None, provided: Unchanged | None = None) -> int | None:
        """Store it in the caller's transaction, with one statement. Its lane wakes after the commit.

        With `meaning` it is an event that is done at once: the coalesced work that it means is stored by the same
        statement, unless the event is a duplicate. Returns the id of the job, or None if it is a duplicate. With
        `provided` it is stored only if that row is unchanged; otherwise this raises RowChanged.
        """
        if meaning:
            work, statement = meaning, _STORE_EVENT
            arguments = [*self._arguments(), *work._arguments(), work.delay, work.yields]
        else:
            work, statement = self, _ENQUEUE
            arguments = [*self._arguments(), self.delay, self.coalesce, self.yields]
        if provided:
            statement, arguments = statement + provided.condition, [*arguments, *provided.values]
        with connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            found = cursor.fetchone()
        if found is None:
            raise RowChanged
        if found[0] is None:
            return None
        if not work.delay:
            transaction.on_commit(partial(lanes.send_wakeup, work.lane, work.kind))
        return int(found[0])

    def _arguments(self) -> list[Any]:
        return [
            self.kind,
            self.lane,
            lanes.initial_concurrency(self.lane),
            self.key,
            _json_of(self.payload),
            self.subject[:300],
            self.partition[:300],
            int(self.priority),
        ]


def _json_of(payload: Mapping[str, object]) -> str:
    written = {name: part.json for name, part in payload.items() if isinstance(part, Written)}
    plain = {name: part for name, part in payload.items() if name not in written}
    fields = [json.dumps(plain, cls=DjangoJSONEncoder)[1:-1]] if plain else []
    fields += [f"{json.dumps(name)}: {text}" for name, text in written.items()]
    return f"{{{', '.join(fields)}}}"


def is_pending(
    *keys: str, kinds: Collection[str] = (), lane: str = "", payload: Mapping[str, object] | None = None
) -> bool:
    """Whether a job with one of the keys, or of one of the kinds in the lane, waits or runs. A dead one does not.

    `payload`: what the payload of those of the kinds must have.
    """
    runs, waits = Q(state=Job.State.RUNNING), Q(state=Job.State.READY)
    asked = Q(key__in=keys) & (runs | waits)
    if kinds:
        of_lane = Q(kind__in=kinds, lane=lane) & (Q(payload__contains=payload) if payload else Q())
        # One condition for each index of such jobs: the done ones are many.
        for under_way in (runs, waits & Q(parked_on=[]), waits & ~Q(parked_on=[])):
            asked |= of_lane & under_way
    return Job.objects.filter(asked).exists()


def is_delayed(kind: str, *, lane: LaneName, priority: Priority, since_run_of: str) -> bool:
    """Whether a job of this kind whose time has not come was enqueued in a lane since the last run of the job with the
    key `since_run_of` began."""
    began = Job.objects.filter(key=since_run_of).values("started_at")
    waiting = Job.objects.filter(
        lane=lane, priority=priority, partition="", state=Job.State.READY, parked_on=[], run_at__gt=Now()
    )
    return waiting.filter(kind=kind, created_at__gt=Subquery(began)).exists()


def is_busy() -> bool:
    """Whether any job runs, or will run without being woken."""
    return Job.objects.filter(Q(state=Job.State.RUNNING) | Q(state=Job.State.READY, parked_on=[])).exists()


def parked_jobs(key: Expression) -> QuerySet[Job]:
    """The parked job with a key, as a part of the caller's statement."""
    return Job.objects.filter(key=key).exclude(parked_on=[])


def lock_keys(keys: Collection[ParkKey]) -> None:
    """Take the transaction-level advisory locks of these keys, in order. They come last in the lock order.

    Park and wake both take them. So a wake that comes between the check of a cause and the parking is never lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hash) FROM (SELECT DISTINCT hashtextextended(key, 0) AS hash"
            " FROM unnest(%s::text[]) AS key ORDER BY hash) AS hashes",
            [list(keys)],
        )


def wake(*keys: ParkKey) -> int:
    """Make every job parked on any of the keys due. Call it in the transaction that removes the cause.

    Returns how many jobs were woken.
    """
    if not keys:
        return 0
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        lock_keys(keys)
        cursor.execute(
            "UPDATE ops_job SET parked_on = '{}', run_at = now()"
            # Only ready jobs park. A condition on the state lets the planner choose another index than job_waits_for.
            " WHERE parked_on <> '{}' AND parked_on && %s::varchar[] RETURNING lane_id, kind",
            [list(keys)],
        )
        woken = cursor.fetchall()
        for lane, kind in set(woken):
            transaction.on_commit(partial(lanes.send_wakeup, lane, kind))
    return len(woken)


def discard(job_ids: Iterable[int]) -> int:
    """End dead letters and parked jobs for good, because a person decided so. Returns how many.

    The rows stay as done jobs with the error class "Discarded" until they are old enough to be pruned.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ops_job SET state = 'done', error_class = 'Discarded', finished_at = now(), parked_on = '{}',"
            " parked_since = NULL"
            " WHERE id = ANY(%s) AND (state = 'dead' OR state = 'ready' AND parked_on <> '{}')",
            [list(job_ids)],
        )
        return int(cursor.rowcount)


def replay(job_ids: Iterable[int]) -> int:
    """Make dead letters ready again, with all their attempts. Returns how many of the jobs were dead.

    A replay is as idempotent as a first run, because the handlers look before they act.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ops_job SET state = 'ready', attempts = 0, run_at = now(), finished_at = NULL"
            " WHERE id = ANY(%s) AND state = 'dead' RETURNING lane_id, kind",
            [list(job_ids)],
        )
        replayed = cursor.fetchall()
        for lane, kind in set(replayed):
            transaction.on_commit(partial(lanes.send_wakeup, lane, kind))
    return len(replayed)
