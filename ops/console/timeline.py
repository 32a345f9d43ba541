"""The timeline of a thing: its jobs, their failed runs, its alerts, and what people did, in the order of time."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

from ops.models import Alert, Job, JobAttempt, Severity
from ops.text.masking import mask_text

MOST_JOBS = 100
MOST_ATTEMPTS = 200
MOST_ALERTS = 50
MOST_LOG_ENTRIES = 100


class Tone(enum.StrEnum):
    """Whether an entry is good or bad news. It is also the colour of the entry."""

    NEUTRAL = "neutral"
    GOOD = "success"
    CARE = "warning"
    BAD = "danger"


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `model` and `pk` name its row, e.g. "job" and 17. `model` is "" if it has no page."""

    at: datetime
    title: str
    detail: str
    status: str
    tone: Tone
    model: str
    pk: int


OUTCOME_TONES = {
    JobAttempt.Outcome.PERMANENT: Tone.BAD,
    JobAttempt.Outcome.BUG: Tone.BAD,
}
_SEVERITY_TONES = {Severity.INFO: Tone.NEUTRAL, Severity.WARNING: Tone.CARE, Severity.CRITICAL: Tone.BAD}


def timeline(subjects: Collection[str], *, rows: Iterable[Model] = ()) -> list[Entry]:
    """Jobs, failed runs and alerts about these subjects, and what people did with the rows and the jobs, oldest first.

    This takes four statements, for the newest 100 jobs, 200 runs, 50 alerts and 100 log entries.
    """
    wanted = list(subjects)
    jobs = list(Job.objects.filter(subject__in=wanted).defer("payload").order_by("-id")[:MOST_JOBS])
    kinds = {job.id: job.kind for job in jobs}
    attempts = JobAttempt.objects.filter(job_id__in=list(kinds)).order_by("-id")[:MOST_ATTEMPTS]
    alerts = Alert.objects.filter(subject__in=wanted).order_by("-id")[:MOST_ALERTS]
    entries = [entry for job in jobs for entry in _of_job(job)]
    entries += [_of_attempt(attempt, kinds[attempt.job_id]) for attempt in attempts]
    entries += [entry for alert in alerts for entry in _of_alert(alert)]
    entries += [_of_person(log) for log in _log_entries([*rows, *jobs])]
    return sorted(entries, key=lambda entry: entry.at)


def _of_job(job: Job) -> list[Entry]:
    """One entry for the request of the job, and one for its end, if it ended."""
    finished = job.finished_at is not None
    status, tone = ("asked for", Tone.NEUTRAL) if finished else _situation(job)
    detail = "" if finished else mask_text(job.error)
    entries = [Entry(job.created_at, job.kind, detail, status, tone, "job", job.id)]
    if job.finished_at is not None:
        dead = job.state == Job.State.DEAD
        status, tone = ("dead letter", Tone.BAD) if dead else ("done", Tone.GOOD)
        entries.append(Entry(job.finished_at, job.kind, mask_text(job.error), status, tone, "job", job.id))
    return entries


def _situation(job: Job) -> tuple[str, Tone]:
    """The situation of an unfinished job in words, and its tone."""
    if job.state == Job.State.RUNNING:
        return "running", Tone.NEUTRAL
    if job.parked_on:
        return f"parked since {job.parked_since:%Y-%m-%d %H:%M:%S}", Tone.CARE
    return ("waits to be tried again", Tone.CARE) if job.error_class else ("waits its turn", Tone.NEUTRAL)


def _of_attempt(attempt: JobAttempt, kind: str) -> Entry:
    outcome = JobAttempt.Outcome(attempt.outcome)
    tone = OUTCOME_TONES.get(outcome, Tone.CARE)
    detail = f"attempt {attempt.attempt}: {mask_text(attempt.error)}"
    return Entry(attempt.ended_at, kind, detail, str(outcome.label), tone, "job", attempt.job_id)


def _of_alert(alert: Alert) -> list[Entry]:
    tone = _SEVERITY_TONES[Severity(alert.severity)]
    entries = [Entry(alert.first_at, alert.title, alert.action, "alert", tone, "alert", alert.id)]
    if alert.closed_at is not None:
        entries.append(Entry(alert.closed_at, alert.title, "", "alert closed", Tone.GOOD, "alert", alert.id))
    return entries


def _log_entries(rows: Collection[Model]) -> list[LogEntry]:
    """The log entries about these rows, with one statement."""
    wanted = Q(pk__in=[])
    for model in {type(row) for row in rows}:
        content_type = ContentType.objects.get_for_model(model)
        wanted |= Q(content_type=content_type, object_id__in=[str(r.pk) for r in rows if type(r) is model])
    found = LogEntry.objects.filter(wanted).select_related("user").order_by("-id")
    return list(found[:MOST_LOG_ENTRIES])


def _of_person(log: LogEntry) -> Entry:
    title = f"{log.user.get_username()}: {log.get_change_message()}"
    is_job = log.content_type_id == ContentType.objects.get_for_model(Job).id
    detail, model = (log.object_repr, "job") if is_job else ("", "")
    return Entry(log.action_time, title, detail, "a person", Tone.NEUTRAL, model, int(log.object_id or 0))
