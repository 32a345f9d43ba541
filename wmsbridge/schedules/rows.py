"""The rows of django-celery-beat that beat reads: made once from the defaults, changed by staff, never written over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from ops.models import ScheduledRun
from wmsbridge.schedules.defaults import DAY, HOUR, MINUTE, SCHEDULES, message_kept

UNITS = {
    DAY: IntervalSchedule.DAYS,
    HOUR: IntervalSchedule.HOURS,
    MINUTE: IntervalSchedule.MINUTES,
    1: IntervalSchedule.SECONDS,
}


def make_missing(**_: Any) -> None:
    """Make the row of each schedule that has none; what is there is staff's. Called after each `migrate`.

    So a new version's new schedules run, and its new defaults change nothing that runs.
    """
    there = set(PeriodicTask.objects.filter(name__in=SCHEDULES).values_list("name", flat=True))
    missing = [name for name in SCHEDULES if name not in there]
    if missing:
        _make(missing)


@transaction.atomic
def _make(names: Iterable[str]) -> None:
    rows = [
        PeriodicTask(
            name=name,
            task=name,
            interval=interval_of(SCHEDULES[name].seconds),
            queue=SCHEDULES[name].queue,
            expire_seconds=message_kept(SCHEDULES[name].seconds),
        )
        for name in names
    ]
    PeriodicTask.objects.bulk_create(rows, ignore_conflicts=True)  # another `migrate` may be at it
    expect_anew(row.name for row in rows)
    PeriodicTasks.update_changed()


def expect_anew(names: Iterable[str]) -> None:
    """Count from now whether these are late: they are new, were changed, or were switched on again."""
    rows = [ScheduledRun(task=name, expected_since=Now()) for name in names]
    ScheduledRun.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["task"], update_fields=["expected_since"]
    )


def in_units(seconds: int) -> tuple[int, str]:
    """How many of which unit, the greatest that fits: (15, "minutes")."""
    size = next(size for size in UNITS if seconds % size == 0)
    return seconds // size, UNITS[size]


def in_words(seconds: int) -> str:
    """As people say it: "15 minutes", "1 day"."""
    number, unit = in_units(seconds)
    return f"{number} {unit.removesuffix('s') if number == 1 else unit}"


def interval_of(seconds: int) -> IntervalSchedule:
    """The shared row of an interval. Never changed: other schedules use it as well."""
    number, unit = in_units(seconds)
    wanted = {"every": number, "period": unit}
    return IntervalSchedule.objects.filter(**wanted).first() or IntervalSchedule.objects.create(**wanted)


def seconds_of(row: PeriodicTask) -> int:
    """Seconds between two runs; of a calendar schedule that somebody made by other means than the console, a day."""
    if row.interval is None:
        return DAY
    return int(timedelta(**{row.interval.period: row.interval.every}).total_seconds())


def every(name: str) -> timedelta:
    """How often a schedule runs as staff set it; one statement. Its default when its row is gone."""
    row = PeriodicTask.objects.select_related("interval").filter(name=name).first()
    return timedelta(seconds=seconds_of(row) if row else SCHEDULES[name].seconds)
