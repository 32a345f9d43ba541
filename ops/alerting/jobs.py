"""The job kind that sends alerts to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ops.alerting import channels
from ops.alerting.channels import Channel
from ops.models import Priority
from ops.queue.kinds import AT_ONCE, JobKind
from ops.queue.queues import Queue
from ops.refs import alert_subject

AGAIN_AFTER = timedelta(minutes=2)
"""Further occurrences of an open alert are collected for this long before people get a message."""


@dataclass(frozen=True)
class NotifyPayload:
    """An alert, and the name of the channel that sends it."""

    alert: int
    channel: str = channels.MAIL


NOTIFY = JobKind(
    "ops.notify",
    NotifyPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.HIGH,
    attempts=6,
    batch_size=40,  # their full texts have some 20,000 characters, which every channel accepts in one message
    work="send an alert to people",
    if_dead="The alert is in the console, but nobody got a message about it.",
    remedy="Look at the alert itself.",
)


def notify(alert: int, channel: Channel, *, again: bool) -> None:
    """Enqueue the message about an alert. `again` is for further occurrences, which are collected for a while."""
    NOTIFY.new(
        NotifyPayload(alert, channel.name),
        key=f"notify:{alert}:{channel.name}{':again' if again else ''}",
        lane=channel.lane,
        subject=alert_subject(alert),
        delay=AGAIN_AFTER if again else AT_ONCE,
    ).enqueue()
