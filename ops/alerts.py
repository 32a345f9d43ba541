"""What a person must know at once: what happened, what it means, what to do. One open alert per kind and subject."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from ops import channels, jobs
from ops.channels import Channel
from ops.masking import mask_text
from ops.models import Alert, Priority, Severity

logger = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(minutes=2)
"""For so long further incidents are gathered before people are told of them."""

_RAISE = """
INSERT INTO ops_alert (kind, subject, severity, title, meaning, action)
VALUES (%(kind)s, %(subject)s, %(severity)s, %(title)s, %(meaning)s, %(action)s)
ON CONFLICT (kind, subject) WHERE state = 'open' DO UPDATE
   SET count = ops_alert.count + 1, last_at = now(), severity = EXCLUDED.severity,
       title = EXCLUDED.title, meaning = EXCLUDED.meaning, action = EXCLUDED.action
RETURNING id, count
"""


@transaction.atomic(savepoint=False)
def raise_alert(
    kind: str,
    *,
    subject: str,
    title: str,
    meaning: str,
    action: str,
    severity: Severity = Severity.WARNING,
    again: bool = False,
) -> bool:
    """Open the alert of this kind and subject, or count it again when it is open already.

    Returns True when it is new; then its notification is enqueued for each channel, in the same transaction. `again`:
    each time is another incident, so that people hear of further ones too, in one message after AGAIN_AFTER.
    """
    row = {
        "kind": kind,
        "subject": subject[:300],
        "severity": str(severity),
        "title": mask_text(title)[:300],
        "meaning": mask_text(meaning),
        "action": mask_text(action),
    }
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, row)
        alert_id, count = cursor.fetchone()
    first = bool(count == 1)
    if first:
        logger.warning("alert_raised", alert=alert_id, kind=kind, subject=subject)
    if first or again:
        for channel in channels.configured():
            if channel.lane != subject:  # that a channel is away is not told by it
                _notify(alert_id, channel, again=not first)
    return first


def _notify(alert_id: int, channel: Channel, *, again: bool) -> None:
    jobs.enqueue(
        "ops.notify",
        key=f"notify:{alert_id}:{channel.name}{':again' if again else ''}",
        lane=channel.lane,
        payload={"alert": alert_id, "channel": channel.name},
        subject=f"alert:{alert_id}",
        priority=Priority.HIGH,
        delay=AGAIN_AFTER if again else timedelta(0),
        coalesce=again,
    )


def close_alert(kind: str, *, subject: str) -> bool:
    """Close the open alert of this kind and subject; False when there was none."""
    return close_alerts(kind, subjects=[subject]) > 0


def close_alerts(kind: str, *, subjects: Collection[str]) -> int:
    """Close the open alerts of this kind for the subjects; returns how many were open."""
    closed = Alert.objects.filter(
        kind=kind, subject__in=[s[:300] for s in subjects], state=Alert.State.OPEN
    ).update(state=Alert.State.CLOSED, closed_at=Now())
    if closed:
        logger.info("alerts_closed", kind=kind, count=closed)
    return closed
