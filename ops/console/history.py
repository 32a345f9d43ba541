"""The history of one job: its failed runs, and what people did with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from ops.console.timeline import OUTCOME_TONES, Tone
from ops.models import Job, JobAttempt
from ops.text.masking import mask_text

MOST = 100


@dataclass(frozen=True)
class Event:
    """A failed run, or something that a person did. `began` and `took` are None if they are not known."""

    at: datetime
    what: str
    tone: Tone
    detail: str
    began: datetime | None = None
    took: timedelta | None = None
    attempt: int | None = None
    who: str = ""


def history(job: Job) -> list[Event]:
    """The failed runs, and what staff did, the oldest first. These are the newest 100 of each, read with two
    statements."""
    of_job = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Job), object_id=str(job.pk)
    )
    people = of_job.select_related("user").order_by("-id")[:MOST]
    runs = JobAttempt.objects.filter(job=job).order_by("-id")[:MOST]
    events = [_of_person(entry) for entry in people] + [_of_run(run) for run in runs]
    return sorted(events, key=lambda event: event.at)


def _of_person(entry: LogEntry) -> Event:
    return Event(
        at=entry.action_time,
        what=entry.get_change_message().rstrip("."),
        tone=Tone.NEUTRAL,
        detail="",
        who=entry.user.get_username(),
    )


def _of_run(run: JobAttempt) -> Event:
    """The event of a failed run. Its duration is not known if no worker began it."""
    outcome = JobAttempt.Outcome(run.outcome)
    return Event(
        at=run.ended_at,
        what=str(outcome.label),
        tone=OUTCOME_TONES.get(outcome, Tone.CARE),
        detail=f"{run.error_class}: {mask_text(run.error)}".rstrip(": "),
        began=run.started_at,
        took=run.ended_at - run.started_at if run.started_at else None,
        attempt=run.attempt,
    )
