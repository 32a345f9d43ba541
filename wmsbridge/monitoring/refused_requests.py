"""What the doors refused, told to staff: one alert for each sender, apart by whether it was signed.

Whoever knows an address can be refused there for a wrong signature, so such an alert says that it may be a stranger and
is looked at once a tick, however many knock. What is refused behind a valid signature comes from the sender itself.
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


def tell() -> None:
    """Raise, refresh and close the alerts. Without Redis nothing is known, and nothing changes."""
    if not redis.available():
        return
    try:
        refusals.register_senders(_senders())
        over = timezone.now() - alerts.QUIET
        found = refusals.read()
        for each in found:
            if each.last < over:
                refusals.forget(each)
        _alert([each for each in found if each.last >= over])
    except redis.RedisError:
        redis.failed()


def _senders() -> list[tuple[Door, str]]:
    shops = Shop.objects.values_list("domain", flat=True)
    connections = Connection.objects.values_list("slug", flat=True)
    return [*((Door.SHOPIFY, name) for name in shops), *((Door.WMS, name) for name in connections)]


def _alert(found: Sequence[Refused]) -> None:
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
    if not refused.sender:
        return alerts.REFUSED_UNKNOWN_SENDER.name
    return (alerts.REFUSED_CONTENT if refused.why in SIGNED else alerts.REFUSED_UNSIGNED).name
