"""The filters of the list of jobs. Each answers a question of operators, and uses an index."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from ops.models import Job
from ops.workers import handlers

DAY = timedelta(days=1)


class SituationFilter(admin.SimpleListFilter):
    """The situation of jobs."""

    title = "situation"
    parameter_name = "situation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The situations, with their labels."""
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
        # A misspelt address finds nothing: it must not find all, because an action may follow.
        return queryset.none()


class AgeFilter(admin.SimpleListFilter):
    """The age of jobs: since their end for dead letters and done jobs, since their beginning for the others."""

    title = "since"
    parameter_name = "since"
    _ages = {
        "hour": ("the last hour", timedelta(hours=1), True),
        "day": ("the last 24 hours", DAY, True),
        "week": ("the last 7 days", 7 * DAY, True),
        "older": ("more than 7 days", 7 * DAY, False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The ages, with their labels."""
        return [(name, label) for name, (label, _, _) in self._ages.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs of the chosen age."""
        found = self._ages.get(self.value() or "")
        if found is None:
            return queryset.none() if self.value() else queryset
        _, span, younger = found
        comparison = "gte" if younger else "lt"
        ended = Q(**{f"finished_at__{comparison}": Now() - span})
        begun = Q(**{"finished_at": None, f"created_at__{comparison}": Now() - span})
        return queryset.filter(ended | begun)


class ErrorFilter(admin.SimpleListFilter):
    """The kind of error. There is no DISTINCT over the table, so all errors that are not listed are «anything else»."""

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
        """The error classes, with their labels."""
        named = [(name, f"{label} ({name})") for name, label in self._known.items()]
        return [*named, ("bug", "anything else: a bug")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs whose last run ended with the chosen error."""
        match self.value():
            case None | "":
                return queryset
            case "bug":
                return queryset.exclude(error_class__in=["", *self._known])
            case name:
                return queryset.filter(error_class=name)


class CauseFilter(admin.SimpleListFilter):
    """The causes that parked jobs wait for, by the first word of the park key."""

    title = "waits for"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Only the chosen cause. The front page links to this filter."""
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, chosen)] if chosen else []

    def has_output(self) -> bool:
        """Show the filter if a cause is chosen, so that it can be removed."""
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs that wait for the chosen cause."""
        if not self.value():
            return queryset
        parked = queryset.filter(state=Job.State.READY).exclude(parked_on=[])
        return parked.filter(parked_on__0__startswith=f"{self.value()}:")


class KindFilter(admin.SimpleListFilter):
    """The job kinds. They are read from the tasks, without a DISTINCT over the table."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All kinds that have a task. Without any, Django would drop the filter and show all jobs."""
        return [(kind, kind) for kind in handlers.kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset
