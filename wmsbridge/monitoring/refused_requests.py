"""Alerts staff to requests that the doors refused: one alert for each sender and kind of refusal.

Anybody who knows the address of a door can be refused for a wrong signature. So the alert about that says that it may
be a stranger, and it is updated once a tick, however many requests come. A request that is refused after its signature
was found valid comes from the sender itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from ops import redis
from ops.doors import refusals
from ops.doors.refusals import SIGNED, Door, Refused
from ops.models import Alert
from ops.refs import Subject, sender_subject
from shops.models import Shop
from wms.models import Connection
from wmsbridge.alerts import refusals as alerts

_RAISE = {
    alerts.REFUSED_UNSIGNED: alerts.refused_unsigned,
    alerts.REFUSED_CONTENT: alerts.refused_content,
    alerts.REFUSED_UNKNOWN_SENDER: alerts.refused_unknown_sender,
}
_KINDS = {kind.name: kind for kind in _RAISE}


def update_alerts() -> None:
    """Raise, update and close the alerts. Without Redis nothing is known, so nothing changes."""
    if not redis.available():
        return
    try:
        refusals.register_senders(_senders())
        oldest = timezone.now() - alerts.QUIET
        found = refusals.read()
        for each in found:
            if each.last < oldest:
                refusals.forget(each)
        _alert([each for each in found if each.last >= oldest])
    except redis.RedisError:
        redis.failed()


def _senders() -> list[tuple[Door, str]]:
    shops = Shop.objects.values_list("domain", flat=True)
    connections = Connection.objects.values_list("slug", flat=True)
    return [*((Door.SHOPIFY, name) for name in shops), *((Door.WMS, name) for name in connections)]


def _alert(found: Sequence[Refused]) -> None:
    """Raise the alerts of which more was refused since the last time, and close those of which nothing is left."""
    by_alert: defaultdict[tuple[str, Subject], list[Refused]] = defaultdict(list)
    for each in found:
        by_alert[_kind(each), sender_subject(each.door, each.sender or "unknown")].append(each)
    with transaction.atomic():
        for (kind, subject), refused in sorted(by_alert.items(), key=lambda each: each[0]):
            if any(each.count > each.reported for each in refused):
                _RAISE[_KINDS[kind]](subject, refused)
        opened = Alert.objects.filter(kind__in=_KINDS, state=Alert.State.OPEN)
        for kind, subject in opened.values_list("kind", "subject"):
            if (kind, subject) not in by_alert:
                _KINDS[kind].close(subject)
    refusals.mark_reported(found)


def _kind(refused: Refused) -> str:
    """The kind of alert for a refusal: the sender is unknown, or the signature was valid, or it was not."""
    if not refused.sender:
        return alerts.REFUSED_UNKNOWN_SENDER.name
    return (alerts.REFUSED_CONTENT if refused.why in SIGNED else alerts.REFUSED_UNSIGNED).name
