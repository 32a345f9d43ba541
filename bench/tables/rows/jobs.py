"""Fills the jobs of a month, four for each order. All but the newest are done. Of those, half are in one lane."""

from __future__ import annotations

from bench.tables.rows.inserting import CONNECTIONS, SHOPS, Sizes, insert
from ops.models import Job, JobAttempt

_KINDS = """(ARRAY['shopify.orders/paid', 'fulfillment.read_orders', 'fulfillment.route',
                  'fulfillment.submit'])[1 + i %% 4]"""
_DOMAIN = f"'shop-' || (i / 4) %% {SHOPS} || '.myshopify.com'"
_LANE = f"""CASE i %% 4 WHEN 0 THEN 'shop:' || {_DOMAIN} || '/in' WHEN 1 THEN 'shop:' || {_DOMAIN}
                       WHEN 2 THEN 'shop:' || {_DOMAIN} || '/in' ELSE 'wms:wms-' || (i / 4) %% {CONNECTIONS} END"""
_KEY = f"""CASE i %% 4 WHEN 0 THEN 'shopify:' || {_DOMAIN} || ':b4f5e0e1-0000-4000-8000-' || lpad(i::text, 12, '0')
                      WHEN 1 THEN 'read:' || 1 + (i / 4) %% {SHOPS} || ':' || 5000000000000 + i / 4
                      WHEN 2 THEN 'route:' || i / 4
                      ELSE 'submit:wms:order:' || {_DOMAIN} || ':' || 5000000000000 + i / 4 || ':1' END"""
_SUBJECT = f"'order:' || 1 + (i / 4) %% {SHOPS} || ':' || 5000000000000 + i / 4"
# The payload of a webhook has a kilobyte that cannot be compressed. The other payloads have ids only.
_PAYLOAD = f"""CASE WHEN i %% 4 = 0 THEN jsonb_build_object('shop', 1 + (i / 4) %% {SHOPS}, 'topic', 'orders/paid',
                 'body', jsonb_build_object('id', 5000000000000 + i / 4, 'email', 'ada@example.com', 'noise',
                   (SELECT string_agg(md5(i::text || part), '') FROM generate_series(1, 30) AS part)))
               ELSE jsonb_build_object('order', i / 4) END"""
_ERASED = '\'{"erased_on": "2026-01-01"}\'::jsonb'


def fill_jobs(sizes: Sizes) -> None:
    """Insert jobs of all states."""
    done = sizes.jobs - sizes.due - sizes.parked - sizes.dead - 200
    at = "now() - (%s - i) * interval '1 day' * 31 / %s"
    # There are 31 days of done jobs, and 8 days of payloads. So one day's worth of each is due to be deleted or erased.
    insert(
        Job,
        f"(SELECT i, {at} AS at FROM generate_series(1, %s) AS i) AS made",
        *(done, done, done),
        **_job_columns(done),
        state="'done'",
        attempts="1",
        run_at="at",
        started_at="at",
        created_at="at - interval '1 second'",
        finished_at="at",
    )
    first = done + 1
    for count, columns in (
        (sizes.due, _due(first + sizes.due // 2)),
        (sizes.parked, _PARKED),
        (sizes.dead, _DEAD),
        (200, _RUNNING),
    ):
        source = f"(SELECT i, now() - interval '1 hour' AS at FROM generate_series({first}, %s) AS i) AS made"
        insert(Job, source, first + count - 1, **{**_job_columns(done), **columns})
        first += count


def _job_columns(done: int) -> dict[str, str]:
    return {
        "id": "i",
        "kind": _KINDS,
        "lane_id": _LANE,
        "key": _KEY,
        "payload": f"CASE WHEN i < {done - done * 8 // 31} THEN {_ERASED} ELSE {_PAYLOAD} END",
        "subject": _SUBJECT,
        "priority": "(ARRAY[5, 1, 1, 1])[1 + i %% 4]",
    }


def _due(boundary: int) -> dict[str, str]:
    """The columns of due jobs. Those below the boundary are in one lane of one shop."""
    return {
        "state": "'ready'",
        "run_at": "at + i %% 3600 * interval '1 second'",
        "lane_id": f"CASE WHEN i < {boundary} THEN 'shop:shop-7.myshopify.com' ELSE {_LANE} END",
    }


_PARKED = {
    "state": "'ready'",
    "run_at": "now() + i %% 900 * interval '1 second'",
    "parked_on": f"ARRAY['sku:' || 1 + i %% {SHOPS} || ':' || i %% 300, 'shop:' || 1 + i %% {SHOPS}]::varchar[]",
    "parked_since": "at",
    "error_class": "'Blocked'",
    "error": "'a SKU is not mapped'",
}
_DEAD = {
    "state": "'dead'",
    "finished_at": "now() - i %% 20 * interval '1 day'",
    "error_class": "'Permanent'",
    "error": "'the WMS answered 422: unknown item'",
    "attempts": "1",
}
_RUNNING = {
    "state": "'running'",
    "lease_token": "gen_random_uuid()",
    "lease_until": "now() + interval '50 seconds'",
    "started_at": "now()",
    "attempts": "1",
}


def fill_attempts() -> None:
    """Insert a failed run for one job in twenty, and for each dead letter."""
    insert(
        JobAttempt,
        "ops_job AS job WHERE job.id %% 20 = 0 OR job.state = 'dead'",
        job_id="job.id",
        attempt="1",
        ended_at="COALESCE(job.finished_at, job.created_at)",
        outcome="CASE WHEN job.state = 'dead' THEN 'permanent' ELSE 'transient' END",
        error_class="'Transient'",
        error="'wms-1 answered 503: the server is overloaded'",
    )
