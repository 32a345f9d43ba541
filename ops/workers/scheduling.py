"""Whose turn it is: which due jobs of a lane are taken next, and how many at a time.

By priority; within a priority by share in turn (a WMS serves several shops, a shop's lane orders and stock: the share
with the fewest runs under way goes first, however many jobs another has waiting); within a share first in, first out.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from ops.models import Circuit, Job, Lane
from ops.queue.lanes import ANSWERS_A_STEP
from ops.workers.leases import PICK_UP, Claimed

_TAKE_LANE = """
UPDATE ops_lane SET
    served_at = clock_timestamp(),
    circuit = CASE WHEN circuit = 'open' AND open_until <= clock_timestamp() THEN 'half_open' ELSE circuit END
WHERE name = %s AND NOT paused
RETURNING concurrency, circuit, failures, recovering,
          CASE WHEN held_until > clock_timestamp() THEN held_priority END
"""

# `heaps` hops from one (priority, share) to the next on the index, so its cost is the number of shares, not of jobs.
# random(): in a lane with room for one nobody is ever under way, and the longest waiting share would win every tie.
# ANY (ARRAY (..)): the planner takes a LIMIT that it cannot read for a tenth of the lane, and would scan the table.
_CLAIM = """
WITH RECURSIVE heaps AS (
    (SELECT priority, share FROM ops_job
     WHERE lane_id = %(lane)s AND state = 'ready' AND parked_on = '{}' ORDER BY priority, share LIMIT 1)
    UNION ALL
    SELECT next.priority, next.share FROM heaps, LATERAL (
        SELECT priority, share FROM ops_job
        WHERE lane_id = %(lane)s AND state = 'ready' AND parked_on = '{}'
          AND (priority, share) > (heaps.priority, heaps.share) ORDER BY priority, share LIMIT 1) AS next
    WHERE next.priority < %(below)s),
busy AS MATERIALIZED (
    SELECT share, count(DISTINCT lease_token) AS runs FROM ops_job
    WHERE lane_id = %(lane)s AND state = 'running' GROUP BY share),
room AS (SELECT GREATEST(0, %(room)s - COALESCE(sum(runs), 0))::int AS free FROM busy),
first AS (
    SELECT heads.id, heaps.priority, heads.run_at, heads.place + COALESCE(busy.runs, 0) AS turn
    FROM heaps LEFT JOIN busy USING (share), LATERAL (
        SELECT id, run_at, row_number() OVER (ORDER BY run_at, id) AS place FROM (
            SELECT id, run_at FROM ops_job
            WHERE lane_id = %(lane)s AND priority = heaps.priority AND share = heaps.share
              AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
            ORDER BY run_at, id LIMIT (SELECT free FROM room)) AS due) AS heads
    WHERE heaps.priority < %(below)s
    ORDER BY heaps.priority, turn, random() LIMIT (SELECT free FROM room)),
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
    """Take a lane's due jobs, as many as its concurrency, its circuit and its hold allow.

    Most calls come from a run that ended and find nothing due: those cost one read and take no lock.
    """
    if not _first(_due().filter(lane=lane)):
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE_LANE, [lane])
        found = cursor.fetchone()
        if found is None:
            return []
        *standing, held_priority = found
        room = room_of(*standing)
        if not room:
            return []
        below = _BELOW_ALL if held_priority is None else held_priority
        values: dict[str, Any] = {"lane": lane, "room": room, "below": below, "pick_up": PICK_UP}
        cursor.execute(_CLAIM, values)
        return [Claimed(*row) for row in cursor.fetchall()]


def room_of(concurrency: int, circuit: str, failures: int, recovering: int | None) -> int:
    """How many jobs of a lane may be under way at once.

    All of its concurrency while the endpoint answers; one while that is in doubt, so that an endpoint that answers
    nothing holds one worker and not all of them; few and slowly more after an outage, as whoever comes back is weak.
    """
    if circuit == Circuit.OPEN:
        return 0
    if circuit == Circuit.HALF_OPEN or failures:
        return 1
    if recovering is not None:
        return min(concurrency, 1 + recovering // ANSWERS_A_STEP)
    return concurrency


def _due() -> QuerySet[Job]:
    return Job.objects.filter(state=Job.State.READY, parked_on=[], run_at__lte=Now())


def _first(due: QuerySet[Job]) -> QuerySet[Job, Any]:
    """One of them, in the order of the index: the planner, knowing that many are due, would read the whole table."""
    return due.order_by("priority", "share", "run_at", "id").values("id")[:1]


def lanes_with_due_jobs() -> list[str]:
    """Lanes that have something to do now, the one served longest ago first."""
    held = Q(held_until__gt=Now())
    due = _due().filter(lane=OuterRef("name"))
    sooner = due.filter(priority__lt=OuterRef("held_priority"))
    return list(
        Lane.objects.annotate(due=Subquery(_first(due)), sooner=Subquery(_first(sooner)))
        .filter(~held & Q(due__isnull=False) | held & Q(sooner__isnull=False), paused=False)
        .exclude(circuit=Circuit.OPEN, open_until__gt=Now())
        .order_by("served_at")
        .values_list("name", flat=True)
    )
