"""The pages of lanes."""

from __future__ import annotations

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.decorators import display

from ops.admin.console import ConsoleAdmin
from ops.models import Lane
from ops.queue import depth
from ops.workers import dispatch


@admin.register(Lane)
class LaneAdmin(ConsoleAdmin):
    """The pages of lanes. Staff can pause a lane, or change its concurrency."""

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
        """Read the depths of all lanes once per page, with one statement."""
        self._depths: dict[str, depth.Depth] = depth.by_lane()
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody can add a lane: the first job in it makes it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody can delete a lane, because it has jobs."""
        return False

    def save_model(self, request: HttpRequest, obj: Lane, form: ModelForm[Lane], change: bool) -> None:
        """Write only the fields that a person may change, because the circuit may change meanwhile."""
        Lane.objects.filter(pk=obj.pk).update(concurrency=obj.concurrency, paused=obj.paused)
        transaction.on_commit(lambda: dispatch.announce(obj.name))

    @display(description="Circuit", label={"closed": "success", "open": "danger", "half_open": "warning"})
    def circuit_state(self, lane: Lane) -> tuple[str, str]:
        """The state of the circuit: closed, open or half open."""
        return lane.circuit, lane.circuit.replace("_", " ")

    @admin.display(description="Due")
    def due(self, lane: Lane) -> int:
        """The number of jobs that may run now."""
        return self._depths.get(lane.name, depth.Depth()).due

    @admin.display(description="Running")
    def running(self, lane: Lane) -> int:
        """The number of jobs that a worker has."""
        return self._depths.get(lane.name, depth.Depth()).running

    @admin.display(description="Parked")
    def parked(self, lane: Lane) -> int:
        """The number of parked jobs."""
        return self._depths.get(lane.name, depth.Depth()).parked

    @admin.display(description="Dead letters")
    def dead(self, lane: Lane) -> int:
        """The number of dead letters."""
        return self._depths.get(lane.name, depth.Depth()).dead
