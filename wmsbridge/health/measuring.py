"""The types of metrics, and how they read from the database and write durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection

Part = str | tuple[str, ...]
"""The value of the metric's label, or a tuple with a value for each of its labels."""


@dataclass(frozen=True)
class AlertText:
    """What an alert says: what happened, what it means, what to do ("" = the advice of the metric), and for which shop.

    The alert counts another occurrence only if `cause` has changed ("" = the metric is the cause).
    """

    title: str
    meaning: str
    action: str = ""
    shop: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Reading:
    """A value in the unit of the metric, a line of text about it, and further figures by label (`parts`).

    A value is not `meaningful` if there are too few data. `urgent` means that a person is needed, whatever the value
    is. `threshold` is the threshold of this value, if it is not the setting itself.
    """

    value: float
    detail: str = ""
    parts: dict[Part, float] = field(default_factory=dict)
    meaningful: bool = True
    urgent: bool = False
    threshold: float | None = None
    alert_text: AlertText | None = None


class Unit(StrEnum):
    """The unit of a metric, as /metrics names it."""

    SECONDS = "seconds"
    PERCENT = "percent"
    JOBS = "jobs"

    @property
    def sign(self) -> str:
        """What stands behind a number on a page; "" where the label of the metric says what is counted."""
        return {Unit.SECONDS: "s", Unit.PERCENT: "%", Unit.JOBS: ""}[self]

    @property
    def in_text(self) -> str:
        """What stands behind a number in a sentence."""
        return self.sign or self.value


@dataclass(frozen=True)
class Metric:
    """How one thing is measured, and what a person does about it. `definition` says in full sentences what is
    measured."""

    name: str
    label: str
    unit: Unit
    labels: tuple[str, ...]
    definition: str
    advice: str
    read: Callable[[], Reading]


@dataclass(frozen=True)
class Measurement:
    """The present reading of a metric, with its threshold."""

    metric: Metric
    reading: Reading
    threshold: float

    @property
    def crossed(self) -> bool:
        """Whether a person must look: the value is above the threshold, or the reading is urgent.

        A value equal to the threshold is fine, so that a threshold of 0 works.
        """
        over = self.reading.meaningful and self.reading.value > self.threshold
        return over or self.reading.urgent


def rows(statement: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Return the rows that a statement finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def mappings(statement: str, **values: Any) -> list[dict[str, Any]]:
    """Return the rows that a statement with named parameters finds, each as a dict by column."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def duration_text(seconds: float) -> str:
    """A duration as people write it: 0.8 s, 45 s, 12 min, 3 h, 4 days."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit, limit in ((1, "s", 120), (60, "min", 120), (3600, "h", 48)):
        if seconds < size * limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
