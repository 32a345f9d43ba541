"""The console's view of jobs, lanes and alerts. Nothing here calls another system: actions only enqueue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from ops import alerts, depth, jobs, lanes
from ops.list_filters import KindFilter, SituationFilter
from ops.masking import mask_personal
from ops.models import Alert, Job, JobAttempt, Lane

MOST_AT_ONCE = 5000
"""Jobs that one action takes; `manage.py replay` has no such bound."""


class ReadOnlyAdmin(ModelAdmin):
    """Rows that machines write: nobody adds, edits or deletes them here. Never counts a big table."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody; those who may change the model may use its actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Who may use the actions: whoever was given the model's change permission."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def log(self, request: HttpRequest, chosen: Iterable[Model], message: str) -> None:
        """Leave a log entry for each."""
        LogEntry.objects.log_actions(int(str(request.user.pk)), list(chosen), CHANGE, change_message=message)


class AttemptInline(TabularInline):
    """Failed runs of the job, newest first."""

    model = JobAttempt
    verbose_name_plural = "history of failed runs"
    fields = readonly_fields = ["ended_at", "attempt", "outcome", "error_class", "error"]
    per_page = 20
    extra = 0
    can_delete = False
    tab = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Everything that came in and must go out; dead letters are replayed here."""

    list_display = ["situation", "since", "subject", "kind", "why", "attempts", "lane_name"]
    list_display_links = ["situation", "subject"]
    list_filter = [SituationFilter, KindFilter, "lane"]
    search_fields = ["key__startswith", "subject__startswith"]
    search_help_text = "The beginning of a key or a subject, e.g. order:1:5000000000001"
    inlines = [AttemptInline]
    actions = ["replay", "wake_parked", "discard"]
    fieldsets = [
        (None, {"fields": ["situation", "kind", "subject", "lane", "key", "priority"]}),
        ("Why", {"fields": ["error_class", "error", "parked_on", "parked_since"]}),
        ("When", {"fields": ["created_at", "run_at", "started_at", "finished_at", "attempts"]}),
        ("Payload (personal data masked)", {"fields": ["masked_payload"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Without payloads in the list."""
        jobs_of_all = super().get_queryset(request)
        wants_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return jobs_of_all if wants_one else jobs_of_all.defer("payload")

    @display(
        description="Situation",
        label={
            "dead letter": "danger",
            "parked": "warning",
            "to be tried again": "warning",
            "running": "info",
            "done": "success",
        },
    )
    def situation(self, job: Job) -> str:
        """Where it stands, in the words of the filter."""
        if job.state != Job.State.READY:
            return str(Job.State(job.state).label)
        if job.parked_on:
            return "parked"
        return "to be tried again" if job.error_class else "waits its turn"

    @admin.display(description="Lane", ordering="lane_id")
    def lane_name(self, job: Job) -> str:
        """Its lane, without reading the lane."""
        return job.lane_id

    @admin.display(description="Since / due", ordering="run_at")
    def since(self, job: Job) -> Any:
        """When it ended, parked, or is due."""
        return job.finished_at or job.parked_since or job.run_at

    @admin.display(description="Reason")
    def why(self, job: Job) -> str:
        """The error or the cause, short."""
        return job.error if len(job.error) <= 160 else job.error[:159] + "…"

    @admin.display(description="Payload")
    def masked_payload(self, job: Job) -> str:
        """The payload as JSON, masked."""
        text = json.dumps(mask_personal(job.payload), indent=2, ensure_ascii=False)
        return format_html('<pre class="max-h-96 overflow-auto text-xs whitespace-pre-wrap">{}</pre>', text)

    @action(description="Replay: dead letters become due again", permissions=["operate"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Job]) -> None:
        """Only enqueues: the handlers look before they act, as ever."""
        dead = list(chosen.filter(state=Job.State.DEAD).defer("payload").order_by("id")[:MOST_AT_ONCE])
        with transaction.atomic():
            replayed = jobs.replay(job.id for job in dead)
            self.log(request, dead, "Replayed.")
        self.message_user(request, f"{replayed} dead letters replayed.", messages.SUCCESS)

    @action(description="Wake: parked jobs look at their cause again", permissions=["operate"])
    def wake_parked(self, request: HttpRequest, chosen: QuerySet[Job]) -> None:
        """Everything that waits for the same causes wakes with them; what still is blocked parks again."""
        waiting = chosen.filter(state=Job.State.READY).exclude(parked_on=[])
        parked = list(waiting.defer("payload")[:MOST_AT_ONCE])
        with transaction.atomic():
            self.log(request, parked, "Woken.")
            woken = jobs.wake(*{key for job in parked for key in job.parked_on})
        self.message_user(request, f"{woken} parked jobs look again.", messages.SUCCESS)

    @action(description="Discard: dead letters and parked jobs are not to be done", permissions=["operate"])
    def discard(self, request: HttpRequest, chosen: QuerySet[Job]) -> None:
        """For what a person did by hand, or what nobody needs; running and waiting jobs are left alone."""
        given_up = list(chosen.defer("payload").order_by("id")[:MOST_AT_ONCE])
        with transaction.atomic():
            discarded = jobs.discard(job.id for job in given_up)
            self.log(request, given_up, "Discarded.")
        self.message_user(request, f"{discarded} jobs discarded.", messages.SUCCESS)


@admin.register(Lane)
class LaneAdmin(ModelAdmin):
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
        transaction.on_commit(lambda: lanes.wake(obj.name))

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


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What happened, what it means, what to do."""

    list_display = ["severity_label", "title", "kind", "subject", "count", "first_at", "last_at", "state"]
    list_display_links = ["title"]
    list_filter = ["state", "severity"]
    search_fields = ["kind__exact", "subject__startswith"]
    search_help_text = "A kind, or the beginning of a subject"
    actions = ["close"]
    fieldsets = [
        (None, {"fields": ["title", "meaning", "action"]}),
        ("About", {"fields": ["kind", "subject", "severity", "state"]}),
        ("When", {"fields": ["count", "first_at", "last_at", "closed_at"]}),
    ]

    @display(description="Severity", label={"info": "info", "warning": "warning", "critical": "danger"})
    def severity_label(self, alert: Alert) -> str:
        """How urgent it is."""
        return alert.severity

    @action(description="Close: a person has seen to it", permissions=["operate"])
    def close(self, request: HttpRequest, chosen: QuerySet[Alert]) -> None:
        """It opens again when its cause comes back."""
        still_open = list(chosen.filter(state=Alert.State.OPEN)[:MOST_AT_ONCE])
        with transaction.atomic():
            closed = sum(alerts.close_alert(alert.kind, subject=alert.subject) for alert in still_open)
            self.log(request, still_open, "Closed.")
        self.message_user(request, f"{closed} alerts closed.", messages.SUCCESS)
