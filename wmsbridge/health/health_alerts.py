"""From measurements to alerts: raised when a threshold is crossed, closed when it is normal again."""

from __future__ import annotations

from django.db import transaction

from ops import secrets
from ops.alerting.alerts import close_alerts, raise_alert
from ops.models import Alert
from ops.queue import dead_letters
from shops import installation
from shops.models import Shop
from wms.availability import access
from wms.models import Connection
from wmsbridge import health

UNITS = {"seconds": "s", "percent": "%", "jobs": "jobs"}


def sound() -> list[str]:
    """Measure, raise an alert for each crossed threshold, close those of the others; returns who crossed."""
    measurements = health.measure()
    with transaction.atomic():
        for each in measurements:
            if each.crossed:
                _raise(each)
            else:
                close_alerts(_kind(each), subjects=[each.metric.name])
    return [each.metric.name for each in measurements if each.crossed]


def _kind(measurement: health.Measurement) -> str:
    return f"health_{measurement.metric.name}"


def _raise(measurement: health.Measurement) -> None:
    metric, reading = measurement.metric, measurement.reading
    unit = UNITS[metric.unit]
    words = reading.words or health.Words(
        f"{reading.value:.1f} {unit}", f"{reading.detail}." if reading.detail else ""
    )
    raise_alert(
        _kind(measurement),
        subject=metric.name,
        cause=words.cause or metric.name,
        shop=words.shop,
        title=f"{metric.label}: {words.title}",
        meaning=f"{words.meaning} The threshold is {measurement.threshold:g} {unit}.".strip(),
        action=words.action or metric.advice,
    )


@transaction.atomic
def close_settled_dead_letters() -> int:
    """Close dead-letter alerts (one per kind and lane) that have no dead job left; returns how many.

    They are locked before the jobs are looked at: what dies meanwhile opens a new one.
    """
    alerts = Alert.objects.select_for_update().filter(kind="dead_letter", state=Alert.State.OPEN)
    opened = list(alerts.order_by("id").values_list("subject", flat=True))
    if not opened:
        return 0
    still = {f"{kind} {lane}"[:300] for kind, lane in dead_letters.kinds_and_lanes()}
    return close_alerts("dead_letter", subjects=[subject for subject in opened if subject not in still])


def close_readable_secrets() -> int:
    """Close the alerts about secrets that can be read again, since the old key was put back; returns how many.

    One statement, and three more where there is such an alert. A person's closes with their next code.
    """
    opened = Alert.objects.filter(kind=secrets.UNREADABLE, state=Alert.State.OPEN)
    subjects = set(opened.values_list("subject", flat=True))
    if not subjects:
        return 0
    well = [
        each.lane for each in Connection.objects.all() if each.lane in subjects and access.is_usable(each)
    ]
    well += [
        installation.subject(shop)
        for shop in Shop.objects.all()
        if installation.subject(shop) in subjects and secrets.all_readable(shop)
    ]
    return close_alerts(secrets.UNREADABLE, subjects=well)
