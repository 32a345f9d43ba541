from __future__ import annotations

from django.db import migrations

# Functions, because a turn needs several statements, each of which sees what others committed while the one before it
# waited. This way they are one round trip, and their plans are made once in a connection.
# The columns keep their first names: `share` is the partition of a job, `held_until` and `held_priority` say what is
# throttled.
# clock_timestamp(): what was requested while a statement waited is due too.
# enable_seqscan: a plan may be made while the table is small and be used while it grows.

# `lanes`: NULL means all. A lane has the kinds of those jobs that are next. The one that was served longest ago is first.
DUE_KINDS = """
CREATE FUNCTION ops_due_kinds(lanes text[]) RETURNS TABLE (lane text, kind text)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
    SELECT ops_lane.name::text, due.kind::text FROM ops_lane, LATERAL (
        SELECT DISTINCT kind FROM (
            SELECT kind FROM ops_job
            WHERE lane_id = ops_lane.name AND state = 'ready' AND parked_on = '{}' AND run_at <= moment
              AND priority < CASE WHEN held_until > moment THEN held_priority ELSE 100 END
            ORDER BY priority, share, run_at, id LIMIT 20) AS next) AS due
    WHERE NOT paused AND NOT (circuit = 'open' AND open_until > moment) AND (lanes IS NULL OR ops_lane.name = ANY (lanes))
    ORDER BY ops_lane.served_at;
END
$$
"""

# The first statement locks the lane, unless what was committed before says that it gives out nothing. A lane that is
# full needs no further look: whoever ends a run in it looks at it again.
# `pairs` are the pairs of priority and partition. It jumps from one pair to the next on the index, so the statement
# costs as much as there are pairs, however many jobs wait.
# random(): in a lane with one slot no job is under way at this point, so the partition that waits longest would always
# win.
# ANY (ARRAY (..)): the planner cannot see the value of the LIMIT, expects a tenth of the lane, and scans the table.
# `unlocked`: a job that somebody has locked just now is passed over, and whoever locked it wakes the lane if it is due then.
# `left_to_others`: if the head is of such a kind, nothing is taken, so that it does not lose its turn to what comes
# after it.
# A batch is taken of the next few due jobs of the pair: the planner underestimates the due jobs of one kind and would
# read them all.
CLAIM = """
CREATE FUNCTION ops_claim_batch(
    lane_name text, token uuid, run interval, left_to_others text[], batch_sizes jsonb, answers_per_step int,
    OUT locked boolean, OUT jobs ops_job[], OUT other_kind text, OUT lane_full boolean, OUT lane_troubled boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    found_lane record;
    slots int;
    choice record;
    mates int;
BEGIN
    UPDATE ops_lane SET
        served_at = moment, circuit = CASE WHEN circuit = 'open' THEN 'half_open' ELSE circuit END
    WHERE name = lane_name AND NOT paused AND NOT (circuit = 'open' AND open_until > moment)
      AND EXISTS (
        SELECT FROM ops_job
        WHERE lane_id = lane_name AND state = 'ready' AND parked_on = '{}' AND run_at <= moment
        ORDER BY priority, share, run_at, id LIMIT 1)
      AND concurrency > (
        SELECT count(DISTINCT lease_token) FROM ops_job WHERE lane_id = lane_name AND state = 'running')
    RETURNING concurrency, circuit, failures, recovering,
              failures > 0 OR circuit <> 'closed' OR recovering IS NOT NULL AS troubled,
              CASE WHEN held_until > moment THEN held_priority ELSE 100 END AS below
    INTO found_lane;
    locked := FOUND;
    IF NOT locked THEN
        RETURN;
    END IF;
    slots := CASE
        WHEN found_lane.circuit = 'half_open' OR found_lane.failures > 0 THEN 1
        WHEN found_lane.recovering IS NOT NULL
            THEN LEAST(found_lane.concurrency, 1 + found_lane.recovering / answers_per_step)
        ELSE found_lane.concurrency END;
    moment := clock_timestamp();
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
        SELECT due.id, due.kind, due.has_mates, pairs.priority, COALESCE(busy.runs, 0) + due.position AS turn,
               random() AS luck
        FROM pairs LEFT JOIN busy USING (share), LATERAL (
            SELECT id, kind, row_number() OVER (ORDER BY run_at, id) AS position, count(*) OVER () > 1 AS has_mates
            FROM (
                SELECT id, kind, run_at FROM ops_job
                WHERE lane_id = lane_name AND priority = pairs.priority AND share = pairs.share
                  AND state = 'ready' AND parked_on = '{}' AND run_at <= moment
                ORDER BY run_at, id LIMIT 2) AS next) AS due
        WHERE pairs.priority < found_lane.below AND (SELECT free FROM room) > 0
        ORDER BY pairs.priority, turn, luck LIMIT 2),
    unlocked AS (
        SELECT id FROM ops_job
        WHERE id = ANY (ARRAY (SELECT id FROM heads)) AND state = 'ready' AND parked_on = '{}' FOR UPDATE SKIP LOCKED),
    head AS (SELECT heads.* FROM heads JOIN unlocked USING (id) ORDER BY priority, turn, luck LIMIT 1),
    taken AS (
        UPDATE ops_job SET state = 'running', lease_token = token, lease_until = now() + run, started_at = now(),
                           attempts = attempts + 1
        WHERE id = ANY (ARRAY (SELECT id FROM head WHERE kind <> ALL (left_to_others)))
        RETURNING ops_job AS job)
    SELECT taken.job, head.kind, head.has_mates, room.free,
           (SELECT heads.kind FROM heads JOIN unlocked USING (id) WHERE heads.id <> head.id LIMIT 1) AS second
    FROM head CROSS JOIN room LEFT JOIN taken ON true
    INTO choice;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF (choice.job).id IS NULL THEN
        other_kind := choice.kind;
        RETURN;
    END IF;
    jobs := ARRAY[choice.job];
    lane_full := choice.free = 1;
    lane_troubled := found_lane.troubled;
    mates := COALESCE((batch_sizes ->> choice.kind)::int, 1) - 1;
    IF choice.has_mates AND mates > 0 AND (choice.job).attempts = 1 THEN
        WITH taken AS (
            UPDATE ops_job SET state = 'running', lease_token = token, lease_until = now() + run, started_at = now(),
                               attempts = attempts + 1
            WHERE id = ANY (ARRAY (
                SELECT id FROM ops_job
                WHERE id = ANY (ARRAY (
                    SELECT id FROM ops_job
                    WHERE lane_id = lane_name AND priority = (choice.job).priority AND share = (choice.job).share
                      AND state = 'ready' AND parked_on = '{}' AND run_at <= moment
                    ORDER BY run_at, id
                    LIMIT 4 * mates))
                  AND kind = choice.kind AND state = 'ready' AND parked_on = '{}' AND attempts = 0
                ORDER BY run_at, id
                LIMIT mates
                FOR UPDATE SKIP LOCKED))
            RETURNING ops_job AS job)
        SELECT jobs || array_agg(job ORDER BY (job).run_at, (job).id) FROM taken INTO jobs;
    END IF;
    IF lane_full OR choice.second IS NULL THEN
        RETURN;
    END IF;
    IF cardinality(jobs) = 1 THEN
        other_kind := choice.second;
    ELSE
        SELECT kind FROM ops_job
        WHERE lane_id = lane_name AND priority < found_lane.below
          AND state = 'ready' AND parked_on = '{}' AND run_at <= moment
        ORDER BY priority, share, run_at, id LIMIT 1
        INTO other_kind;
    END IF;
END
$$
"""

