"""The page of schedules. Staff change an interval, or switch a schedule off; beat follows within seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from ops.admin import ConsoleAdmin
from ops.models import ScheduledRun
from wmsbridge.schedules import rows
from wmsbridge.schedules.defaults import SCHEDULES, message_kept

for model in (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form for an interval with a unit, within the bounds of the schedule."""

    every = forms.IntegerField(min_value=1, max_value=100_000, widget=UnfoldAdminIntegerFieldWidget)
    unit = forms.ChoiceField(
        choices=[(period, period) for period in reversed(rows.UNITS.values())], widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = PeriodicTask
        fields = ["enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        number, unit = rows.in_units(rows.seconds_of(self.instance))
        self.initial.update(every=number, unit=unit)
        if self.fields.keys() >= {"every", "enabled"}:  # the form of a viewer does not have them
            self.fields["every"].help_text = _bounds(self.instance.name)
            self.fields["enabled"].label = "On"
            self.fields["enabled"].help_text = "Switched off, it does not run, and an alert says so."

    def clean(self) -> dict[str, Any]:
        """Refuse an interval outside the bounds. Too long does harm, and too short makes runs delay each other."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "every" in cleaned and "unit" in cleaned:
            seconds = int(timedelta(**{cleaned["unit"]: cleaned["every"]}).total_seconds())
            schedule = SCHEDULES[self.instance.name]
            if not schedule.least <= seconds <= schedule.most:
                raise forms.ValidationError({"every": _bounds(self.instance.name)})
            self.instance.interval = rows.interval_of(seconds)
            self.instance.crontab = self.instance.solar = self.instance.clocked = None
            self.instance.expire_seconds = message_kept(seconds)
        return cleaned


@admin.register(PeriodicTask)
class ScheduleAdmin(ConsoleAdmin):
    """The page of schedules. `migrate` makes the rows; nobody adds or deletes one."""

    form = ScheduleForm
    switched_off_instead = True
    list_display = ["name", "work", "how_often", "standing", "ran_at"]
    ordering = ["name"]
    readonly_fields = ["called", "work", "without", "ran_at"]
    fieldsets = [
        (None, {"fields": ["called", "work", "without", "ran_at"]}),
        ("How often (taken up within seconds)", {"fields": [("every", "unit"), "enabled"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody can add one, because the product defines the schedules."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """The schedules of the product, each with its interval and its last run."""
        runs = ScheduledRun.objects.filter(task=OuterRef("name"))
        schedules = super().get_queryset(request).filter(name__in=SCHEDULES).select_related("interval")
        return schedules.annotate(run_at=Subquery(runs.values("ran_at")[:1]))

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        """Save it. From now on it is measured whether the schedule is late."""
        super().save_model(request, obj, form, change)
        rows.expect_anew([obj.name])

    @admin.display(description="Name")
    def called(self, row: PeriodicTask) -> str:
        """The name of the task."""
        return str(row.name)

    @admin.display(description="It is to")
    def work(self, row: PeriodicTask) -> str:
        """What the task does."""
        return SCHEDULES[row.name].work

    @admin.display(description="Without it")
    def without(self, row: PeriodicTask) -> str:
        """What happens if the task does not run."""
        return SCHEDULES[row.name].without

    @admin.display(description="Every")
    def how_often(self, row: PeriodicTask) -> str:
        """The interval in words."""
        return str(row.scheduler) if row.interval is None else rows.in_words(rows.seconds_of(row))

    @display(description="State", label={"on": "success", "switched off": "warning"})
    def standing(self, row: PeriodicTask) -> str:
        """Whether it is on."""
        return "on" if row.enabled else "switched off"

    @admin.display(description="Last run that ended well")
    def ran_at(self, row: Any) -> Any:
        """The time of the last run that ended well, to ten seconds."""
        return row.run_at or "not yet"


def _bounds(name: str) -> str:
    """The bounds of the interval, and the reason for them."""
    if name not in SCHEDULES:
        return ""
    schedule = SCHEDULES[name]
    least, most = rows.in_words(schedule.least), rows.in_words(schedule.most)
    return f"From {least} to {most}. More often it would be in its own way; more seldom: {schedule.without}"
