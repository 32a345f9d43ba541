"""Decides which due job of a lane is taken next, and whether one more may run.

Jobs of a higher priority go first. Within a priority the partitions take turns: the partition with the fewest runs
under way goes first, however many jobs of another partition wait. (A WMS serves several shops; the lane of a shop has
orders and stock.) Within a partition, the job that was due first goes first.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from ops.joined_rows import JoinedRows
from ops.models import Job
from ops.queue.lanes import ANSWERS_PER_STEP
from ops.workers import handlers
from ops.workers.leases import RUN

_JOBS = JoinedRows(**{"(turn.job)": Job})

_TURN = f"""
SELECT {_JOBS.columns},
       looked_at, lease_lost, lane_full, lane_troubled, told_lanes, told_kinds
FROM ops_turn(%(lanes)s::text[], %(token)s, %(ended)s, %(untold)s::text[], %(run)s, %(others)s::text[], %(batch_sizes)s,
              %(step)s) AS turn
"""  # noqa: S608
"""ops/migrations/0013_turn.py has the function."""

_DUE_KINDS = "SELECT lane, kind FROM ops_due_kinds(%s::text[])"


@dataclass(frozen=True)
class Claimed:
    """What a look at lanes came to. `looked_at`: how many of them, the last of which is the one that is meant below."""

    looked_at: int
    batch: list[Job] = field(default_factory=list)
    """The jobs that were taken out of the lane; their run has begun. The first one is the next job of the lane, and the
    others join it, because its kind takes several at once. Empty if there is none, or it is left to others."""
    to_tell: list[tuple[str, str]] = field(default_factory=list)
    """The lanes with a due job that another worker could run now, each with the kind of the job."""
    lane_full: bool = False
    """This run has the last slot of its lane."""
    lane_troubled: bool = False
    """The endpoint failed lately, so an answer of it is news."""
    lease_lost: bool = False
    """Another run had the lease of the jobs that should have been ended, so nothing of them was changed."""

    @property
    def job(self) -> Job | None:
        """The first job of the batch."""
        return next(iter(self.batch), None)


def claim(
    *lanes: str,
    token: uuid.UUID,
    others: Collection[str] = (),
    untold: Collection[str] = (),
    ended: bool = False,
) -> Claimed:
    """Take the next due job of the first of these lanes that gives one out, and those that join it as a batch. Begin
    their run under this lease, with one more attempt for each, all committed.

    A lane gives out none if it has no due job, or its concurrency, its circuit or a throttled priority allow none.
    While the endpoint answers, as many jobs of a lane run at the same time as its concurrency says. While it is unclear
    whether it works, it is one, so that a silent endpoint blocks one worker and not all of them. After an outage it
    grows slowly, so that an endpoint that has just come back is not overloaded. Jobs that failed before run alone.

    `others`: kinds that are left to other workers. `untold`: lanes that other workers were not told of; `to_tell` has
    those of them that are left with due jobs. `ended`: the run before, under the same lease, ended well. This is stored
    first, whatever is found. Without any lane the call only stores this end, and looks for what is to be told.
    """
    values: dict[str, Any] = {
        "lanes": list(lanes),
        "token": token,
        "ended": ended,
        "untold": list(untold),
        "run": RUN,
        "others": list(others),
        "batch_sizes": handlers.batch_sizes(),
        "step": ANSWERS_PER_STEP,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TURN, values)
        *taken, last = cursor.fetchall()
    *_, looked_at, lease_lost, lane_full, lane_troubled, told_lanes, told_kinds = last
    return Claimed(
        looked_at,
        [job for row in taken for job in _JOBS.instances(row)],
        to_tell=list(zip(told_lanes or (), told_kinds or (), strict=True)),
        lane_full=bool(lane_full),
        lane_troubled=bool(lane_troubled),
        lease_lost=lease_lost,
    )


def due_kinds(lane: str | None = None) -> list[tuple[str, str]]:
    """The lanes that have jobs to run now, each with the kinds of those that are next; of all lanes, or of one.

    The lane that was served longest ago comes first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE_KINDS, [None if lane is None else [lane]])
        return [(name, kind) for name, kind in cursor.fetchall()]
