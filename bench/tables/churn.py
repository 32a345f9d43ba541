"""Measures how fast old rows are deleted, and what a claim costs after a million changes without VACUUM."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import psycopg
from django.conf import settings
from django.db import connection

from bench.tables import plans
from fulfillment.privacy import erasure
from ops.queue import retention
from ops.workers import scheduling

LANE = "shop:shop-3.myshopify.com"
ROUND = 20_000
CHANGES_OF_A_JOB = 3

_ARRIVE = """
INSERT INTO ops_job (kind, lane_id, key, payload, subject, priority, state, run_at, parked_on)
SELECT 'fulfillment.read_orders', %s, 'churn:' || gen_random_uuid(), '{"order": 1}', 'order:1:' || i, 1, 'ready',
       now(), '{}' FROM generate_series(1, %s) AS i
"""
_CLAIMED = """
UPDATE ops_job SET state = 'running', lease_token = gen_random_uuid(), lease_until = now() + interval '15 seconds'
WHERE lane_id = %s AND state = 'ready' AND parked_on = '{}' AND key LIKE 'churn:%%'
"""
_STARTED = """
UPDATE ops_job SET started_at = now(), lease_until = now() + interval '60 seconds', attempts = attempts + 1
WHERE lane_id = %s AND state = 'running' AND key LIKE 'churn:%%'
"""
_FINISHED = """
UPDATE ops_job SET state = 'done', lease_token = NULL, lease_until = NULL, finished_at = now()
WHERE lane_id = %s AND state = 'running' AND key LIKE 'churn:%%'
"""


def measure(*, changes: int) -> list[str]:
    """Delete and erase for a while, then let jobs come and go without VACUUM. Returns a Markdown table, line by
    line."""
    lines = ["| what | found |", "|---|---|"]
    lines += [_rate(cleanup) for cleanup in [*retention.cleanups(), *erasure.cleanups()[:1]]]
    lines.append(f"| claim, as filled | {_claim()} |")
    _churn(changes)
    lines.append(f"| claim, right after {changes:,} changes without vacuum | {_claim()} |")
    lines.append(f"| the next claim | {_claim()} |")
    with psycopg.connect(settings.DATABASE_URL) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM ops_lane")  # stands for a backup that begins now
        _churn(changes)
        lines.append(f"| claim, {changes:,} changes later, while a backup holds its snapshot | {_claim()} |")
        lines.append(f"| the next claim | {_claim()} |")
    lines.append(f"| claim, the backup is over | {_claim()} |")
    lines.append(f"| the next claim | {_claim()} |")
    with connection.cursor() as cursor:
        seconds = _seconds(lambda: cursor.execute("VACUUM ops_job"))
    lines.append(f"| VACUUM of ops_job | {seconds:.0f} s |")
    lines.append(f"| claim, vacuumed | {_claim()} |")
    return lines


def _rate(cleanup: retention.Cleanup) -> str:
    seconds = 0.0
    rows = batches = 0
    found = 1
    while found and seconds < retention.TICK:
        began = time.monotonic()
        found = cleanup.batch()
        seconds += time.monotonic() - began
        rows, batches = rows + found, batches + 1
    each = 1000 * seconds / batches
    what = cleanup.name.replace("_", " ")
    return f"| {what} | {rows:,} in {seconds:.1f} s: {rows / seconds:,.0f} a second; {each:.0f} ms a batch |"


def _churn(changes: int) -> None:
    jobs = -(-changes // CHANGES_OF_A_JOB)
    with connection.cursor() as cursor:
        for start in range(0, jobs, ROUND):
            cursor.execute(_ARRIVE, [LANE, min(ROUND, jobs - start)])
            for statement in (_CLAIMED, _STARTED, _FINISHED):
                cursor.execute(statement, [LANE])


def _claim() -> str:
    statements = plans.explain(lambda: scheduling.claim(LANE, token=uuid.uuid4()), big=frozenset())
    slowest = max(statements, key=lambda each: each.ms)
    return f"{sum(each.ms for each in statements):.2f} ms, {slowest.pages:,} pages"


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
