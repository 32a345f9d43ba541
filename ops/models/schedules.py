"""When scheduled tasks last ended well."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class ScheduledRun(models.Model):
    """When a task that beat schedules last ended well."""

    task = models.CharField(max_length=200, primary_key=True, help_text="The schedule is of this task.")
    expected_since = models.DateTimeField(
        db_default=Now(),
        help_text="The task is scheduled as it is now since this time; its first run is due one interval later.",
    )
    ran_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The task last ended well at this time, to ten seconds; it is empty before the first run.",
    )

    def __str__(self) -> str:
        return self.task
