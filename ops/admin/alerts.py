"""The pages of alerts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from ops.admin.rows import ReadOnlyAdmin
from ops.alerting import alerts
from ops.models import Alert

MOST_AT_ONCE = 1000
"""One action closes at most this many alerts."""


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """The pages of alerts: what happened, what it means, what to do."""

    list_display = ["severity_label", "title", "kind", "subject", "first_at", "last_at", "count", "state"]
    list_display_links = ["title"]
    empty_words = {"state__exact=open": "No alert is open: nothing needs a person."}
    list_filter = ["state", "severity"]
    search_fields = ["kind__exact", "subject__startswith"]
    search_help_text = "A kind, or the beginning of a subject"
    actions = ["close"]
    change_form_outer_before_template = "admin/ops/alert_before.html"
    fieldsets = [
        (None, {"fields": ["title", "meaning", "action"]}),
        ("About", {"fields": ["shop", "kind", "subject", "severity", "state"]}),
        ("When", {"fields": ["first_at", "last_at", "count", "closed_at"]}),
    ]

    @display(description="Severity", label={"info": "info", "warning": "warning", "critical": "danger"})
    def severity_label(self, alert: Alert) -> str:
        """How urgent the alert is."""
        return alert.severity

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the button that closes the alert."""
        alert = kwargs.get("obj")
        is_open = isinstance(alert, Alert) and alert.state == Alert.State.OPEN
        context["may_close"] = is_open and self.has_operate_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    @action(description="Close: a person has seen to it", permissions=["operate"])
    def close(self, request: HttpRequest, chosen: QuerySet[Alert]) -> HttpResponse | None:
        """Close the chosen alerts. An alert opens again if its cause comes back."""
        still_open = list(chosen.filter(state=Alert.State.OPEN)[:MOST_AT_ONCE])
        with transaction.atomic():
            closed = sum(alerts.close_alerts([alert.kind], subjects=[alert.subject]) for alert in still_open)
            self.log(request, still_open, "Closed.")
        self.message_user(request, f"{closed} alerts closed.", messages.SUCCESS)
        if len(still_open) == MOST_AT_ONCE:
            self.message_user(request, "There may be more: do it again for the rest.", messages.WARNING)
        return self.back_to_page(request)
