"""The rows of django-celery-beat. They are made once from the defaults; staff change them, and no version overwrites
them."""

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
    """Make the row of each schedule that has none, after each `migrate`. Existing rows belong to staff and stay.

    So the new schedules of a new version run, and its new defaults do not change existing schedules.
    """
    there = set(PeriodicTask.objects.filter(name__in=SCHEDULES).values_list("name", flat=True))
    missing = [name for name in SCHEDULES if name not in there]
    if missing:
        _make(missing)


@transaction.atomic
def _make(names: Iterable[str]) -> None:
    """Make the rows of these schedules from their defaults, and let beat read them."""
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
    PeriodicTask.objects.bulk_create(rows, ignore_conflicts=True)  # another `migrate` may do the same
    expect_anew(row.name for row in rows)
    PeriodicTasks.update_changed()


def expect_anew(names: Iterable[str]) -> None:
    """Measure from now on whether these are late. They are new, or were changed or switched on again."""
    rows = [ScheduledRun(task=name, expected_since=Now()) for name in names]
    ScheduledRun.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["task"], update_fields=["expected_since"]
    )


def in_units(seconds: int) -> tuple[int, str]:
    """The interval in the greatest unit that fits, e.g. (15, "minutes")."""
    size = next(size for size in UNITS if seconds % size == 0)
    return seconds // size, UNITS[size]


def in_words(seconds: int) -> str:
    """The interval in words: "15 minutes", "1 day"."""
    number, unit = in_units(seconds)
    return f"{number} {unit.removesuffix('s') if number == 1 else unit}"


def interval_of(seconds: int) -> IntervalSchedule:
    """The shared row of an interval. It must not be changed, because other schedules use it too."""
    number, unit = in_units(seconds)
    wanted = {"every": number, "period": unit}
    return IntervalSchedule.objects.filter(**wanted).first() or IntervalSchedule.objects.create(**wanted)


def seconds_of(row: PeriodicTask) -> int:
    """The seconds between two runs. For a calendar schedule, which cannot be made in the console, it is a day."""
    if row.interval is None:
        return DAY
    return int(timedelta(**{row.interval.period: row.interval.every}).total_seconds())


def every(name: str) -> timedelta:
    """The interval of a schedule, with one statement. It is the default if the row is missing."""
    row = PeriodicTask.objects.select_related("interval").filter(name=name).first()
    return timedelta(seconds=seconds_of(row) if row else SCHEDULES[name].seconds)
