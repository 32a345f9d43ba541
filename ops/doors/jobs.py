"""The job kind that watches senders that give the same id to several events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.doors.refusals import Door
from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from ops.refs import LaneName, sender_subject


@dataclass(frozen=True)
class IdsReusedPayload:
    """The last event that came with the id of another event."""

    door: Door
    sender: str
    event_id: str
    lane: LaneName
    at: datetime


IDS_REUSED = JobKind(
    "ops.ids_reused",
    IdsReusedPayload,
    queue=Queue.MAINTENANCE,
    work="alert staff to a sender that gives several events one id",
    if_dead="The events are processed, but nobody is alerted.",
)


def report_reused_ids(event: IdsReusedPayload, *, delay: timedelta) -> None:
    """Enqueue the job that raises or closes the alert about a sender. There is one job per sender, in its lane."""
    IDS_REUSED.new(
        event,
        key=f"ids-reused:{event.door}:{event.sender}",
        lane=event.lane,
        subject=sender_subject(event.door, event.sender),
        delay=delay,
    ).enqueue()
