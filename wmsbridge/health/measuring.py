"""What a metric is: how it is read, in which unit, and what a person does about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection


@dataclass(frozen=True)
class Reading:
    """One value in the metric's unit, and further figures by name. Not meaningful = on too little data."""

    value: float
    detail: str = ""
    parts: dict[str, float] = field(default_factory=dict)
    meaningful: bool = True


@dataclass(frozen=True)
class Metric:
    """How to measure one thing, and what a person does about it."""

    name: str
    label: str
    unit: str
    part: str
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
        """Whether a person must look: the threshold itself counts as crossed."""
        return self.reading.meaningful and self.reading.value >= self.threshold


def rows(statement: str) -> list[tuple[object, ...]]:
    """What a statement without parameters finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def numbers(statement: str) -> list[float]:
    """The one row of a statement, with 0 for what there is not."""
    return [float(str(value)) if value is not None else 0.0 for value in rows(statement)[0]]
