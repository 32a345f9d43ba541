"""Decides which due job of a lane is taken next, and whether one more may run.

Jobs of a higher priority go first. Within a priority the partitions take turns: the partition with the fewest runs
under way goes first, however many jobs of another partition wait. (A WMS serves several shops; the lane of a shop has
orders and stock.) Within a partition, the job that was due first goes first.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from ops.models import Circuit, Job
from ops.queue.lanes import ANSWERS_PER_STEP
from ops.workers.leases import RUN

_DUE = """
SELECT FROM ops_job
WHERE lane_id = %s AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
ORDER BY priority, share, run_at, id LIMIT 1
"""

_SERVE_LANE = (
    """
UPDATE ops_lane SET
    served_at = clock_timestamp(),
    circuit = CASE WHEN circuit = 'open' AND open_until <= clock_timestamp() THEN 'half_open' ELSE circuit END
WHERE name = %s AND NOT paused AND EXISTS ("""
    + _DUE
    + """)
RETURNING concurrency, circuit, failures, recovering,
          CASE WHEN held_until > clock_timestamp() THEN held_priority END
"""
)

# The columns keep their first names: `share` is the partition of a job, `held_until` and `held_priority` say what is
# throttled. `pairs` are the pairs of priority and partition. It jumps from one pair to the next on the index, so the
# statement costs as much as there are pairs, however many jobs wait.
# random(): in a lane with one slot no job is under way at this point, so the partition that waits longest would always
# win.
# ANY (ARRAY (..)): the planner cannot see the value of the LIMIT, expects a tenth of the lane, and scans the table.
# `others`: if the head is of such a kind, nothing is taken, so that it does not lose its turn to what comes after it.
_CLAIM = """
WITH RECURSIVE pairs AS (
    (SELECT priority, share FROM ops_job
     WHERE lane_id = %(lane)s AND state = 'ready' AND parked_on = '{}' ORDER BY priority, share LIMIT 1)
    UNION ALL
    SELECT next.priority, next.share FROM pairs, LATERAL (
        SELECT priority, share FROM ops_job
        WHERE lane_id = %(lane)s AND state = 'ready' AND parked_on = '{}'
          AND (priority, share) > (pairs.priority, pairs.share) ORDER BY priority, share LIMIT 1) AS next
    WHERE next.priority < %(below)s),
busy AS MATERIALIZED (
    SELECT share, count(DISTINCT lease_token) AS runs FROM ops_job
    WHERE lane_id = %(lane)s AND state = 'running' GROUP BY share),
slots AS (SELECT GREATEST(0, %(slots)s - COALESCE(sum(runs), 0))::int AS free FROM busy),
heads AS (
    SELECT due.id, due.kind, pairs.priority, COALESCE(busy.runs, 0) + due.position AS turn, random() AS luck
    FROM pairs LEFT JOIN busy USING (share), LATERAL (
        SELECT id, kind, row_number() OVER (ORDER BY run_at, id) AS position FROM (
            SELECT id, kind, run_at FROM ops_job
            WHERE lane_id = %(lane)s AND priority = pairs.priority AND share = pairs.share
              AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
            ORDER BY run_at, id LIMIT 2) AS next) AS due
    WHERE pairs.priority < %(below)s AND (SELECT free FROM slots) > 0
    ORDER BY pairs.priority, turn, luck LIMIT 2),
head AS (SELECT id, kind FROM heads ORDER BY priority, turn, luck LIMIT 1),
taken AS (
    UPDATE ops_job SET state = 'running', lease_token = %(token)s, lease_until = now() + %(run)s, started_at = now(),
                       attempts = attempts + 1
    WHERE id = ANY (ARRAY (
        SELECT id FROM ops_job WHERE id = ANY (ARRAY (SELECT id FROM head)) AND kind <> ALL (%(others)s)
                                 AND state = 'ready' AND parked_on = '{}' FOR UPDATE SKIP LOCKED))
    RETURNING *)
SELECT taken.*, head.kind AS head_kind,
       CASE WHEN free > 1 THEN (SELECT kind FROM heads WHERE id <> head.id LIMIT 1) END AS second_kind
FROM head CROSS JOIN slots LEFT JOIN taken ON true
"""

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
    that is left to others. `for_others`: the kind of a job that another worker could run now.
    """

    job: Job | None
    for_others: str | None


NOTHING = Claimed(None, None)


def claim(lane: str, *, token: uuid.UUID, others: Collection[str] = ()) -> Claimed:
    """Take the next due job of a lane and begin its run under this lease, with one more attempt, all committed.

    There is none if the lane has no due job, or its concurrency, its circuit or a throttled priority allow none.
    `others`: kinds that are left to other workers. A lane with nothing due costs one statement that takes no lock.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SERVE_LANE, [lane, lane])
        found = cursor.fetchone()
        if found is None:
            return NOTHING
        *lane_state, throttled_priority = found
        slots = available_slots(*lane_state)
        if not slots:
            return NOTHING
        values: dict[str, Any] = {
            "lane": lane,
            "slots": slots,
            "below": _BELOW_ALL if throttled_priority is None else throttled_priority,
            "token": token,
            "run": RUN,
            "others": list(others),
        }
        for row in Job.objects.raw(_CLAIM, values):
            head, second = vars(row)["head_kind"], vars(row)["second_kind"]
            return Claimed(None, for_others=head) if row.pk is None else Claimed(row, for_others=second)
    return NOTHING


def available_slots(concurrency: int, circuit: str, failures: int, recovering: int | None) -> int:
    """How many jobs of a lane may run at the same time.

    While the endpoint answers, this is the concurrency of the lane. While it is unclear whether it works, this
    is one, so that a silent endpoint blocks one worker and not all of them. After an outage it grows slowly, so that an
    endpoint that has just come back is not overloaded.
    """
    if circuit == Circuit.OPEN:
        return 0
    if circuit == Circuit.HALF_OPEN or failures:
        return 1
    if recovering is not None:
        return min(concurrency, 1 + recovering // ANSWERS_PER_STEP)
    return concurrency


def due_kinds(lane: str | None = None) -> list[tuple[str, str]]:
    """The lanes that have jobs to run now, each with the kinds of those that are next; of all lanes, or of one.

    The lane that was served longest ago comes first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE_KINDS, {"below": _BELOW_ALL, "window": _WINDOW, "lane": lane})
        return [(name, kind) for name, kind in cursor.fetchall()]
