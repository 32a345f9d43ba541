"""Reads from the application's tables how it deals with a lane whose endpoint is down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Case, F, Max, Sum, When
from django.utils import timezone


@dataclass(frozen=True)
class LaneState:
    """The state of one lane.

    `attempts` are the counted attempts of the jobs that are not done, without runs in progress. `latest` is the number
    of seconds until the last waiting job is due, and `open_for` the number until the next probe may go out.
    """

    waiting: int
    attempts: int
    most_attempts: int
    dead: int
    latest: float
    circuit: str
    open_for: float

    def __str__(self) -> str:
        return (
            f"circuit {self.circuit} for {self.open_for:.0f} s more; {self.waiting} jobs wait, the last for"
            f" {self.latest:.0f} s more; {self.attempts} attempts counted in all ({self.most_attempts} at most),"
            f" {self.dead} dead letters"
        )


def read(name: str) -> LaneState:
    """Read the present state of a lane."""
    lane = apps.get_model("ops", "Lane").objects.get(name=name)
    jobs = apps.get_model("ops", "Job").objects
    waiting = jobs.filter(lane=name, state="ready", parked_on=[])
    counted = F("attempts") - Case(When(state="running", started_at__isnull=False, then=1), default=0)
    unfinished = jobs.filter(lane=name, state__in=["ready", "running"]).annotate(counted=counted)
    sums = unfinished.aggregate(all=Sum("counted"), most=Max("counted"))
    return LaneState(
        waiting=waiting.count(),
        attempts=sums["all"] or 0,
        most_attempts=sums["most"] or 0,
        dead=jobs.filter(state="dead").count(),
        latest=_seconds_to(waiting.aggregate(at=Max("run_at"))["at"]),
        circuit=lane.circuit,
        open_for=_seconds_to(lane.open_until),
    )


def alerts_since(began: float) -> Mapping[tuple[str, str], int]:
    """Count the alerts that were opened since then, by kind and subject. Closed alerts count too."""
    opened = _alerts().filter(first_at__gte=datetime.fromtimestamp(began, timezone.get_default_timezone()))
    found: dict[tuple[str, str], int] = {}
    for kind, subject in opened.values_list("kind", "subject"):
        found[kind, subject] = found.get((kind, subject), 0) + 1
    return found


def circuit_opened_at(lane: str, since: float) -> float | None:
    """The time of the alert that the endpoint of the lane does not answer; None if there was none."""
    began = datetime.fromtimestamp(since, timezone.get_default_timezone())
    alert = (
        _alerts().filter(kind="circuit_open", subject=lane, first_at__gte=began).order_by("first_at").first()
    )
    return alert.first_at.timestamp() if alert else None


def _alerts() -> Any:
    return apps.get_model("ops", "Alert").objects


def _seconds_to(moment: datetime | None) -> float:
    return max(0.0, (moment - timezone.now()).total_seconds()) if moment else 0.0
