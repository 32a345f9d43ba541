"""What a metric is: how it is read, in which unit, and what a person does about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection

Part = str | tuple[str, ...]
"""A value of the metric's label, or one for each of its labels."""


@dataclass(frozen=True)
class Words:
    """What an alert says: what happened, what it means, what to do ("" = the metric's advice), for which shop.

    `cause`: what it is raised for, which has to change for another occurrence; "" = the metric.
    """

    title: str
    meaning: str
    action: str = ""
    shop: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Reading:
    """One value in the metric's unit, a line about it, further figures by label. Not meaningful = on too little data.

    `urgent`: a person is needed whatever the value. `threshold`: of this value, where it is not the setting itself.
    """

    value: float
    detail: str = ""
    parts: dict[Part, float] = field(default_factory=dict)
    meaningful: bool = True
    urgent: bool = False
    threshold: float | None = None
    words: Words | None = None


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
    """How to measure one thing, and what a person does about it. `definition`: what is measured, in full sentences."""

    name: str
    label: str
    unit: Unit
    labels: tuple[str, ...]
    definition: str
    advice: str
    read: Callable[[], Reading]


@dataclass(frozen=True)
class Measurement:
    """A metric as it stands now, against its threshold."""

    metric: Metric
    reading: Reading
    threshold: float

    @property
    def crossed(self) -> bool:
        """Whether a person must look: above the threshold. At the threshold itself all is well, at 0 too."""
        over = self.reading.meaningful and self.reading.value > self.threshold
        return over or self.reading.urgent


def rows(statement: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """What a statement finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def mappings(statement: str, **values: Any) -> list[dict[str, Any]]:
    """What a statement with named parameters finds, by column."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def spoken(seconds: float) -> str:
    """A duration as people say it: 0.8 s, 45 s, 12 min, 3 h, 4 days."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit, limit in ((1, "s", 120), (60, "min", 120), (3600, "h", 48)):
        if seconds < size * limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