# Ends the run before, if there was one, and claims. One row for each job that is taken, and a last one without a job. It
# says which lanes have due jobs that others could run: the one of the claim, and those of `untold` that are left.
# A lane that was locked is the last one that is looked at: whoever has the lock of one lane never waits for another's.
TURN = """
CREATE FUNCTION ops_turn(
    lanes text[], token uuid, ended boolean, untold text[],
    run interval, left_to_others text[], batch_sizes jsonb, answers_per_step int
) RETURNS TABLE (
    job ops_job, looked_at int, lease_lost boolean, lane_full boolean, lane_troubled boolean,
    told_lanes text[], told_kinds text[]
) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    locked boolean;
    jobs ops_job[];
    other_kind text;
BEGIN
    lease_lost := false;
    IF ended THEN
        UPDATE ops_job SET
            state = CASE WHEN rerun THEN 'ready' ELSE 'done' END, lease_token = NULL, lease_until = NULL,
            attempts = CASE WHEN rerun THEN 0 ELSE attempts END, error_class = '', error = '', parked_since = NULL,
            finished_at = CASE WHEN rerun THEN NULL ELSE now() END, rerun = false
        WHERE lease_token = token AND state = 'running';
        lease_lost := NOT FOUND;
    END IF;
    looked_at := 0;
    WHILE looked_at < cardinality(lanes) LOOP
        looked_at := looked_at + 1;
        SELECT claimed.* INTO locked, jobs, other_kind, lane_full, lane_troubled
        FROM ops_claim_batch(lanes[looked_at], token, run, left_to_others, batch_sizes, answers_per_step) AS claimed;
        EXIT WHEN locked;
    END LOOP;
    IF (jobs IS NOT NULL OR lanes = '{}') AND untold <> '{}' THEN
        SELECT array_agg(due.lane), array_agg(due.kind) INTO told_lanes, told_kinds
        FROM ops_due_kinds(untold) AS due WHERE due.lane <> ALL (lanes[1 : looked_at]);
    END IF;
    IF other_kind IS NOT NULL THEN
        told_lanes := told_lanes || lanes[looked_at];
        told_kinds := told_kinds || other_kind;
    END IF;
    IF jobs IS NOT NULL THEN
        FOREACH job IN ARRAY jobs LOOP
            RETURN NEXT;
        END LOOP;
    END IF;
    job := NULL;
    RETURN NEXT;
END
$$
"""


class Migration(migrations.Migration):
    """A turn of a worker, see ops/workers/scheduling.py. Workers of the version before go on with `ops_claim`."""

    dependencies = [("ops", "0012_claim")]

    operations = [
        migrations.RunSQL(DUE_KINDS, "DROP FUNCTION ops_due_kinds(text[])"),
        migrations.RunSQL(CLAIM, "DROP FUNCTION ops_claim_batch(text, uuid, interval, text[], jsonb, int)"),
        migrations.RunSQL(
            TURN, "DROP FUNCTION ops_turn(text[], uuid, boolean, text[], interval, text[], jsonb, int)"
        ),
    ]
