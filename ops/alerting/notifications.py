"""Sends alerts to people, by Django's e-mail or an address of apprise: one message for all that are due.

No alert is lost while a channel is away. Its lane is paused, and one attempt a minute is made. When the channel is
back, it sends one message with all alerts that are still open.
"""

from __future__ import annotations

import smtplib
from collections.abc import Collection, Sequence
from datetime import timedelta

import apprise
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Case, IntegerField, Value, When
from django.urls import reverse

from ops.alerting import channels, own_alerts
from ops.errors import Scope, Throttled, Transient
from ops.models import Alert, Severity
from ops.text import untrusted

BETWEEN = "\n\n----\n\n"
RETRY_AFTER = timedelta(minutes=1)

URGENCY = Case(
    When(severity=Severity.CRITICAL, then=Value(0)),
    When(severity=Severity.WARNING, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)
"""Alerts in the order in which a person should read them."""


class _Away(Exception):
    """The channel accepts no message at the moment. The text says why."""


def send(alert_ids: Collection[int], *, by: str) -> bool:
    """Send those alerts that are still open in one message, by the channel with this name. Returns False if there were
    none.

    A person may get an alert twice, but never not at all. Raises Throttled while the channel is away, and Transient if
    it refuses this message.
    """
    channel = channels.named(by)
    opened = Alert.objects.filter(id__in=list(alert_ids), state=Alert.State.OPEN)
    found = list(opened.order_by(URGENCY, "first_at"))
    if channel is None or not found:
        return False
    try:
        if channel.url:
            _send_chat(channel.url, found)
        else:
            _send_mail(found)
    except _Away as away:
        own_alerts.alerts_unsent(channel.lane, channel=channel.name, reason=str(away))
        raise Throttled(
            f"alerts cannot be sent by {channel.name}: {away}", wait=RETRY_AFTER, scope=Scope.ENDPOINT
        ) from away
    own_alerts.ALERTS_UNSENT.close(channel.subject)
    return True


def _send_mail(alerts: Sequence[Alert]) -> None:
    """Send a mail. Raises Transient if the server refuses this message for good (5xx), else _Away."""
    try:
        EmailMessage(_subject(alerts), _text(alerts), to=settings.ALERT_EMAILS).send()
    except smtplib.SMTPDataError as error:
        if error.smtp_code < 500:
            raise _Away(f"{type(error).__name__} {error.smtp_code}") from error
        raise Transient(f"the mail server refuses this message: {error.smtp_code}") from error
    except OSError as error:
        raise _Away(f"{type(error).__name__} {getattr(error, 'smtp_code', '')}".strip()) from error


def _send_chat(url: str, alerts: Sequence[Alert]) -> None:
    sender = apprise.Apprise()
    if not sender.add(url) or not sender.notify(title=_subject(alerts), body=_text(alerts)):
        raise _Away("it took no message")


def _subject(alerts: Sequence[Alert]) -> str:
    """The subject of the message: the title of a single alert, else the number of alerts and the most urgent title."""
    if len(alerts) == 1:
        text = f"{alerts[0].get_severity_display()}: {alerts[0].title}"
    else:
        critical = sum(alert.severity == Severity.CRITICAL for alert in alerts)
        text = f"{len(alerts)} alerts, {critical} of them critical: {alerts[0].title}, …"
    return untrusted.one_line(f"[wmsbridge] {text}"[:200])


def _text(alerts: Sequence[Alert]) -> str:
    return BETWEEN.join(map(_text_of, alerts))


def _text_of(alert: Alert) -> str:
    address = f"{settings.PUBLIC_URL}{reverse('admin:ops_alert_change', args=[alert.pk])}"
    return (
        f"What happened: {alert.title}\n\nWhat it means: {alert.meaning}\n\nWhat to do: {alert.action}\n\n"
        f"Since {alert.first_at:%Y-%m-%d %H:%M} UTC"
        + (f", {alert.count} times, last at {alert.last_at:%Y-%m-%d %H:%M} UTC" if alert.count > 1 else "")
        + f". Subject: {alert.subject}\n"
        + (f"In the console: {address}\n" if settings.PUBLIC_URL else "")
    )
