"""Filters of the console's job list."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from ops.models import Job


class SituationFilter(admin.SimpleListFilter):
    """The operators' questions about jobs, each answered from an index."""

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
        return queryset


class KindFilter(admin.SimpleListFilter):
    """Job kinds, from the tasks that own them: no DISTINCT over the table."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every kind this installation has a task for."""
        kinds = sorted(name for name, task in current_app.tasks.items() if hasattr(task, "job_attempts"))
        return [(kind, kind) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset
