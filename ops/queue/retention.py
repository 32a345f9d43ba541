"""How long finished work is kept. Personal data is erased first, and the rows are deleted later.

The work is done in batches of bounded size. Each batch is a transaction of its own and waits for no lock, so that no
statement holds a table for long. One tick does as many batches as it has time for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Func, JSONField, Q
from django.db.models.functions import Now
from django.utils import timezone

from ops.models import Alert, Job, JobAttempt
from ops.refs import Subject
from ops.text.masking import mask_personal

logger = structlog.get_logger(__name__)

TICK = 25.0
"""One tick works for at most this many seconds, half of what Celery allows a task."""

BATCH, MASK_BATCH = 1000, 200
ERASED_ON, MASKED_ON = "erased_on", "masked_on"
"""The key in a payload that holds the date on which its content was erased or masked."""

FORGOTTEN = "What was said here was erased together with the customer's data."

# The digest stays, so that a repeated event is still recognised and is not stored again.
_ERASED = "jsonb_strip_nulls(jsonb_build_object('erased_on', current_date, 'digest', payload->'digest'))"

# An index gives the oldest rows. ANY (ARRAY (..)) keeps the planner from scanning the whole table for them.
_ERASE_PAYLOADS = """
WITH old AS MATERIALIZED (
    SELECT id FROM ops_job WHERE state = 'done' AND NOT payload ? 'erased_on' AND finished_at < now() - %s
    ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED),
texts AS (
    UPDATE ops_jobattempt SET error = '' WHERE job_id = ANY (ARRAY (SELECT id FROM old)) AND error <> '')
UPDATE ops_job SET payload = ERASED, error = ''
WHERE id = ANY (ARRAY (SELECT id FROM old))
""".replace("ERASED", _ERASED)

# A coalescing job has one row per key for ever; if the row is pruned, the next request makes a new one. Jobs of events
# are how a repeated webhook or callback is recognised, so they must be kept for longer than any sender repeats.
_DELETE_JOBS = """
WITH old AS MATERIALIZED (
    SELECT id FROM ops_job WHERE state = 'done' AND finished_at < now() - %s
    ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED),
attempts AS (DELETE FROM ops_jobattempt WHERE job_id = ANY (ARRAY (SELECT id FROM old)))
DELETE FROM ops_job WHERE id = ANY (ARRAY (SELECT id FROM old))
"""

# A job that is repeated for ever (the push of a shop, a backfill) never gets old enough, but its attempts do.
_DELETE_ATTEMPTS = """
DELETE FROM ops_jobattempt WHERE id = ANY (ARRAY (
    SELECT attempt.id FROM ops_jobattempt AS attempt JOIN ops_job AS job ON job.id = attempt.job_id
    WHERE attempt.ended_at < now() - %s AND job.state <> 'dead' ORDER BY attempt.ended_at LIMIT %s))
"""

_DELETE_ALERTS = """
DELETE FROM ops_alert WHERE id = ANY (ARRAY (
    SELECT id FROM ops_alert WHERE state = 'closed' AND closed_at < now() - %s ORDER BY closed_at LIMIT %s))
"""

_MENTIONED = """
SELECT asked.subject FROM unnest(%s::text[]) AS asked (subject)
WHERE EXISTS (SELECT FROM ops_job WHERE ops_job.subject = asked.subject)
   OR EXISTS (SELECT FROM ops_alert WHERE ops_alert.subject = asked.subject)
