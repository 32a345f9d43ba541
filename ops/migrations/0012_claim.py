from __future__ import annotations

from django.db import migrations

# A function, because the claim needs two statements in turn (the second one sees what others committed while the first
# one waited for the lane), and this way it is one round trip whose plans are made once in a connection.
# The first statement locks the lane.
# The columns keep their first names: `share` is the partition of a job, `held_until` and `held_priority` say what is
# throttled.
# `pairs` are the pairs of priority and partition. It jumps from one pair to the next on the index, so the statement
# costs as much as there are pairs, however many jobs wait.
# random(): in a lane with one slot no job is under way at this point, so the partition that waits longest would always
# win.
# ANY (ARRAY (..)): the planner cannot see the value of the LIMIT, expects a tenth of the lane, and scans the table.
# `left_to_others`: if the head is of such a kind, nothing is taken, so that it does not lose its turn to what comes
# after it.
# enable_seqscan: the plan may be made while the table is small and be used while it grows.
CLAIM = """
CREATE FUNCTION ops_claim(
    lane_name text, token uuid, run interval, left_to_others text[], answers_per_step int
) RETURNS TABLE (job ops_job, head_kind text, second_kind text, has_mates boolean, lane_full boolean, lane_troubled boolean)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    found_lane record;
    slots int;
BEGIN
    UPDATE ops_lane SET
        served_at = clock_timestamp(),
        circuit = CASE WHEN circuit = 'open' AND open_until <= clock_timestamp() THEN 'half_open' ELSE circuit END
    WHERE name = lane_name AND NOT paused AND EXISTS (
        SELECT FROM ops_job
        WHERE lane_id = lane_name AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
        ORDER BY priority, share, run_at, id LIMIT 1)
    RETURNING concurrency, circuit, failures, recovering,
              failures > 0 OR circuit <> 'closed' OR recovering IS NOT NULL AS troubled,
              CASE WHEN held_until > clock_timestamp() THEN held_priority ELSE 100 END AS below
    INTO found_lane;
    slots := CASE
        WHEN found_lane IS NULL OR found_lane.circuit = 'open' THEN 0
        WHEN found_lane.circuit = 'half_open' OR found_lane.failures > 0 THEN 1
        WHEN found_lane.recovering IS NOT NULL
            THEN LEAST(found_lane.concurrency, 1 + found_lane.recovering / answers_per_step)
        ELSE found_lane.concurrency END;
    IF slots = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH RECURSIVE pairs AS (
        (SELECT priority, share FROM ops_job
         WHERE lane_id = lane_name AND state = 'ready' AND parked_on = '{}' ORDER BY priority, share LIMIT 1)
        UNION ALL
        SELECT next.priority, next.share FROM pairs, LATERAL (
            SELECT priority, share FROM ops_job
            WHERE lane_id = lane_name AND state = 'ready' AND parked_on = '{}'
              AND (priority, share) > (pairs.priority, pairs.share) ORDER BY priority, share LIMIT 1) AS next
        WHERE next.priority < found_lane.below),
    busy AS MATERIALIZED (
        SELECT share, count(DISTINCT lease_token) AS runs FROM ops_job
        WHERE lane_id = lane_name AND state = 'running' GROUP BY share),
    room AS (SELECT GREATEST(0, slots - COALESCE(sum(runs), 0))::int AS free FROM busy),
    heads AS (
        SELECT due.id, due.kind, due.mates, pairs.priority, COALESCE(busy.runs, 0) + due.position AS turn,
               random() AS luck
        FROM pairs LEFT JOIN busy USING (share), LATERAL (
            SELECT id, kind, row_number() OVER (ORDER BY run_at, id) AS position, count(*) OVER () > 1 AS mates
            FROM (
                SELECT id, kind, run_at FROM ops_job
                WHERE lane_id = lane_name AND priority = pairs.priority AND share = pairs.share
                  AND state = 'ready' AND parked_on = '{}' AND run_at <= statement_timestamp()
                ORDER BY run_at, id LIMIT 2) AS next) AS due
        WHERE pairs.priority < found_lane.below AND (SELECT free FROM room) > 0
        ORDER BY pairs.priority, turn, luck LIMIT 2),
    head AS (SELECT id, kind, mates FROM heads ORDER BY priority, turn, luck LIMIT 1),
    taken AS (
        UPDATE ops_job SET state = 'running', lease_token = token, lease_until = now() + run, started_at = now(),
                           attempts = attempts + 1
        WHERE id = ANY (ARRAY (
            SELECT id FROM ops_job
            WHERE id = ANY (ARRAY (SELECT id FROM head)) AND kind <> ALL (left_to_others)
              AND state = 'ready' AND parked_on = '{}' FOR UPDATE SKIP LOCKED))
        RETURNING ops_job AS job)
    SELECT taken.job, head.kind::text,
           CASE WHEN free > 1 THEN (SELECT kind FROM heads WHERE id <> head.id LIMIT 1) END::text,
           head.mates, free = 1, found_lane.troubled
    FROM head CROSS JOIN room LEFT JOIN taken ON true;
END
$$
"""


class Migration(migrations.Migration):
    """The claim of a job, see ops/workers/scheduling.py. Workers of the version before go on with their own
    statements."""

    dependencies = [("ops", "0011_partition_and_throttling")]

    operations = [migrations.RunSQL(CLAIM, "DROP FUNCTION ops_claim(text, uuid, interval, text[], int)")]
