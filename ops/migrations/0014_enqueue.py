from __future__ import annotations

from django.db import migrations

# Functions, because their plans are made once in a connection, and to plan these statements costs as much as to execute
# them. A prepared statement would do the same, but not behind a pooler that gives each transaction another connection.
# The columns keep their first names: `share` is the partition of a job.

# A second request for the same work is the same job. If the job waits, nothing is added. If it runs, it runs once more
# afterwards. If it is done, dead or parked, it becomes ready again.
# Returns the id of the job, or NULL if its key is known and it does not coalesce.
ENQUEUE = """
CREATE FUNCTION ops_enqueue(
    job_kind text, job_lane text, lane_concurrency int, job_key text, job_payload jsonb, job_subject text,
    job_partition text, job_priority int, job_delay interval, coalesces boolean, yields boolean
) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    job_id bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM ops_lane WHERE name = job_lane) THEN
        INSERT INTO ops_lane (name, concurrency) VALUES (job_lane, lane_concurrency) ON CONFLICT (name) DO NOTHING;
    END IF;
    IF coalesces THEN
        INSERT INTO ops_job (kind, lane_id, key, payload, subject, share, priority, state, run_at)
        VALUES (job_kind, job_lane, job_key, job_payload, job_subject, job_partition, job_priority, 'ready',
                now() + job_delay)
        ON CONFLICT (key) DO UPDATE SET
            payload = CASE WHEN yields AND ops_job.state <> 'done' THEN ops_job.payload ELSE EXCLUDED.payload END,
            priority = CASE WHEN ops_job.state IN ('done', 'dead') THEN EXCLUDED.priority
                            ELSE LEAST(ops_job.priority, EXCLUDED.priority) END,
            rerun = ops_job.rerun OR ops_job.state = 'running',
            run_at = CASE WHEN ops_job.state = 'running' AND NOT ops_job.rerun THEN EXCLUDED.run_at
                          WHEN ops_job.state = 'running' THEN LEAST(ops_job.run_at, EXCLUDED.run_at)
                          WHEN ops_job.state = 'ready' AND ops_job.parked_on = '{}'
                               THEN LEAST(ops_job.run_at, EXCLUDED.run_at)
                          ELSE EXCLUDED.run_at END,
            attempts = CASE WHEN ops_job.state IN ('done', 'dead') THEN 0 ELSE ops_job.attempts END,
            parked_on = '{}', parked_since = NULL,
            finished_at = NULL,
            state = CASE WHEN ops_job.state = 'running' THEN ops_job.state ELSE 'ready' END
        RETURNING id INTO job_id;
    ELSE
        INSERT INTO ops_job (kind, lane_id, key, payload, subject, share, priority, state, run_at)
        VALUES (job_kind, job_lane, job_key, job_payload, job_subject, job_partition, job_priority, 'ready',
                now() + job_delay)
        ON CONFLICT (key) DO NOTHING
        RETURNING id INTO job_id;
    END IF;
    RETURN job_id;
END
$$
"""

# Stores an event that is done at once, and the coalesced work that it means, unless the event's key is known. Returns
# the id of the event, or NULL.
# Two transactions that make the same two lanes must do so in the same order.
STORE_EVENT = """
CREATE FUNCTION ops_store_event(
    event_kind text, event_lane text, event_concurrency int, event_key text, event_payload jsonb, event_subject text,
    event_partition text, event_priority int,
    work_kind text, work_lane text, work_concurrency int, work_key text, work_payload jsonb, work_subject text,
    work_partition text, work_priority int, work_delay interval, work_yields boolean
) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    event_id bigint;
BEGIN
    IF (SELECT count(*) FROM ops_lane WHERE name IN (event_lane, work_lane)) < 2 THEN
        INSERT INTO ops_lane (name, concurrency)
        SELECT * FROM (VALUES (event_lane, event_concurrency), (work_lane, work_concurrency)) AS missing ORDER BY 1
        ON CONFLICT (name) DO NOTHING;
    END IF;
    INSERT INTO ops_job (kind, lane_id, key, payload, subject, share, priority, state, run_at, finished_at)
    VALUES (event_kind, event_lane, event_key, event_payload, event_subject, event_partition, event_priority, 'done',
            now(), now())
    ON CONFLICT (key) DO NOTHING
    RETURNING id INTO event_id;
    IF event_id IS NOT NULL THEN
        PERFORM ops_enqueue(work_kind, work_lane, work_concurrency, work_key, work_payload, work_subject,
                            work_partition, work_priority, work_delay, true, work_yields);
    END IF;
    RETURN event_id;
END
$$
"""


class Migration(migrations.Migration):
    """How jobs are stored, see ops/queue/jobs.py. Processes of the version before go on with their own statements."""

    dependencies = [("ops", "0013_turn")]

    operations = [
        migrations.RunSQL(
            ENQUEUE,
            "DROP FUNCTION ops_enqueue(text, text, int, text, jsonb, text, text, int, interval, boolean, boolean)",
        ),
        migrations.RunSQL(STORE_EVENT, "DROP FUNCTION ops_store_event"),
    ]
