"""An alert says since when, how often, and for which shop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from ops.alerting import own_alerts
from ops.alerting.alerts import raise_alert
from ops.models import Alert, Severity
from tests.drain import drain

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=2, minutes=5)


def raised(**changes: Any) -> Alert:
    values = {"subject": "order:1:5", "title": "Held", "meaning": "m", "action": "a", **changes}
    raise_alert("no_warehouse", **values)
    return Alert.objects.get(state="open")


def aged() -> Alert:
    alert = Alert.objects.get(state="open")
    Alert.objects.filter(pk=alert.pk).update(
        first_at=timezone.now() - LONG_AGO, last_at=timezone.now() - LONG_AGO
    )
    alert.refresh_from_db()
    return alert


def test_looking_again_at_the_same_cause_is_no_other_occurrence_whatever_the_text_says() -> None:
    raised(cause="order:1:5", meaning="stock 448 of 900")
    before = aged()
    after = raised(cause="order:1:5", meaning="stock 467 of 900")
    assert (after.count, after.first_at, after.last_at) == (1, before.first_at, before.last_at)
    assert after.meaning == "stock 467 of 900"


def test_another_cause_is_another_occurrence_each_once() -> None:
    raised(cause="order:1:5")
    before = aged()
    for cause in ("order:1:6", "order:1:5", "order:1:6"):
        raised(cause=cause)
    after = Alert.objects.get()
    assert (after.count, after.first_at) == (2, before.first_at)
    assert after.last_at > before.last_at
    assert set(after.causes) == {"order:1:5", "order:1:6"}


def test_without_a_cause_the_same_text_is_another_look_and_another_text_another_occurrence() -> None:
    raised()
    assert raised().count == 1
    assert raised(meaning="two units less").count == 2


def test_what_its_caller_calls_another_incident_is_one() -> None:
    raised(again=True)
    assert raised(again=True).count == 2


def test_people_are_told_once_however_often_it_is_looked_at() -> None:
    for stock in range(5):
        raised(cause="order:1:5", meaning=f"stock {stock} of 9")
    drain()
    assert len(mail.outbox) == 1


def test_what_was_closed_begins_anew() -> None:
    raised(cause="order:1:5")
    aged()
    Alert.objects.update(state="closed", closed_at=timezone.now())
    assert timezone.now() - raised(cause="order:1:5").first_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Order #1 waits", "paris.myshopify.com: Order #1 waits"),
        ("SKU A of paris.myshopify.com is gone", "SKU A of paris.myshopify.com is gone"),
    ],
)
def test_every_title_names_its_shop_in_the_console_and_in_mails(said: str, title: str) -> None:
    alert = raised(shop="paris.myshopify.com", title=said)
    assert (alert.title, alert.shop) == (title, "paris.myshopify.com")
    drain()
    assert mail.outbox[0].subject == f"[wmsbridge] warning: {title}"


@pytest.mark.parametrize(
    ("lane", "shop"),
    [("shop:paris.myshopify.com", "paris.myshopify.com"), ("wms:north", ""), ("alerts:mail", "")],
)
def test_the_shop_of_a_lane_that_does_not_answer_is_named(lane: str, shop: str) -> None:
    own_alerts.circuit_open(lane, error="connection refused")
    alert = Alert.objects.get()
    assert (alert.title, alert.shop) == (f"{lane} does not answer", shop)


def test_no_shop_is_guessed_from_a_text() -> None:
    alert = raised(subject="shop:paris.myshopify.com", title="SKU A of paris.myshopify.com is gone")
    assert alert.shop == ""


def test_its_age_is_since_it_began_on_the_front_page_and_in_the_list(admin_client: Client) -> None:
    raised(severity=Severity.CRITICAL)
    before = aged()
    raised(severity=Severity.CRITICAL, again=True)
    front = admin_client.get("/admin/").content.decode()
    assert "for 2\xa0hours, 5\xa0minutes, 2 ×, last 0\xa0minutes ago" in front
    listed = admin_client.get("/admin/ops/alert/").content.decode()
    assert "Since" in listed
    assert f"{before.first_at:%H:%M}" in listed


def test_mails_say_since_when_how_often_and_when_last() -> None:
    raised()
    before = aged()
    raised(again=True)
    drain()
    assert (
        f"Since {before.first_at:%Y-%m-%d %H:%M} UTC, 2 times, last at {timezone.now():%Y-%m-%d}"
        in mail.outbox[0].body
    )
