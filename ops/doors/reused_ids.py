"""Alerts staff to a sender that gives one id to several events. The alert closes after a day without such an event."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ops.alerting import own_alerts
from ops.doors.jobs import IdsReusedPayload, report_reused_ids
from ops.doors.refusals import Door
from ops.refs import LaneName, Subject, sender_subject

GATHERED_FOR = timedelta(minutes=1)
"""The alert is updated at most this often, however many such events come."""

QUIET_AFTER = timedelta(days=1)

_ACTION = {
    Door.WMS: "Ask the vendor to give each event an id of its own, and the same one only when it sends the same event "
    "once more.",
    Door.SHOPIFY: "Shopify does not do this by itself. Find out what stands between Shopify and us (a relay, an "
    "integration that sends webhooks again) and have it leave ids, topics and bodies as they are. If nothing does, "
    "replace the app's client secret in Shopify and here: somebody may send what is not Shopify's.",
}


def report_reuse(door: Door, sender: str, *, event_id: str, lane: LaneName) -> None:
    """Note that an event came with the id of another one. This is one statement in the caller's transaction; a job does
    the rest."""
    report_reused_ids(IdsReusedPayload(door, sender, event_id, lane, at=timezone.now()), delay=GATHERED_FOR)


def update_alert(last: IdsReusedPayload) -> None:
    """Raise the alert about the last such event of a sender. If that was a day ago, close it."""
    subject = sender_subject(last.door, last.sender)
    quiet_for = timezone.now() - last.at
    with transaction.atomic():
        if quiet_for >= QUIET_AFTER:
            own_alerts.EVENT_IDS_REUSED.close(subject)
            return
        _report(last, subject=subject)
        report_reused_ids(last, delay=QUIET_AFTER - quiet_for)


def _report(last: IdsReusedPayload, *, subject: Subject) -> None:
    own_alerts.event_ids_reused(
        subject,
        sender=last.sender,
        shop=last.sender if last.door == Door.SHOPIFY else None,
        sent=last.door.sent,
        event_id=last.event_id,
        at=last.at,
        action=_ACTION[last.door],
    )
