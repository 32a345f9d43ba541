"""Decides which due jobs of a lane are taken next, and how many at a time.

Jobs of a higher priority go first. Within a priority the partitions take turns: the partition with the fewest runs
under way goes first, however many jobs of another partition wait. (A WMS serves several shops; the lane of a shop has
orders and stock.) Within a partition, the job that was due first goes first.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from ops.models import Circuit, Job, Lane
from ops.queue.lanes import ANSWERS_PER_STEP
from ops.workers.leases import PICK_UP, Claimed

_SERVE_LANE = """
UPDATE ops_lane SET
    served_at = clock_timestamp(),
    circuit = CASE WHEN circuit = 'open' AND open_until <= clock_timestamp() THEN 'half_open' ELSE circuit END
WHERE name = %s AND NOT paused
RETURNING concurrency, circuit, failures, recovering,
          CASE WHEN held_until > clock_timestamp() THEN held_priority END
"""

# The columns keep their first names: `share` is the partition of a job, `held_until` and `held_priority` say what is
# throttled. `pairs` are the pairs of priority and partition. It jumps from one pair to the next on the index, so the
# statement costs as much as there are pairs, however many jobs wait.
# random(): in a lane with one slot no job is under way at this point, so the partition that waits longest would always
# win.
# ANY (ARRAY (..)): the planner cannot see the value of the LIMIT, expects a tenth of the lane, and scans the table.
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
first AS (
    SELECT heads.id, pairs.priority, heads.run_at, heads.position + COALESCE(busy.runs, 0) AS turn
    FROM pairs LEFT JOIN busy USING (share), LATERAL (
        SELECT id, run_at, row_number() OVER (ORDER BY run_at, id) AS position FROM (
            SELECT id, run_at FROM ops_job
            WHERE lane_id = %(lane)s AND priority = pairs.priority AND share = pairs.share
              AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
            ORDER BY run_at, id LIMIT (SELECT free FROM slots)) AS due) AS heads
    WHERE pairs.priority < %(below)s
    ORDER BY pairs.priority, turn, random() LIMIT (SELECT free FROM slots)),
taken AS (
    UPDATE ops_job SET state = 'running', lease_token = gen_random_uuid(), lease_until = now() + %(pick_up)s,
                       started_at = NULL
    WHERE id = ANY (ARRAY (SELECT id FROM ops_job WHERE id = ANY (ARRAY (SELECT id FROM first))
                           AND state = 'ready' AND parked_on = '{}' FOR UPDATE SKIP LOCKED))
    RETURNING id, kind, lease_token)
SELECT taken.id, kind, lease_token FROM taken JOIN first USING (id) ORDER BY priority, turn, run_at, id
"""

_BELOW_ALL = 100


def claim(lane: str) -> list[Claimed]:
    """Claim due jobs of a lane, as many as its concurrency, its circuit and a throttled priority allow.

    Most calls come at the end of a run and find no due job. They cost one read and take no lock.
    """
    if not _first(_due().filter(lane=lane)):
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SERVE_LANE, [lane])
        found = cursor.fetchone()
        if found is None:
            return []
        *lane_state, throttled_priority = found
        slots = available_slots(*lane_state)
        if not slots:
            return []
        below = _BELOW_ALL if throttled_priority is None else throttled_priority
        values: dict[str, Any] = {"lane": lane, "slots": slots, "below": below, "pick_up": PICK_UP}
        cursor.execute(_CLAIM, values)
        return [Claimed(*row) for row in cursor.fetchall()]


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


def _due() -> QuerySet[Job]:
    return Job.objects.filter(state=Job.State.READY, parked_on=[], run_at__lte=Now())


def _first(due: QuerySet[Job]) -> QuerySet[Job, Any]:
    """The first of them in the order of the index. Without the order the planner would read the whole table."""
    return due.order_by("priority", "partition", "run_at", "id").values("id")[:1]


def lanes_with_due_jobs() -> list[str]:
    """The lanes that have jobs to run now. The lane that was served longest ago comes first."""
    throttled = Q(throttled_until__gt=Now())
    due = _due().filter(lane=OuterRef("name"))
    more_urgent = due.filter(priority__lt=OuterRef("throttled_priority"))
    return list(
        Lane.objects.annotate(due=Subquery(_first(due)), more_urgent=Subquery(_first(more_urgent)))
        .filter(~throttled & Q(due__isnull=False) | throttled & Q(more_urgent__isnull=False), paused=False)
        .exclude(circuit=Circuit.OPEN, open_until__gt=Now())
        .order_by("served_at")
        .values_list("name", flat=True)
    )