"""


@dataclass(frozen=True)
class Cleanup:
    """One kind of clean-up. `batch` changes some rows in a transaction and returns how many; 0 = none are left."""

    name: str
    batch: Callable[[], int]


def run_cleanups(cleanups: Sequence[Cleanup], *, longest: float = TICK) -> dict[str, int]:
    """Run the cleanups one after the other, in batches, until nothing is left or `longest` seconds are over.

    Returns how many rows each cleanup changed. The next tick does what is left.
    """
    began = time.monotonic()
    done = dict.fromkeys((cleanup.name for cleanup in cleanups), 0)
    behind = []
    for cleanup in cleanups:
        found = 1
        while found and time.monotonic() - began < longest:
            found = cleanup.batch()
            done[cleanup.name] += found
        if found:
            behind.append(cleanup.name)
    if any(done.values()) or behind:
        seconds = round(time.monotonic() - began, 3)
        logger.info("retention", seconds=seconds, behind=behind, **done)
    return done


def prune() -> dict[str, int]:
    """Erase old payloads, then delete old jobs, failed runs and closed alerts. Returns how many rows of each."""
    return run_cleanups(cleanups())


def cleanups() -> list[Cleanup]:
    """The cleanups of `prune`, in their order."""
    payloads, rows = timedelta(days=settings.KEEP_PAYLOADS_DAYS), timedelta(days=settings.KEEP_JOBS_DAYS)
    return [
        Cleanup("payloads_erased", partial(_execute, _ERASE_PAYLOADS, payloads)),
        Cleanup("payloads_masked", mask_unfinished),
        Cleanup("jobs_deleted", partial(_execute, _DELETE_JOBS, rows)),
        Cleanup("attempts_deleted", partial(_execute, _DELETE_ATTEMPTS, rows)),
        Cleanup("alerts_deleted", partial(_execute, _DELETE_ALERTS, rows)),
    ]


def _execute(statement: str, age: timedelta) -> int:
    parameters: list[Any] = [age, BATCH]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def mask_unfinished() -> int:
    """Mask the payloads of dead letters and parked jobs that nobody handled for KEEP_PERSONAL_DATA_DAYS.

    The jobs can still be replayed: only personal data and secrets are masked, and no handler needs them. Returns how
    many payloads were masked.
    """
    age = timedelta(days=settings.KEEP_PERSONAL_DATA_DAYS)
    dead = Q(state=Job.State.DEAD, finished_at__lt=Now() - age)
    parked = Q(state=Job.State.READY, created_at__lt=Now() - age) & ~Q(parked_on=[])
    with transaction.atomic():
        return _mask(dead, most=MASK_BATCH) or _mask(parked, most=MASK_BATCH)


def _mask(which: Q, *, most: int | None = None) -> int:
    """Mask the payloads of the jobs in one state. Callers pass one state at a time: each has its own index."""
    unmasked = Job.objects.select_for_update(skip_locked=True).order_by().exclude(payload__has_key=MASKED_ON)
    found = list(unmasked.filter(which).only("id", "payload")[:most])
    today = timezone.now().date().isoformat()
    for job in found:
        job.payload = {**mask_personal(job.payload), MASKED_ON: today}
    Job.objects.bulk_update(found, ["payload"])
    return len(found)


def mentioned(subjects: Collection[Subject]) -> list[Subject]:
    """Those of the subjects that jobs or alerts are about, with one statement, however many are asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_MENTIONED, [list(subjects)])
        return [subject for (subject,) in cursor.fetchall()]


def erase(subjects: Collection[Subject]) -> None:
    """Erase what was said about these subjects, whatever its age: payloads, errors, alerts' texts.

    Finished jobs lose their payload. Dead letters keep the part of it that a replay needs.
    """
    about = Job.objects.filter(subject__in=subjects)
    finished = about.filter(state=Job.State.DONE).exclude(payload__has_key=ERASED_ON)
    finished.update(payload=Func(template=_ERASED, output_field=JSONField()), error="")
    _mask(Q(subject__in=subjects, state=Job.State.DEAD))
    about.filter(state=Job.State.DEAD).exclude(error="").update(error=FORGOTTEN)
    ids = list(
        about.order_by().values_list("id", flat=True)
    )  # with a subquery, Postgres would scan all attempts
    JobAttempt.objects.filter(job_id__in=ids).exclude(error="").update(error="")
    Alert.objects.filter(subject__in=subjects).exclude(meaning=FORGOTTEN).update(meaning=FORGOTTEN)
