"""The scheduler of `celery beat`. It extends that of django-celery-beat, which reads the rows that staff change."""

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
"""This file is touched at least every five seconds. The health check of the container looks at its age."""

AGAIN_SECONDS = 1.0


class Entry(ModelEntry):  # type: ignore[misc]
    """A schedule that beat has read."""

    def save(self) -> None:
        """Write only the fields of beat. The library would write the whole old row, and so undo the changes of
        staff."""
        PeriodicTask.objects.filter(pk=self.model.pk).update(
            last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Follows changes within five seconds, and goes on after an outage of the database.

    It makes no rows and changes no interval. `migrate` makes the default rows.
    """

    Entry = Entry

    def setup_schedule(self) -> None:
        """Correct runs in the future, which a beat with a wrong clock noted. Nothing would be sent until then."""
        PeriodicTask.objects.filter(last_run_at__gt=Now()).update(last_run_at=Now())

    def enabled_models_qs(self) -> Any:
        """The schedules that are switched on, without those that this version does not know."""
        return (
            PeriodicTask.objects.enabled()
            .filter(name__in=SCHEDULES)
            .select_related("interval", "crontab", "solar", "clocked")
        )

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. Returns the seconds until the next call."""
        ALIVE.touch()
        try:
            return float(super().tick(*args, **kwargs))
        except (OperationalError, InterfaceError) as error:
            logger.warning("beat_without_database", error=type(error).__name__)
            connections.close_all()
            self._initial_read = True
            return AGAIN_SECONDS
