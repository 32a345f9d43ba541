"""However many jobs one lane has waiting, another's go out in the same round, and the round costs no more."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from ops.workers import scheduling
from tests.builders import make_job
from tests.drain import due_lanes
from tests.ops.job_stub import KIND

pytestmark = pytest.mark.django_db

BACKLOG = 20_000


def heap_up(lane: str) -> None:
    """So many jobs that are due before any other, and statistics that know of them."""
    make_job(KIND, lane)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops_job (kind, lane_id, key, payload, subject, priority, state, run_at)"
            " SELECT %s, %s, 'backlog:' || n, '{}', '', 5, 'ready', now() - interval '1 hour'"
            " FROM generate_series(1, %s) AS n",
            [KIND, lane, BACKLOG],
        )
        cursor.execute("ANALYZE ops_job")


def rows_read() -> int:
    """Rows of jobs that this transaction has read so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'ops_job'"
        )
        return int(cursor.fetchone()[0])


def test_a_lane_with_thousands_waiting_costs_the_others_nothing() -> None:
    heap_up("shop:busy")
    make_job(KIND, "shop:other")
    before = rows_read()
    claimed = [scheduling.claim(lane, token=uuid.uuid4()).job for lane in due_lanes()]
    assert sorted(job.lane_id for job in claimed if job) == ["shop:busy", "shop:other"]
    assert rows_read() - before < 100
