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
"""For so long further incidents of an open alert are gathered before people hear of them."""


@dataclass(frozen=True)
class NotifyPayload:
    """An alert, and the name of the channel that it goes out by."""

    alert: int
    channel: str = channels.MAIL


NOTIFY = JobKind(
    "ops.notify",
    NotifyPayload,
    queue=Queue.MAINTENANCE,
    priority=Priority.HIGH,
    attempts=6,
    batch_size=40,  # with their full texts some 20,000 characters, which every channel takes in one message
    work="send an alert to people",
    if_dead="It is in the console; nobody was told of it.",
    remedy="Look at the alert itself.",
)


def notify(alert: int, channel: Channel, *, again: bool) -> None:
    """Have an alert sent; `again` for further incidents, which are gathered for a while."""
    NOTIFY.enqueue(
        NotifyPayload(alert, channel.name),
        key=f"notify:{alert}:{channel.name}{':again' if again else ''}",
        lane=channel.lane,
        subject=alert_subject(alert),
        delay=AGAIN_AFTER if again else AT_ONCE,
    )
