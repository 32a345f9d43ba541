"""Alerts reach people: by every channel, in one message after an outage, and a dead mail server loses none."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from ops.alerting import channels
from ops.alerting.alerts import close_alerts, raise_alert
from ops.alerting.jobs import AGAIN_AFTER
from ops.models import Alert, Job, Lane, Severity
from ops.refs import Subject
from tests.drain import drain

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=3)


def alert(subject: str, severity: Severity = Severity.WARNING) -> None:
    raise_alert(
        "unmapped_sku",
        subject=Subject(subject),
        severity=severity,
        title=f"{subject} is not mapped",
        meaning="m",
        action="a",
    )


class MailServer:
    """Stands in for the SMTP connection. `trouble`: what each message meets until it is taken away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trouble: Exception | None = None
        self.tried = 0
        send = mail.EmailMessage.send

        def deliver(message: Any, *args: Any) -> int:
            self.tried += 1
            if self.trouble:
                raise self.trouble
            return int(send(message, *args))

        monkeypatch.setattr(mail.EmailMessage, "send", deliver)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> MailServer:
    return MailServer(monkeypatch)


@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        smtplib.SMTPServerDisconnected("gone"),
        smtplib.SMTPAuthenticationError(535, b"no"),
        smtplib.SMTPDataError(451, b"greylisted"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_outage_of_hours_loses_no_alert_and_ends_in_one_message(
    server: MailServer, trouble: Exception
) -> None:
    server.trouble = trouble
    for number in range(30):
        alert(f"TEE-{number}")
    alert("MUG", Severity.CRITICAL)
    for _ in range(20):
        drain(advance=HOURS)
    assert server.tried <= 30
    assert not Job.objects.filter(state="dead").exists()
    close_alerts(["unmapped_sku"], subjects=[Subject("TEE-7")])
    server.trouble = None
    drain(advance=HOURS)
    drain(advance=HOURS)
    assert [message.subject[:45] for message in mail.outbox] == [
        "[wmsbridge] 30 alerts, 1 of them critical: MUG"[:45]
    ]
    assert "TEE-7 is" not in mail.outbox[0].body
    assert mail.outbox[0].body.index("MUG is") < mail.outbox[0].body.index("TEE-0 is")
    assert not Job.objects.exclude(state="done").exists()


def test_further_incidents_of_an_open_alert_are_told_in_one_message() -> None:
    def died(order: str) -> None:
        raise_alert("dead_letter", subject=Subject("k l"), title=order, meaning="m", action="a", again=True)

    died("#1")
    drain()
    for order in ("#2", "#3"):
        died(order)
    drain()
    assert len(mail.outbox) == 1
    drain(advance=AGAIN_AFTER)
    assert [message.subject for message in mail.outbox] == [
        "[wmsbridge] warning: #1",
        "[wmsbridge] warning: #3",
    ]
    assert ", 3 times, last at " in mail.outbox[1].body
    died("#4")
    drain(advance=AGAIN_AFTER)
    assert mail.outbox[2].subject == "[wmsbridge] warning: #4"


def test_that_the_mail_server_is_away_is_seen_in_the_console_and_ends_by_itself(server: MailServer) -> None:
    server.trouble = ConnectionRefusedError()
    alert("MUG")
    drain()
    told = Alert.objects.get(kind="alerts_unsent")
    assert (told.subject, told.state, Lane.objects.get(name="alerts:mail").circuit) == (
        "alerts:mail",
        "open",
        "open",
    )
    server.trouble = None
    drain(advance=HOURS)
    told.refresh_from_db()
    assert (told.state, Lane.objects.get(name="alerts:mail").circuit) == ("closed", "closed")
    assert len(mail.outbox) == 1


def test_a_message_that_is_refused_does_not_hold_up_the_others(server: MailServer) -> None:
    server.trouble = smtplib.SMTPDataError(554, b"spam")
    alert("SPAM")
    drain()
    server.trouble = None
    alert("MUG")
    drain(advance=HOURS)
    assert sorted(message.subject for message in mail.outbox) == [
        "[wmsbridge] warning: MUG is not mapped",
        "[wmsbridge] warning: SPAM is not mapped",
    ]


def test_a_channel_that_is_away_repeats_nothing_on_the_others(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALERT_URLS = ["json://alerts.example/secret-token"]
    monkeypatch.setattr("apprise.Apprise.notify", lambda *_, **__: False)
    alert("MUG")
    for _ in range(5):
        drain(advance=HOURS)
    assert [message.subject for message in mail.outbox].count("[wmsbridge] warning: MUG is not mapped") == 1
    (chat,) = Lane.objects.filter(name__startswith="alerts:json-")
    assert "secret-token" not in chat.name
    assert Job.objects.filter(lane=chat, state="dead").count() == 0
    monkeypatch.setattr("apprise.Apprise.notify", lambda *_, **__: True)
    drain(advance=HOURS)
    assert not Job.objects.exclude(state="done").exists()


@pytest.mark.parametrize("takes", ["the address", "the message"])
def test_a_chat_that_takes_no_message_is_told_by_the_other_channels(
    settings: Any, monkeypatch: pytest.MonkeyPatch, takes: str
) -> None:
    settings.ALERT_URLS = ["json://alerts.example/secret-token"]
    monkeypatch.setattr("apprise.Apprise.add", lambda *_: takes != "the address")
    monkeypatch.setattr("apprise.Apprise.notify", lambda *_, **__: takes != "the message")
    alert("MUG")
    drain()
    assert Alert.objects.get(kind="alerts_unsent").subject.startswith("alerts:json-")
    assert "secret-token" not in str(Alert.objects.values())


@pytest.mark.parametrize(("code", "away"), [(421, True), (499, True), (500, False), (554, False)])
def test_a_mail_server_that_says_not_now_is_away_and_one_that_says_never_refuses_the_message(
    server: MailServer, code: int, away: bool
) -> None:
    server.trouble = smtplib.SMTPDataError(code, b"no")
    alert("MUG")
    drain()
    assert Alert.objects.filter(kind="alerts_unsent").exists() == away
    assert Job.objects.get(lane__name="alerts:mail").error_class == ("Throttled" if away else "Transient")


@pytest.mark.parametrize("url", ["JSON://alerts.example/a", "json://alerts.example/a"])
def test_a_channel_is_named_by_its_kind_and_told_apart_from_another_of_the_kind(
    settings: Any, url: str
) -> None:
    settings.ALERT_URLS = [url, f"{url}b"]
    mail_channel, first, second = channels.configured()
    assert (mail_channel.name, first.name[:5], second.name[:5]) == ("mail", "json-", "json-")
    assert first.name != second.name
    assert channels.named(second.name) == second
    assert channels.named("json-gone") is None


def test_an_alert_that_a_former_version_enqueued_is_sent(server: MailServer) -> None:
    alert("MUG")
    Job.objects.update(payload={"alert": Alert.objects.get().id})
    drain()
    assert len(mail.outbox) == 1


def test_a_mail_tells_what_to_do_and_leads_to_the_console_without_naming_a_customer() -> None:
    raise_alert(
        "k",
        subject=Subject("order:1:5"),
        title="Refused for ada@b.example",
        meaning="Call +49 170 1234567",
        action="Fix it",
    )
    drain()
    text = f"{mail.outbox[0].subject}\n{mail.outbox[0].body}"
    assert "What to do: Fix it" in text
    assert f"https://bridge.example.com/admin/ops/alert/{Alert.objects.get().id}/change/" in text
    assert "ada@" not in text
    assert "1234567" not in text


@pytest.mark.parametrize("item", ["MUG\r\nBcc: all@example.com", "MUG\x85x", "MUG\u2028x", "\x1b[31mMUG"])
def test_a_line_break_in_what_a_warehouse_says_neither_stops_a_mail_nor_adds_a_head_to_it(item: str) -> None:
    alert(item)
    drain()
    (message,) = mail.outbox
    assert message.recipients() == ["ops@example.com"]
    assert len(message.subject.splitlines()) == 1
    assert len(Alert.objects.get().title.splitlines()) == 1
