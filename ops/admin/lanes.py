"""Lanes: one row per endpoint."""

from __future__ import annotations

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.decorators import display

from ops.admin.console import ConsoleAdmin
from ops.models import Lane
from ops.queue import depth, lanes


@admin.register(Lane)
class LaneAdmin(ConsoleAdmin):
    """One row per endpoint: pause it, or give it more or less room."""

    list_display = [
        "name",
        "circuit_state",
        "due",
        "running",
        "parked",
        "dead",
        "open_until",
        "concurrency",
        "paused",
    ]
    list_editable = ["concurrency", "paused"]
    list_filter = ["circuit", "paused"]
    search_fields = ["name"]
    ordering = ["name"]
    list_per_page = 100
    fields = ["name", "circuit", "failures", "open_until", "served_at", "concurrency", "paused"]
    readonly_fields = ["name", "circuit", "failures", "open_until", "served_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        """Depths are read once a page, in one statement."""
        self._depths: dict[str, depth.Depth] = depth.by_lane()
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Lanes come with the work."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Jobs hang on it."""
        return False

    def save_model(self, request: HttpRequest, obj: Lane, form: ModelForm[Lane], change: bool) -> None:
        """Write what a person may change and nothing else: the circuit moves meanwhile."""
        Lane.objects.filter(pk=obj.pk).update(concurrency=obj.concurrency, paused=obj.paused)
        transaction.on_commit(lambda: lanes.send_wakeup(obj.name))

    @display(description="Circuit", label={"closed": "success", "open": "danger", "half_open": "warning"})
    def circuit_state(self, lane: Lane) -> tuple[str, str]:
        """Closed, open or half open."""
        return lane.circuit, lane.circuit.replace("_", " ")

    @admin.display(description="Due")
    def due(self, lane: Lane) -> int:
        """Jobs that could run now."""
        return self._depths.get(lane.name, depth.Depth()).due

    @admin.display(description="Running")
    def running(self, lane: Lane) -> int:
        """Jobs that a worker has."""
        return self._depths.get(lane.name, depth.Depth()).running

    @admin.display(description="Parked")
    def parked(self, lane: Lane) -> int:
        """Jobs that wait for a cause to go."""
        return self._depths.get(lane.name, depth.Depth()).parked

    @admin.display(description="Dead letters")
    def dead(self, lane: Lane) -> int:
        """Jobs that wait for a person."""
        return self._depths.get(lane.name, depth.Depth()).dead
