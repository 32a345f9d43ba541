"""Decides which due job of a lane is taken next, and whether one more may run.

Jobs of a higher priority go first. Within a priority the partitions take turns: the partition with the fewest runs
under way goes first, however many jobs of another partition wait. (A WMS serves several shops; the lane of a shop has
orders and stock.) Within a partition, the job that was due first goes first.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection

from ops.models import Job
from ops.queue.lanes import ANSWERS_PER_STEP
from ops.workers.leases import RUN

_CLAIM = """
SELECT (claimed.job).*, head_kind, second_kind, has_mates, lane_full, lane_troubled
FROM ops_claim(%(lane)s, %(token)s, %(run)s, %(others)s::text[], %(step)s) AS claimed
"""
"""ops/migrations/0012_claim.py has the function."""

_DUE_KINDS = """
SELECT ops_lane.name, due.kind FROM ops_lane, LATERAL (
    SELECT DISTINCT kind FROM (
        SELECT kind FROM ops_job
        WHERE lane_id = ops_lane.name AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
          AND priority < CASE WHEN held_until > clock_timestamp() THEN held_priority ELSE %(below)s END
        ORDER BY priority, share, run_at, id LIMIT %(window)s) AS next) AS due
WHERE NOT paused AND NOT (circuit = 'open' AND open_until > clock_timestamp())
  AND (%(lane)s::text IS NULL OR ops_lane.name = %(lane)s)
ORDER BY ops_lane.served_at
"""

_BELOW_ALL = 100
_WINDOW = 20


@dataclass(frozen=True)
class Claimed:
    """What a look at a lane came to. `job`: taken out of the lane, its run has begun; None if the next job is of a kind
    that is left to others. `for_others`: the kind of a job that another worker could run now. `has_mates`: further jobs
    of its priority and partition are due. `lane_full`: it has the last slot of its lane. `lane_troubled`: the endpoint
    failed lately, so an answer of it is news.
    """

    job: Job | None = None
    for_others: str | None = None
    has_mates: bool = False
    lane_full: bool = False
    lane_troubled: bool = False


NOTHING = Claimed()


def claim(lane: str, *, token: uuid.UUID, others: Collection[str] = ()) -> Claimed:
    """Take the next due job of a lane and begin its run under this lease, with one more attempt, all committed.

    There is none if the lane has no due job, or its concurrency, its circuit or a throttled priority allow none. While
    the endpoint answers, as many jobs of a lane run at the same time as its concurrency says. While it is unclear
    whether it works, it is one, so that a silent endpoint blocks one worker and not all of them. After an outage it
    grows slowly, so that an endpoint that has just come back is not overloaded.
    `others`: kinds that are left to other workers. A lane with nothing due takes no lock.
    """
    values = {"lane": lane, "token": token, "run": RUN, "others": list(others), "step": ANSWERS_PER_STEP}
    for row in Job.objects.raw(_CLAIM, values):
        found = vars(row)
        if row.pk is None:
            return Claimed(for_others=found["head_kind"])
        return Claimed(
            row,
            for_others=found["second_kind"],
            has_mates=found["has_mates"],
            lane_full=found["lane_full"],
            lane_troubled=found["lane_troubled"],
        )
    return NOTHING


def due_kinds(lane: str | None = None) -> list[tuple[str, str]]:
    """The lanes that have jobs to run now, each with the kinds of those that are next; of all lanes, or of one.

    The lane that was served longest ago comes first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE_KINDS, {"below": _BELOW_ALL, "window": _WINDOW, "lane": lane})
        return [(name, kind) for name, kind in cursor.fetchall()]
