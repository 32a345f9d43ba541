"""Describes jobs in plain words: what their work is, what it means if they are dead, and what to do then."""

from __future__ import annotations

from dataclasses import dataclass

from ops.models import Job
from ops.workers import handlers

UNKNOWN_WORK = "do something that this installation does not know"

HAPPENED = {
    "Permanent": "It was refused for good: trying the same again would be refused again.",
    "Transient": "It failed again and again until its attempts were used up.",
    "UnknownOutcome": "Its answers got lost again and again until its attempts were used up.",
    "WorkerLost": "Each time, the worker that ran it died or was killed.",
    "NoOwner": "The worker that got it does not know this kind of job.",
}
TO_DO = {
    "Permanent": "Remove the cause that the reason names, then replay it.",
    "Transient": "See that the other system answers again, then replay it.",
    "UnknownOutcome": "See that the other system answers again, then replay it: it looks before it acts.",
    "WorkerLost": "Look at the worker's logs and its memory before you replay it: it would kill the next worker too.",
    "NoOwner": "Is an old version still running? Once all workers are updated, replay it.",
}
BUG_HAPPENED = "It met an error that nobody expected: a fault of wmsbridge, or data that it cannot take."
BUG_TO_DO = "Tell the engineers: the logs have the event «job_bug» with this job's number. Replay it once it is mended."


@dataclass(frozen=True)
class DeadLetter:
    """The description of a dead letter: what happened, what it means, what to do."""

    happened: str
    meaning: str
    action: str


def work_of(kind: str) -> str:
    """What jobs of this kind do. It completes the sentence «Its work is to …»."""
    known = handlers.kind_named(kind)
    return known.work if known else UNKNOWN_WORK


def dead_letter(job: Job) -> DeadLetter:
    """Describe a dead job for people who do not know the code."""
    known = handlers.kind_named(job.kind)
    what_then, remedy = TO_DO.get(job.error_class, BUG_TO_DO), ""
    if known and job.error_class == "Permanent":
        remedy = known.remedy
        what_then = what_then if known.replay_helps else ""
    return DeadLetter(
        happened=f"Its work is to {work_of(job.kind)}. {HAPPENED.get(job.error_class, BUG_HAPPENED)}",
        meaning=known.if_dead if known else "It stays undone.",
        action=f"{remedy} {what_then}".strip(),
    )
