"""The pages of jobs. Dead letters are read and replayed here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action, display

from ops.admin.rows import ReadOnlyAdmin, as_json
from ops.console.history import history
from ops.console.list_filters import AgeFilter, CauseFilter, ErrorFilter, KindFilter, SituationFilter
from ops.models import Job
from ops.queue import dead_letters, jobs, subjects
from ops.queue.dead_letters import SECONDS_OF_A_REQUEST
from ops.text.masking import mask_personal, mask_text

MOST_WOKEN = 5000
MOST_COUNTED = 100_000


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """The pages of jobs. Dead letters are read and replayed here."""

    list_display = ["situation", "since", "about", "kind", "why", "attempts", "lane_name"]
    list_display_links = ["situation", "about"]
    only_on_page = ["payload"]
    empty_words = {"situation=dead": "There are no dead letters: nothing waits for a person."}
    list_filter = [SituationFilter, AgeFilter, ErrorFilter, CauseFilter, "lane", KindFilter]
    search_fields = ["key__startswith", "subject__startswith"]
    search_help_text = "The beginning of a key or a subject, e.g. order:1:5000000000001"
    actions = ["replay", "wake_parked", "discard"]
    list_before_template = "admin/ops/dead_letters.html"
    change_form_outer_before_template = "admin/ops/job_before.html"
    change_form_outer_after_template = "admin/ops/job_after.html"
    fieldsets = [
        (None, {"fields": [("situation", "kind"), ("subject", "lane"), ("key", "priority")]}),
        ("Why", {"fields": [("error_class", "error_text"), ("parked_on", "parked_since")]}),
        ("When", {"fields": [("created_at", "run_at"), ("started_at", "finished_at"), "attempts"]}),
        ("Payload (personal data masked)", {"fields": ["masked_payload"]}),
    ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Add the names of the subjects of the jobs on the page."""
        found = super().get_changelist_instance(request)
        named = subjects.names_of({job.subject for job in found.result_list})
        for job in found.result_list:
            job.about = named.get(job.subject, job.subject)
        return found

    @admin.display(description="About", ordering="subject")
    def about(self, job: Job) -> str:
        """The name of the subject, as staff know it."""
        return str(getattr(job, "about", job.subject))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Add to a list of dead letters how many match, and a button that replays all of them."""
        answer = super().changelist_view(request, extra_context)
        found = getattr(answer, "context_data", None) or {}
        if "cl" in found and request.GET.get(SituationFilter.parameter_name) == "dead":
            matching = found["cl"].queryset.order_by().values("pk")[: MOST_COUNTED + 1].count()
            found |= {"matching": matching, "may_replay": self.has_operate_permission(request)}
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the history of the job, and the buttons."""
        job = kwargs.get("obj")
        if isinstance(job, Job):
            context |= {"tried": history(job), "buttons": self._buttons(request, job)}
            context |= {"job": job, "reason": mask_text(job.error)}
        return super().render_change_form(request, context, *args, **kwargs)

    def _buttons(self, request: HttpRequest, job: Job) -> list[tuple[str, str]]:
        """The actions that this user can take with the job in its present state."""
        if not self.has_operate_permission(request):
            return []
        if job.state == Job.State.DEAD:
            return [("replay", "Replay"), ("discard", "Discard")]
        return [("wake_parked", "Look again now"), ("discard", "Discard")] if job.parked_on else []

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
        """The situation of the job, in the words of the filter."""
        if job.state != Job.State.READY:
            return str(Job.State(job.state).label)
        if job.parked_on:
            return "parked"
        return "to be tried again" if job.error_class else "waits its turn"

    @admin.display(description="Lane", ordering="lane_id")
    def lane_name(self, job: Job) -> str:
        """The name of the lane, without reading its row."""
        return job.lane_id

    @admin.display(description="Since / due", ordering="run_at")
    def since(self, job: Job) -> Any:
        """The time at which it ended, was parked, or is due."""
        return job.finished_at or job.parked_since or job.run_at

    @admin.display(description="Reason")
    def why(self, job: Job) -> str:
        """The beginning of the error or of the cause."""
        text = mask_text(job.error)
        return text if len(text) <= 160 else text[:159] + "…"

    @admin.display(description="Error")
    def error_text(self, job: Job) -> str:
        """The error, with personal data masked."""
        return mask_text(job.error)

    @admin.display(description="Payload")
    def masked_payload(self, job: Job) -> str:
        """The payload as JSON, masked."""
        return as_json(mask_personal(job.payload))

    @action(description="Replay: dead letters become due again", permissions=["operate"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Job]) -> HttpResponse | None:
        """Make the chosen dead letters due. This is safe, because the handlers look before they act."""
        done = dead_letters.replay_chosen(chosen, by=request.user.pk, seconds=SECONDS_OF_A_REQUEST)
        self._say(request, done, "dead letters replayed")
        return self.back_to_page(request)

    @action(description="Wake: parked jobs look at their cause again", permissions=["operate"])
    def wake_parked(self, request: HttpRequest, chosen: QuerySet[Job]) -> HttpResponse | None:
        """Wake the chosen jobs, and all jobs that wait for the same causes. A job that is still blocked parks again."""
        waiting = chosen.filter(state=Job.State.READY).exclude(parked_on=[])
        parked = list(waiting.defer("payload")[:MOST_WOKEN])
        with transaction.atomic():
            self.log(request, parked, "Woken.")
            woken = jobs.wake(*{key for job in parked for key in job.parked_on})
        self.message_user(request, f"{woken} parked jobs look again.", messages.SUCCESS)
        return self.back_to_page(request)

    @action(description="Discard: dead letters and parked jobs are not to be done", permissions=["operate"])
    def discard(self, request: HttpRequest, chosen: QuerySet[Job]) -> HttpResponse | None:
        """Discard jobs whose work a person did by hand, or nobody needs. Running and waiting jobs stay as they are.

        This asks first, because a discarded job cannot be brought back.
        """
        if "sure" not in request.POST:
            return self._ask(request, chosen)
        done = dead_letters.discard_chosen(chosen, by=int(str(request.user.pk)), seconds=SECONDS_OF_A_REQUEST)
        self._say(request, done, "jobs discarded")
        return self.back_to_page(request)

    def _ask(self, request: HttpRequest, chosen: QuerySet[Job]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Discard jobs",
            "opts": self.opts,
            "posted": [(name, value) for name, values in request.POST.lists() for value in values],
            "examples": list(chosen.order_by("id")[:20]),
            "matching": chosen.order_by().values("pk")[: MOST_COUNTED + 1].count(),
        }
        return TemplateResponse(request, "admin/ops/discard.html", context)

    def _say(self, request: HttpRequest, done: dead_letters.Done, what: str) -> None:
        self.message_user(request, f"{done.count} {what}.", messages.SUCCESS)
        if done.more:
            rest = "There are more: do it again for the rest, or use «manage.py replay» for very many."
            self.message_user(request, rest, messages.WARNING)
