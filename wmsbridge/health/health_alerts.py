"""Makes alerts of measurements. Each metric has one kind of alert, which is raised when its threshold is crossed, and
closed when the value is normal again."""

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
from wmsbridge.health import AlertText, Measurement, measure


def evaluate() -> list[str]:
    """Measure, raise an alert for each metric that crossed its threshold, and close the alerts of the others.

    Returns the names of the metrics that crossed.
    """
    measurements = measure()
    with transaction.atomic():
        for each in measurements:
            if each.crossed:
                _raise(each)
            else:
                alerts.HEALTH[each.metric.name].close(Subject(each.metric.name))
    return [each.metric.name for each in measurements if each.crossed]


def _raise(measurement: Measurement) -> None:
    """Raise the alert of a metric with the text of its reading. Without such a text it says the value and the
    advice."""
    metric, reading = measurement.metric, measurement.reading
    unit = metric.unit.in_text
    alert_text = reading.alert_text or AlertText(
        f"{reading.value:.1f} {unit}", f"{reading.detail}." if reading.detail else ""
    )
    alerts.threshold_crossed(
        metric.name,
        shop=alert_text.shop or None,
        cause=alert_text.cause or metric.name,
        title=f"{metric.label}: {alert_text.title}",
        meaning=f"{alert_text.meaning} The threshold is {measurement.threshold:g} {unit}.".strip(),
        action=alert_text.action or metric.advice,
    )


@transaction.atomic
def close_settled_dead_letters() -> int:
    """Close each alert about dead letters (one per kind and lane) of which no dead job is left. Returns how many.

    The alerts are locked before the jobs are read, so that a job that dies meanwhile opens a new alert.
    """
    locked = DEAD_LETTER.opened().select_for_update()
    opened = list(locked.order_by("id").values_list("subject", flat=True))
    if not opened:
        return 0
    still = {dead_letters_subject(kind, lane) for kind, lane in dead_letters.kinds_and_lanes()}
    return DEAD_LETTER.close(*[subject for subject in opened if subject not in still])


def close_readable_secrets() -> int:
    """Close the alerts about secrets that can be read again, because the old key was put back. Returns how many.

    This takes one statement, and three more if there is such an alert. The alert about the second factor of a person
    closes with their next code.
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
