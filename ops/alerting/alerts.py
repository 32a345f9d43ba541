"""What a person must know at once: what happened, what it means, what to do. One open alert per kind and subject."""

from __future__ import annotations

import re
from collections.abc import Collection

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from ops.alerting import channels
from ops.alerting.jobs import notify
from ops.models import Alert, Severity
from ops.text import untrusted
from ops.text.masking import mask_text

logger = structlog.get_logger(__name__)

MOST_CAUSES = 1000
"""Causes that an alert remembers; of more, the oldest are forgotten."""

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")

# Another occurrence is what the caller calls one, a cause that is new, or, where no cause is named, another text.
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
    shop: str = "",
    cause: str = "",
) -> bool:
    """Open the alert of this kind and subject; one that is open already says from now on what is said here.

    Returns True when it is new; then its notification is enqueued for each channel, in the same transaction. `again`:
    each time is another incident, so that people hear of further ones too, in one message after AGAIN_AFTER. `shop`:
    the domain that it is about, which its title begins with unless it names it. `cause`: what it is raised for this
    time; raised for the same once more, it was looked at again, which is no other occurrence, whatever changed in its
    text. Without a cause, the same text is another look.
    """
    domain = shop or _domain_in(subject, title)
    if domain and domain not in title:
        title = f"{domain}: {title}"
    row: dict[str, str | int | bool] = {
        "kind": kind,
        "subject": subject[:300],
        "severity": str(severity),
        "title": untrusted.one_line(mask_text(title))[:300],
        "meaning": mask_text(meaning),
        "action": mask_text(action),
        "shop": domain,
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
            if channel.lane != subject:  # that a channel is away is not told by it
                notify(alert_id, channel, again=not first)
    return bool(first)


def _domain_in(*texts: str) -> str:
    found = next(filter(None, map(_DOMAIN.search, texts)), None)
    return found[0] if found else ""


def close_alert(kind: str, *, subject: str) -> bool:
    """Close the open alert of this kind and subject; False when there was none."""
    return close_alerts(kind, subjects=[subject]) > 0


def close_kinds(kinds: Collection[str], *, subject: str) -> int:
    """Close the open alerts of several kinds about one subject, in one statement; returns how many were open."""
    closed = Alert.objects.filter(kind__in=kinds, subject=subject[:300], state=Alert.State.OPEN).update(
        state=Alert.State.CLOSED, closed_at=Now()
    )
    if closed:
        logger.info("alerts_closed", kinds=list(kinds), count=closed)
    return closed


def close_alerts(kind: str, *, subjects: Collection[str]) -> int:
    """Close the open alerts of this kind for the subjects; returns how many were open."""
    closed = Alert.objects.filter(
        kind=kind, subject__in=[s[:300] for s in subjects], state=Alert.State.OPEN
    ).update(state=Alert.State.CLOSED, closed_at=Now())
    if closed:
        logger.info("alerts_closed", kind=kind, count=closed)
    return closed
