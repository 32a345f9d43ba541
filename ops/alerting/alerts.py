"""Raises and closes alerts. An alert says what happened, what it means, and what to do. There is at most one open alert
for a kind and a subject."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from django.db import connection, transaction

from ops.alerting import channels
from ops.alerting.jobs import notify
from ops.models import Alert, Severity
from ops.refs import Subject
from ops.text import untrusted
from ops.text.masking import mask_text

logger = structlog.get_logger(__name__)

MOST_CAUSES = 1000
"""An alert remembers at most this many causes. If there are more, the oldest are forgotten."""

# It is another occurrence if the caller says so, if the cause is new, or if there is no cause and the text is new.
_OCCURS = """(%(again)s OR CASE WHEN %(cause)s <> '' THEN NOT %(cause)s = ANY(ops_alert.causes)
              ELSE (ops_alert.severity, ops_alert.title, ops_alert.meaning, ops_alert.action)
                   IS DISTINCT FROM (EXCLUDED.severity, EXCLUDED.title, EXCLUDED.meaning, EXCLUDED.action) END)"""

_RAISE = """
INSERT INTO ops_alert (kind, subject, severity, title, meaning, action, shop, causes)
VALUES (%(kind)s, %(subject)s, %(severity)s, %(title)s, %(meaning)s, %(action)s, %(shop)s,
        array_remove(ARRAY[%(cause)s]::varchar[], ''))
ON CONFLICT (kind, subject) WHERE state = 'open' DO UPDATE
   SET count = ops_alert.count + CASE WHEN OCCURS THEN 1 ELSE 0 END,
       last_at = CASE WHEN OCCURS THEN now() ELSE ops_alert.last_at END,
       causes = (array_cat(EXCLUDED.causes, array_remove(ops_alert.causes, %(cause)s)))[1:%(most)s],
       severity = EXCLUDED.severity, title = EXCLUDED.title, meaning = EXCLUDED.meaning, action = EXCLUDED.action,
       shop = EXCLUDED.shop
RETURNING id, xmax = 0
""".replace("OCCURS", _OCCURS)

# Nearly always there is nothing to close, and the index of the open alerts says so.
_CLOSE = """
UPDATE ops_alert SET state = %s, closed_at = statement_timestamp()
WHERE kind = ANY(%s) AND subject = ANY(%s) AND state = 'open'
"""


@transaction.atomic(savepoint=False)
def raise_alert(
    kind: str,
    *,
    subject: Subject,
    title: str,
    meaning: str,
    action: str,
    severity: Severity = Severity.WARNING,
    again: bool = False,
    shop: str | None = None,
    cause: str = "",
) -> bool:
    """Open the alert of this kind and subject. If it is open already, it gets the severity and the texts of this call.

    Returns True when it is new; then its notification is enqueued for each channel, in the same transaction.

    `again`: each call is another incident. People hear of the further ones too, in one message after AGAIN_AFTER.
    `shop`: the domain of the shop that it is about. The title begins with it, unless it names it anyway.
    `cause`: what the alert is raised for this time. The same cause once more is not another occurrence, whatever
    changed in the text. Without a cause, the same text is not another occurrence.
    """
    if shop and shop not in title:
        title = f"{shop}: {title}"
    row: dict[str, str | int | bool] = {
        "kind": kind,
        "subject": subject[:300],
        "severity": str(severity),
        "title": untrusted.one_line(mask_text(title))[:300],
        "meaning": mask_text(meaning),
        "action": mask_text(action),
        "shop": shop or "",
        "cause": cause[:300],
        "again": again,
        "most": MOST_CAUSES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, row)
        alert_id, first = cursor.fetchone()
    if first:
        logger.warning("alert_raised", alert=alert_id, kind=kind, subject=subject)
    if first or again:
        for channel in channels.configured():
            if channel.subject != subject:  # a channel that is away cannot report this itself
                notify(alert_id, channel, again=not first)
    return bool(first)


def close_alerts(kinds: Collection[str], *, subjects: Collection[Subject]) -> int:
    """Close the open alerts of these kinds about these subjects, with one statement. Returns how many were open."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [Alert.State.CLOSED, list(kinds), [subject[:300] for subject in subjects]])
        closed = int(cursor.rowcount)
    if closed:
        logger.info("alerts_closed", kinds=list(kinds), count=closed)
    return closed
