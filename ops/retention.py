"""How long finished work is kept: pruned in bounded batches, so that no statement holds the tables for long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

logger = structlog.get_logger(__name__)

BATCH = 5000
MOST_BATCHES = 20

# Coalescing jobs are one row per subject for ever; a pruned one is simply made anew by its next notice. Event jobs are
# the dedupe memory of webhooks and callbacks, so their age must exceed any sender's retries.
_JOBS = """
WITH old AS MATERIALIZED (
    SELECT id FROM ops_job WHERE state = 'done' AND finished_at < now() - %s ORDER BY finished_at LIMIT %s
    FOR UPDATE SKIP LOCKED),
attempts AS (DELETE FROM ops_jobattempt WHERE job_id IN (SELECT id FROM old))
DELETE FROM ops_job WHERE id IN (SELECT id FROM old)
"""
_ALERTS = """
DELETE FROM ops_alert WHERE id IN (
    SELECT id FROM ops_alert WHERE state = 'closed' AND closed_at < now() - %s ORDER BY closed_at LIMIT %s)
"""


def prune() -> int:
    """Delete finished jobs and closed alerts older than KEEP_JOBS_DAYS; returns how many rows."""
    parameters: list[Any] = [timedelta(days=settings.KEEP_JOBS_DAYS), BATCH]
    total = 0
    for statement in (_JOBS, _ALERTS):
        for _ in range(MOST_BATCHES):
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                deleted = cursor.rowcount
            total += deleted
            if deleted < BATCH:
                break
    if total:
        logger.info("pruned", rows=total)
    return total
