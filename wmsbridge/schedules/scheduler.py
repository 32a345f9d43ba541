"""The scheduler that `celery beat` runs: django-celery-beat's, which reads the rows that staff change."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

ALIVE = Path(tempfile.gettempdir()) / "wmsbridge-beat"
"""Touched with every look at the clock, at least every five seconds: the container's health check asks its age."""


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Takes up changes within five seconds. Makes no rows and changes no interval: `migrate` makes the defaults."""

    def setup_schedule(self) -> None:
        """A beat whose clock was ahead may have noted runs to come: they would keep this one silent until then."""
        PeriodicTask.objects.filter(last_run_at__gt=Now()).update(last_run_at=Now())

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; returns the seconds until the next look."""
        ALIVE.touch()
        return float(super().tick(*args, **kwargs))
