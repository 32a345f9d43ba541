"""Filters of the console's job list: the operators' questions, each answered from an index."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from ops.models import Job
from ops.workers import dispatch

DAY = timedelta(days=1)


class SituationFilter(admin.SimpleListFilter):
    """Where jobs stand."""

    title = "situation"
    parameter_name = "situation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Question and answer."""
        return [
            ("dead", "dead letters"),
            ("due", "due now"),
            ("parked", "parked"),
            ("again", "to be tried again"),
            ("running", "running"),
            ("done", "done"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs in the chosen situation."""
        ready = queryset.filter(state=Job.State.READY)
        match self.value():
            case "due":
                return ready.filter(parked_on=[], run_at__lte=Now())
            case "parked":
                return ready.exclude(parked_on=[])
            case "again":
                return ready.filter(parked_on=[]).exclude(error_class="")
            case "dead" | "running" | "done" as state:
                return queryset.filter(state=state)
            case None | "":
                return queryset
        return (
            queryset.none()
        )  # what is mistyped in an address chooses nothing: an action may follow on what is shown


class AgeFilter(admin.SimpleListFilter):
    """Since when: dead letters and done jobs by their end, the others by their beginning."""

    title = "since"
    parameter_name = "since"
    _ages = {
        "hour": ("the last hour", timedelta(hours=1), True),
        "day": ("the last 24 hours", DAY, True),
        "week": ("the last 7 days", 7 * DAY, True),
        "older": ("more than 7 days", 7 * DAY, False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Spans of time."""
        return [(name, label) for name, (label, _, _) in self._ages.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs of that age."""
        found = self._ages.get(self.value() or "")
        if found is None:
            return queryset.none() if self.value() else queryset
        _, span, younger = found
        comparison = "gte" if younger else "lt"
        ended = Q(**{f"finished_at__{comparison}": Now() - span})
        begun = Q(**{"finished_at": None, f"created_at__{comparison}": Now() - span})
        return queryset.filter(ended | begun)


class ErrorFilter(admin.SimpleListFilter):
    """What kind of error: no DISTINCT over the table, so what no list can name is «anything else»."""

    title = "error"
    parameter_name = "error"
    _known = {
        "Permanent": "refused for good",
        "UnknownOutcome": "outcome unknown",
        "Transient": "attempts used up",
        "WorkerLost": "its worker died",
        "NoOwner": "no worker knows the kind",
        "Blocked": "blocked",
        "Throttled": "told to wait",
        "Discarded": "discarded",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Error classes."""
        named = [(name, f"{label} ({name})") for name, label in self._known.items()]
        return [*named, ("bug", "anything else: a bug")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs whose last run ended so."""
        match self.value():
            case None | "":
                return queryset
            case "bug":
                return queryset.exclude(error_class__in=["", *self._known])
            case name:
                return queryset.filter(error_class=name)


class CauseFilter(admin.SimpleListFilter):
    """What parked jobs wait for, by the first word of the key of the cause."""

    title = "waits for"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The chosen cause only: the front page leads here."""
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, chosen)] if chosen else []

    def has_output(self) -> bool:
        """Chosen or not, so that the choice can be taken back."""
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs that wait for such a cause."""
        if not self.value():
            return queryset
        parked = queryset.filter(state=Job.State.READY).exclude(parked_on=[])
        return parked.filter(parked_on__0__startswith=f"{self.value()}:")


class KindFilter(admin.SimpleListFilter):
    """Job kinds, from the tasks that own them: no DISTINCT over the table."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every kind this installation has a task for. None would have the choice dropped: all jobs would be shown."""
        return [(kind, kind) for kind in dispatch.kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset
