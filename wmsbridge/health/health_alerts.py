"""From measurements to alerts, of one kind for each metric: raised when its threshold is crossed, closed when it is
normal again."""

from __future__ import annotations

from django.db import transaction

from ops import secrets
from ops.alerting.own_alerts import DEAD_LETTER, SECRET_UNREADABLE
from ops.queue import dead_letters
from ops.refs import Subject, dead_letters_subject, lane_subject
from shops.models import Shop
from wms.availability import access
from wms.models import Connection
from wmsbridge.alerts import health as alerts
from wmsbridge.health import Measurement, Words, measure


def evaluate() -> list[str]:
    """Measure, raise an alert for each crossed threshold, close those of the others; returns who crossed."""
    measurements = measure()
    with transaction.atomic():
        for each in measurements:
            if each.crossed:
                _raise(each)
            else:
                alerts.HEALTH[each.metric.name].close(Subject(each.metric.name))
    return [each.metric.name for each in measurements if each.crossed]


def _raise(measurement: Measurement) -> None:
    metric, reading = measurement.metric, measurement.reading
    unit = metric.unit.in_text
    words = reading.words or Words(
        f"{reading.value:.1f} {unit}", f"{reading.detail}." if reading.detail else ""
    )
    alerts.threshold_crossed(
        metric.name,
        shop=words.shop or None,
        cause=words.cause or metric.name,
        title=f"{metric.label}: {words.title}",
        meaning=f"{words.meaning} The threshold is {measurement.threshold:g} {unit}.".strip(),
        action=words.action or metric.advice,
    )


@transaction.atomic
def close_settled_dead_letters() -> int:
    """Close dead-letter alerts (one per kind and lane) that have no dead job left; returns how many.

    They are locked before the jobs are looked at: what dies meanwhile opens a new one.
    """
    locked = DEAD_LETTER.opened().select_for_update()
    opened = list(locked.order_by("id").values_list("subject", flat=True))
    if not opened:
        return 0
    still = {dead_letters_subject(kind, lane) for kind, lane in dead_letters.kinds_and_lanes()}
    return DEAD_LETTER.close(*[subject for subject in opened if subject not in still])


def close_readable_secrets() -> int:
    """Close the alerts about secrets that can be read again, since the old key was put back; returns how many.

    One statement, and three more where there is such an alert. A person's closes with their next code.
    """
    subjects = set(SECRET_UNREADABLE.opened().values_list("subject", flat=True))
    if not subjects:
        return 0
    well = [
        subject
        for each in Connection.objects.all()
        if (subject := lane_subject(each.lane)) in subjects and access.is_usable(each)
    ]
    well += [
        shop.subject for shop in Shop.objects.all() if shop.subject in subjects and secrets.all_readable(shop)
    ]
    return SECRET_UNREADABLE.close(*well)
