"""The scheduler that `celery beat` runs: django-celery-beat's, which reads the rows that staff change."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connections
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from wmsbridge.schedules.defaults import SCHEDULES

logger = structlog.get_logger(__name__)

ALIVE = Path(tempfile.gettempdir()) / "wmsbridge-beat"
"""Touched with every look at the clock, at least every five seconds: the container's health check asks its age."""

AGAIN_SECONDS = 1.0


class Entry(ModelEntry):  # type: ignore[misc]
    """A schedule that beat has read."""

    def save(self) -> None:
        """Only what is beat's. The library writes the whole row as it was a moment ago, over what staff change."""
        PeriodicTask.objects.filter(pk=self.model.pk).update(
            last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Takes up changes within five seconds, and outlives an outage of the database.

    Makes no rows and changes no interval: `migrate` makes the defaults.
    """

    Entry = Entry

    def setup_schedule(self) -> None:
        """A beat whose clock was ahead may have noted runs to come: they would keep this one silent until then."""
        PeriodicTask.objects.filter(last_run_at__gt=Now()).update(last_run_at=Now())

    def enabled_models_qs(self) -> Any:
        """All that are switched on, but for those that this version knows no more."""
        return (
            PeriodicTask.objects.enabled()
            .filter(name__in=SCHEDULES)
            .select_related("interval", "crontab", "solar", "clocked")
        )

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; returns the seconds until the next look."""
        ALIVE.touch()
        try:
            return float(super().tick(*args, **kwargs))
        except (OperationalError, InterfaceError) as error:
            logger.warning("beat_without_database", error=type(error).__name__)
            connections.close_all()
            self._initial_read = True
            return AGAIN_SECONDS
