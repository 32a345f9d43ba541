"""A sender that gives one id to several events: staff are told once per sender, until a day passes without one."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ops.alerting.alerts import close_alert, raise_alert
from ops.doors.jobs import IdsReusedPayload, report_reused_ids
from ops.doors.refusals import Door

KIND = "event_ids_reused"

GATHERED_FOR = timedelta(minutes=1)
"""However many such events come, staff's alert is seen to this often at most."""

QUIET_AFTER = timedelta(days=1)

_ACTION = {
    Door.WMS: "Ask the vendor to give each event an id of its own, and the same one only when it sends the same event "
    "once more.",
    Door.SHOPIFY: "Shopify does not do this by itself. Find out what stands between Shopify and us (a relay, an "
    "integration that sends webhooks again) and have it leave ids, topics and bodies as they are. If nothing does, "
    "replace the app's client secret in Shopify and here: somebody may send what is not Shopify's.",
}


def noticed(door: Door, sender: str, *, event_id: str, lane: str) -> None:
    """An event came with the id of another one. In the caller's transaction: one statement, the rest is a job's."""
    report_reused_ids(IdsReusedPayload(door, sender, event_id, lane, at=timezone.now()), delay=GATHERED_FOR)


def look(last: IdsReusedPayload) -> None:
    """Tell staff of the last such event of a sender; when that is a day ago, close the alert."""
    subject = f"{last.door}:{last.sender}"
    quiet_for = timezone.now() - last.at
    with transaction.atomic():
        if quiet_for >= QUIET_AFTER:
            close_alert(KIND, subject=subject)
            return
        _report(last, subject=subject)
        report_reused_ids(last, delay=QUIET_AFTER - quiet_for)


def _report(last: IdsReusedPayload, *, subject: str) -> None:
    door, sender, sent = last.door, last.sender, last.door.sent
    raise_alert(
        KIND,
        subject=subject,
        shop=sender if door == Door.SHOPIFY else "",
        cause=last.at.isoformat(),
        title=f"{sender} does not number its {sent}: different ones come with the same id",
        meaning=f"The id {last.event_id} came again with another type or other content, so it says nothing about what "
        f"is a repetition. Nothing is lost: each of these {sent} was taken as one of its own, and what is the same in "
        "type and content is still worked on once.",
        action=f"{_ACTION[door]} This alert closes by itself after a day without another one.",
    )
