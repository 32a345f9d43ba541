"""The alerts of ops: dead letters, endpoints that are down, messages that cannot be sent."""

from __future__ import annotations

from datetime import datetime

from ops.alerting.kinds import AlertKind, Closes
from ops.models import Job, Severity
from ops.queue import lanes
from ops.queue.subjects import SubjectName
from ops.refs import Subject, dead_letters_subject, lane_subject

DEAD_LETTER = AlertKind(
    "dead_letter",
    closes=Closes.ITSELF,
    severity=Severity.CRITICAL,
    of_no_shop="not every job is about one shop",
)
CIRCUIT_OPEN = AlertKind(
    "circuit_open",
    closes=Closes.ITSELF,
    severity=Severity.CRITICAL,
    of_no_shop="it is about the endpoint, which several shops may share",
)
ALERTS_UNSENT = AlertKind(
    "alerts_unsent",
    closes=Closes.ITSELF,
    severity=Severity.CRITICAL,
    of_no_shop="the alerts of all shops go out by the same channels",
)
EVENT_IDS_REUSED = AlertKind(
    "event_ids_reused", closes=Closes.ITSELF, of_no_shop="a WMS may serve several shops"
)
SECRET_UNREADABLE = AlertKind(
    "secret_unreadable",
    closes=Closes.ITSELF,
    severity=Severity.CRITICAL,
    of_no_shop="the secret may be a connection's or a user's",
)
"""Its texts are with the alerts of the owner of the secret."""


def dead_letter(job: Job, *, about: SubjectName | None, error: str, again: bool) -> None:
    """A job failed for good. There is one alert for each kind of job and lane.

    `about` is the name of the subject, if it has one. With `again` people get a message even if the alert is open
    already.
    """
    DEAD_LETTER.open(
        dead_letters_subject(job.kind, job.lane_id),
        shop=about.shop if about and about.shop else lanes.shop_of(job.lane_id),
        title=f"Dead letter: {job.kind} for {about or job.subject or job.key}",
        meaning=f"This job failed, and it is not tried again by itself. The reason: {error[:500]}",
        action="Open Dead letters in the console and remove the cause that the job's page names. Then choose "
        "«Replay».",
        again=again,
    )


def circuit_open(lane: str, *, error: str) -> None:
    """Calls to an endpoint failed so often in a row that only single probes are sent to it."""
    CIRCUIT_OPEN.open(
        lane_subject(lane),
        shop=lanes.shop_of(lane),
        cause=lane,
        title=f"{lane} does not answer",
        meaning="The work for this system waits, and nothing is lost. Only one call at a time is sent, to find out "
        f"whether the system answers again. The last error: {error}",
        action="You need not do anything if the system comes back: the work then continues by itself. If it stays "
        "away, ask the people who run it.",
    )


def alerts_unsent(lane: str, *, channel: str, reason: str) -> None:
    """A channel accepts no messages, so nobody gets alerts by it."""
    ALERTS_UNSENT.open(
        lane_subject(lane),
        shop=None,
        title=f"Alerts cannot be sent by {channel}",
        meaning="Nobody receives alerts by this channel at the moment. They wait, and you find them in the console. "
        f"The reason: {reason}",
        action="Check the mail server, or ALERT_URLS and ALERT_EMAILS in the settings. Once the channel works, all "
        "alerts that are still open are sent in one message.",
    )


def event_ids_reused(
    subject: Subject, *, sender: str, shop: str | None, sent: str, event_id: str, at: datetime, action: str
) -> None:
    """A sender gives the same id to different events. `sent` is the word for its events, `at` the time of the last
    one."""
    EVENT_IDS_REUSED.open(
        subject,
        shop=shop,
        cause=at.isoformat(),
        title=f"{sender} sends different {sent} with the same ID",
        meaning=f"The ID {event_id} came again with another type or other content. So the ID does not show whether one "
        f"of the {sent} was sent twice. Nothing is lost: each of them was accepted, and those with the same type and "
        "content are still processed only once.",
        action=f"{action} This alert closes by itself a day after the last one.",
    )
