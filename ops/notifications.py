"""Sending an alert to people: e-mail by Django, any other channel by apprise URLs."""

from __future__ import annotations

import smtplib

import apprise
from django.conf import settings
from django.core.mail import EmailMessage

from ops.errors import Transient
from ops.models import Alert

ALERT_MAIL_TIMEOUT = 15


def _text(alert: Alert) -> str:
    return (
        f"What happened: {alert.title}\n\nWhat it means: {alert.meaning}\n\nWhat to do: {alert.action}\n\n"
        f"Since {alert.first_at:%Y-%m-%d %H:%M} UTC. Subject: {alert.subject}\n"
    )


def send(alert_id: int) -> None:
    """Send the alert to ALERT_EMAILS and ALERT_URLS, if it still is open.

    Raises Transient when a channel could not be reached: a person may then hear of it twice, never not at all.
    """
    alert = Alert.objects.filter(id=alert_id, state=Alert.State.OPEN).first()
    if alert is None:
        return
    subject = f"[wmsbridge] {alert.get_severity_display()}: {alert.title}"[:200].replace("\n", " ")
    if settings.ALERT_EMAILS:
        try:
            EmailMessage(subject, _text(alert), to=settings.ALERT_EMAILS).send()
        except (smtplib.SMTPException, OSError) as error:
            raise Transient(f"the alert's e-mail could not be sent: {error}") from error
    _send_to_channels(subject, _text(alert))


def _send_to_channels(subject: str, text: str) -> None:
    if not settings.ALERT_URLS:
        return
    channels = apprise.Apprise()
    for url in settings.ALERT_URLS:
        channels.add(url)
    if not channels.notify(title=subject, body=text):
        raise Transient("an alert channel of ALERT_URLS refused the alert")
