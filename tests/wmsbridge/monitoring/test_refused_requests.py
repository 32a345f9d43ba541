"""What the doors refuse is counted without a statement, and staff are told once, apart by whether it was signed."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import redis
from django.core import mail
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ops.models import Alert, Job
from tests.builders import make_connection, make_shop
from tests.drain import drain
from tests.shops.webhooks.delivery import deliver as shopify_delivers
from tests.wms.callbacks.test_events import envelope
from tests.wms.callbacks.test_receiver import deliver as wms_delivers
from wmsbridge import asgi
from wmsbridge.alerts import refusals as alerts
from wmsbridge.monitoring import metrics
from wmsbridge.tasks import tick

pytestmark = pytest.mark.django_db

SECRET = "wms-secret"


@pytest.fixture(autouse=True)
def senders() -> None:
    make_connection("north")
    make_shop()
    tick()


def test_no_answer_tells_a_stranger_whom_we_serve(client: Client) -> None:
    served = wms_delivers(envelope(), secret="guess")
    unserved = wms_delivers(envelope(), secret="guess", slug="nowhere")
    assert (served.status_code, served.content) == (unserved.status_code, unserved.content)
    known = shopify_delivers(client, secret="guess")
    unknown = shopify_delivers(client, secret="guess", domain="unknown.myshopify.com")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


def refuse_content(times: int = 1, **changes: Any) -> None:
    for _ in range(times):
        assert wms_delivers(envelope(**changes), secret=SECRET).status_code == 400


def knock(times: int = 1, **options: Any) -> None:
    for _ in range(times):
        assert wms_delivers(envelope(), **{"secret": "guess", **options}).status_code == 401


def told() -> list[tuple[str, str, str]]:
    tick()
    return list(Alert.objects.order_by("kind", "subject", "id").values_list("kind", "subject", "state"))


def later(hash_of: redis.Redis, by: timedelta) -> None:
    """So much time passes for what was counted."""
    for name, value in hash_of.hgetall("wmsbridge:refused").items():
        if str(name).endswith(("|first", "|last")):
            hash_of.hset("wmsbridge:refused", str(name), f"{float(value) - by.total_seconds():.3f}")


def test_callbacks_refused_behind_a_right_signature_are_one_alert_that_says_what_and_why() -> None:
    refuse_content(3, occurredAt="23/11/2026 10:00")
    assert told() == [("refused_content", "wms:north", "open")]
    alert = Alert.objects.get()
    assert (alert.severity, "north" in alert.title) == ("critical", True)
    assert "3 × the body is outside the contract (occurredAt: " in alert.meaning
    assert "Refused since " in alert.meaning
    assert "tracking does not reach the customer" in alert.meaning
    assert "closes by itself after 6 hours" in alert.action


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<xml/>", "the body is not JSON (not JSON: "),
        ({"eventId": "e1"}, "type: Field required"),
        (envelope(data=[1]), "data: "),
    ],
)
def test_the_reason_names_what_is_wrong_with_the_body(body: Any, words: str) -> None:
    assert wms_delivers(body, secret=SECRET).status_code == 400
    assert told() == [("refused_content", "wms:north", "open")]
    assert words in Alert.objects.get().meaning


def test_a_stranger_is_told_apart_from_what_the_wms_itself_sends() -> None:
    knock(5)
    knock(2, secret="")
    refuse_content(eventId="")
    assert told() == [
        ("refused_content", "wms:north", "open"),
        ("refused_unsigned", "wms:north", "open"),
    ]
    alert = Alert.objects.get(kind="refused_unsigned")
    assert "7 × the signature does not match" in alert.meaning
    assert "may be a stranger" in alert.meaning


def test_a_connection_without_a_secret_says_so() -> None:
    make_connection("open", callback_secret="")
    knock(slug="open")
    assert told() == [("refused_unsigned", "wms:open", "open")]
    assert "no secret is stored" in Alert.objects.get().title


def test_a_flood_of_knocks_is_one_alert_and_one_mail() -> None:
    for _ in range(4):
        knock(10)
        tick()
        drain()
    alert = Alert.objects.get()
    assert (alert.kind, alert.count) == ("refused_unsigned", 1)
    assert "40 × the signature does not match" in alert.meaning
    assert len(mail.outbox) == 1


def test_names_that_nobody_has_share_one_alert_and_four_fields(redis_server: redis.Redis) -> None:
    for number in range(30):
        knock(slug=f"guess-{number}")
    assert redis_server.hlen("wmsbridge:refused") == 4
    assert told() == [("refused_unknown_sender", "wms:unknown", "open")]
    alert = Alert.objects.get()
    assert alert.severity == "info"
    assert "30 × nobody of this name is known" in alert.meaning
    assert "The last one named guess-29." in alert.meaning


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"secret": "guess"}, "refused_unsigned", "the signature does not match"),
        ({"secret": None}, "refused_unsigned", "there is no signature"),
        ({"raw": b"[1]"}, "refused_content", "the body is not JSON (not a JSON object)"),
        ({"topic": "a b"}, "refused_content", "X-Shopify-Topic is missing or malformed"),
    ],
)
def test_webhooks_that_are_refused_are_told_for_their_shop(
    client: Client, options: dict[str, Any], kind: str, words: str
) -> None:
    assert shopify_delivers(client, **options).status_code in (400, 401)
    assert told() == [(kind, "shopify:berlin.myshopify.com", "open")]
    alert = Alert.objects.get()
    assert alert.shop == "berlin.myshopify.com"
    assert words in alert.meaning


@pytest.mark.parametrize("domain", ["rome.myshopify.com", "", "x\u00e9|y|count"])
def test_webhooks_of_a_shop_that_there_is_not_are_nobodys(client: Client, domain: str) -> None:
    assert shopify_delivers(client, domain=domain).status_code in (400, 401)
    assert told() == [("refused_unknown_sender", "shopify:unknown", "open")]


def test_a_body_too_large_counts_for_the_connection_that_its_address_names(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    with CaptureQueriesContext(database) as queries:
        for slug in ("north", "nowhere"):
            large = envelope(data={"a": "x" * 1000})
            assert wms_delivers(large, secret=SECRET, slug=slug).status_code == 413
    assert len(queries) == 0
    assert told() == [
        ("refused_unknown_sender", "wms:unknown", "open"),
        ("refused_unsigned", "wms:north", "open"),
    ]
    assert "the body is too large" in Alert.objects.get(kind="refused_unsigned").title


async def ask_the_front(path: str, headers: list[tuple[bytes, bytes]]) -> int:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("was read")

    async def send(message: Any) -> None:
        sent.append(message)

    await asgi.application({"type": "http", "path": path, "headers": headers}, receive, send)
    return int(sent[0]["status"])


def test_what_the_web_server_refuses_unread_is_counted_as_well() -> None:
    large = (b"content-length", b"9999999999")
    assert asyncio.run(ask_the_front("/webhooks/wms/north/", [large])) == 413
    shop = (b"x-shopify-shop-domain", b"Berlin.myshopify.com")
    assert asyncio.run(ask_the_front("/webhooks/shopify/", [shop, (b"content-length", b"-1")])) == 400
    assert asyncio.run(ask_the_front("/webhooks/wms/" + "x" * 300 + "/", [large])) == 413
    assert told() == [
        ("refused_unknown_sender", "wms:unknown", "open"),
        ("refused_unsigned", "shopify:berlin.myshopify.com", "open"),
        ("refused_unsigned", "wms:north", "open"),
    ]


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/webhooks/wms/north", {"secure": True}),
        ("/webhooks/wms/north/", {}),
        ("/webhooks/wms/north/", {"secure": True, "headers": {"Host": "elsewhere.example.com"}}),
    ],
)
def test_an_address_that_is_not_quite_right_is_told_as_such(
    path: str, options: dict[str, Any], settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().post(path, b"{}", content_type="application/json", **options)
    assert answer.status_code in (301, 400)
    assert told() == [("refused_unsigned", "wms:north", "open")]
    assert "the address is not quite right" in Alert.objects.get().title


def test_it_closes_by_itself_once_nothing_was_refused_for_a_while(redis_server: redis.Redis) -> None:
    refuse_content(eventId="")
    knock()
    assert {state for *_, state in told()} == {"open"}
    later(redis_server, alerts.QUIET - timedelta(minutes=1))
    knock()
    later(redis_server, timedelta(minutes=2))
    assert told() == [("refused_content", "wms:north", "closed"), ("refused_unsigned", "wms:north", "open")]
    later(redis_server, alerts.QUIET)
    assert {state for *_, state in told()} == {"closed"}
    assert not redis_server.exists("wmsbridge:refused")


def test_a_reason_that_only_another_version_knows_stops_nobody(redis_server: redis.Redis) -> None:
    knock()
    for name, value in redis_server.hgetall("wmsbridge:refused").items():
        redis_server.hset("wmsbridge:refused", str(name).replace("signature", "moon"), value)
    assert told() == [("refused_unsigned", "wms:north", "open")]
    assert "1 × the signature does not match." in Alert.objects.get().meaning


def test_one_that_a_person_closed_is_opened_by_the_next_refusal_only() -> None:
    refuse_content(eventId="")
    tick()
    Alert.objects.update(state="closed", closed_at="2026-11-27T00:00:00Z")
    assert [state for *_, state in told()] == ["closed"]
    refuse_content(eventId="")
    assert [state for *_, state in told()] == ["closed", "open"]


def test_what_is_taken_is_not_counted_and_a_refusal_costs_no_statement(redis_server: redis.Redis) -> None:
    assert wms_delivers(envelope(), secret=SECRET).status_code == 200
    assert not redis_server.exists("wmsbridge:refused")
    with CaptureQueriesContext(database) as queries:
        knock()
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_without_redis_the_doors_answer_as_ever_and_nothing_is_closed() -> None:
    refuse_content(eventId="")
    tick()
    began = time.monotonic()
    with mock.patch("redis.Redis.execute_command", side_effect=redis.ConnectionError("away")):
        knock(3)
        refuse_content(eventId="")
        assert [state for *_, state in told()] == ["open"]
    assert time.monotonic() - began < 2
    assert not Job.objects.filter(kind__startswith="wms.").exists()


def test_prometheus_reads_how_often_whom_and_why() -> None:
    knock(2)
    refuse_content(eventId="")
    text = metrics.exposition().decode()
    labels = 'door="wms",reason="{}",sender="north",signed="{}"'
    assert f"wmsbridge_refused_total{{{labels.format('signature', 'no')}}} 2.0" in text
    assert f"wmsbridge_refused_total{{{labels.format('content', 'yes')}}} 1.0" in text
