"""Watches whether scheduled tasks run. Beat cannot report its own failure, so workers start this without it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import connection
from django_celery_beat.models import PeriodicTask

from ops.models import ScheduledRun
from wmsbridge.alerts import schedules as alerts
from wmsbridge.schedules.defaults import HOUR, MINUTE, SCHEDULES
from wmsbridge.schedules.rows import in_words, seconds_of

logger = structlog.get_logger(__name__)

MOST_NAMED = 5

_NOTE = """
INSERT INTO ops_scheduledrun (task, expected_since, ran_at) VALUES (%s, now(), now())
ON CONFLICT (task) DO UPDATE SET ran_at = now()
 WHERE ops_scheduledrun.ran_at IS NULL OR ops_scheduledrun.ran_at < now() - interval '10 seconds'
"""


@dataclass(frozen=True)
class Late:
    """A schedule that is on and did not run. `since` is its last run, or the time from which a run was expected."""

    name: str
    every: timedelta
    since: datetime
    ran: bool


def note_run(task: str) -> None:
    """Note that a task ended well, if it is on a schedule. The time is that of the database's clock, to ten seconds."""
    if task in SCHEDULES:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, [task])


def grace(every: timedelta) -> timedelta:
    """How late a run may be: half an interval, but at least a minute and at most an hour."""
    return min(max(every / 2, timedelta(seconds=MINUTE)), timedelta(seconds=HOUR))


def update_alerts() -> list[str]:
    """Raise or close the alerts about schedules that did not run, and about those that are off.

    Returns the names of the late schedules. This takes three statements, and those of the alerts.
    """
    rows = {
        row.name: row for row in PeriodicTask.objects.select_related("interval").filter(name__in=SCHEDULES)
    }
    late = _late(rows)
    if late:
        logger.warning("schedule_late", schedules=[each.name for each in late])
        _raise_late(late, are_all=len(late) == sum(row.enabled for row in rows.values()))
    else:
        alerts.SCHEDULE_LATE.close(alerts.SUBJECT)
    off = [name for name in SCHEDULES if name not in rows or not rows[name].enabled]
    if off:
        _raise_off(off)
    else:
        alerts.SCHEDULE_OFF.close(alerts.SUBJECT)
    return [each.name for each in late]


def _late(rows: dict[str, PeriodicTask]) -> list[Late]:
    """The schedules that are on and had no run for longer than their interval and grace, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
    runs = {run.task: run for run in ScheduledRun.objects.filter(task__in=rows)}
    found = []
    for name, row in rows.items():
        run = runs.get(name)
        if not row.enabled or run is None:
            continue
        every = timedelta(seconds=seconds_of(row))
        since = max(filter(None, [run.ran_at, run.expected_since]))
        if now - since > every + grace(every):
            found.append(Late(name, every, since, run.ran_at == since))
    return found


def _raise_late(late: list[Late], *, are_all: bool) -> None:
    """Raise the alert about late schedules. It says so if none runs, because then beat is the likely cause."""
    facts = [
        f"{each.name} runs every {in_words(int(each.every.total_seconds()))} and "
        f"{'last ran at' if each.ran else 'should have begun at'} {each.since:%d %b %H:%M} UTC. "
        f"{SCHEDULES[each.name].without}"
        for each in late[:MOST_NAMED]
    ]
    if len(late) > MOST_NAMED:
        facts.append(f"{len(late) - MOST_NAMED} more are late.")
    alerts.schedule_late(
        names=[each.name for each in late],
        facts=facts,
        queues=sorted({SCHEDULES[each.name].queue for each in late}),
        are_all=are_all,
    )


def _raise_off(off: list[str]) -> None:
    facts = [f"The purpose of {name} is to {SCHEDULES[name].work}. {SCHEDULES[name].without}" for name in off]
    alerts.schedule_off(names=off, facts=facts, named=MOST_NAMED)
