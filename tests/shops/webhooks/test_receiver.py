"""POST /webhooks/shopify/: what is answered, and what is left behind."""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ops.doors import signatures
from ops.models import Alert, Job
from shops.jobs import UNHANDLED
from shops.models import Shop
from shops.webhooks.topics import TOPICS, event_of
from tests.builders import make_shop
from tests.drain import drain
from tests.shops.webhooks.delivery import deliver

pytestmark = pytest.mark.django_db

PAYLOADS = Path(__file__).parents[2] / "payloads" / "shopify"
SAMPLES = sorted((PAYLOADS / "samples").glob("*.json"))
EXEMPLARS = sorted((PAYLOADS / "exemplars").glob("*.json"))
EXEMPLAR_TOPICS = {
    "orders": "orders/updated",
    "products": "products/update",
    "fulfillments": "fulfillments/create",
}


@pytest.fixture(autouse=True)
def shop() -> Shop:
    return make_shop()


def webhooks() -> QuerySet[Job]:
    """The webhooks that were stored, without the work that they mean."""
    return Job.objects.filter(key__startswith="shopify:")


def test_a_signed_webhook_is_stored_as_one_job(client: Client, shop: Shop) -> None:
    assert deliver(client, {"id": 5, "note": "ä"}).status_code == 200
    job = webhooks().get()
    assert (job.kind, job.lane_id) == ("shopify.orders/paid", "shop:berlin.myshopify.com/in")
    assert (job.key, job.subject) == ("shopify:berlin.myshopify.com:wh-1", f"order:{shop.pk}:5")
    assert job.payload == {
        "digest": mock.ANY,
        "shop": shop.pk,
        "topic": "orders/paid",
        "event_id": "ev-1",
        "triggered_at": "2026-11-23T14:00:00.123Z",
        "api_version": "2026-10",
        "body": {"id": 5, "note": "ä"},
    }


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_documented_bodies_are_stored(client: Client, file: Path) -> None:
    topic = file.stem.replace("__", "/")
    assert deliver(client, raw=file.read_bytes(), topic=topic).status_code == 200
    job = webhooks().get()
    assert job.kind == event_of(topic).name
    assert job.payload["body"] == json.loads(file.read_bytes())


@pytest.mark.parametrize("file", EXEMPLARS, ids=lambda file: file.stem)
def test_shapes_of_real_bodies_are_stored(client: Client, file: Path) -> None:
    topic = EXEMPLAR_TOPICS[file.stem.split("-")[0]]
    assert deliver(client, raw=file.read_bytes(), topic=topic).status_code == 200
    assert webhooks().get().payload["body"] == json.loads(file.read_bytes())


def test_a_second_delivery_is_answered_200_and_stored_once(client: Client) -> None:
    answers = [deliver(client).json()["status"] for _ in range(3)]
    assert answers == ["stored", "duplicate", "duplicate"]
    assert webhooks().count() == 1


@pytest.mark.parametrize("other", [{"topic": "orders/updated"}, {"body": {"id": 5, "note": "other"}}])
def test_another_notice_with_a_known_webhook_id_is_kept_once_and_told(client: Client, other: Any) -> None:
    notices: list[dict[str, Any]] = [{}, other, other, {}]
    answers = [deliver(client, **notice).json()["status"] for notice in notices]
    assert answers == ["stored", "stored", "duplicate", "duplicate"]
    look = Job.objects.get(kind="ops.ids_reused")
    assert webhooks().count() == 2
    Job.objects.exclude(id=look.id).delete()
    drain(advance=timedelta(minutes=1))
    alert = Alert.objects.get(kind="event_ids_reused")
    assert (alert.shop, "relay" in alert.action) == ("berlin.myshopify.com", True)


def test_an_attempt_that_only_its_headers_tell_from_the_first_is_a_duplicate(client: Client) -> None:
    again = {"X-Shopify-Triggered-At": "2026-11-23T15:00:00Z", "X-Shopify-API-Version": "2027-01"}
    answers = [deliver(client, headers=headers).json()["status"] for headers in ({}, again)]
    assert answers == ["stored", "duplicate"]


def test_a_webhook_of_an_order_is_done_once_it_is_stored_with_the_reading_that_it_means(
    client: Client, shop: Shop
) -> None:
    deliver(client, {"id": 5})
    job, reading = webhooks().get(), Job.objects.get(kind="fulfillment.read_orders")
    assert (job.state, job.finished_at is not None) == ("done", True)
    assert (reading.state, reading.lane_id, reading.subject) == ("ready", shop.lane, f"order:{shop.pk}:5")
    assert reading.payload == {"shop": shop.pk, "order": 5, "for_webhooks": True}
    assert reading.run_at <= timezone.now()


def test_several_webhooks_of_an_order_mean_one_reading_at_the_earliest_time(client: Client) -> None:
    deliver(client, {"id": 5}, topic="orders/updated", webhook_id="later")
    reading = Job.objects.get(kind="fulfillment.read_orders")
    assert timedelta(seconds=1) < reading.run_at - reading.created_at <= timedelta(seconds=2)
    deliver(client, {"id": 5}, topic="orders/paid", webhook_id="now")
    assert Job.objects.get(kind="fulfillment.read_orders").run_at < reading.run_at


def test_a_webhook_during_a_reading_means_another_one(client: Client) -> None:
    deliver(client, {"id": 5})
    Job.objects.filter(kind="fulfillment.read_orders").update(
        state="running", lease_token=uuid.uuid4(), lease_until=timezone.now()
    )
    deliver(client, {"id": 5}, webhook_id="another")
    assert Job.objects.get(kind="fulfillment.read_orders").rerun is True


def test_a_duplicate_means_nothing_more(client: Client) -> None:
    deliver(client, {"id": 5})
    Job.objects.filter(kind="fulfillment.read_orders").delete()
    assert deliver(client, {"id": 5}).json()["status"] == "duplicate"
    assert not Job.objects.filter(kind="fulfillment.read_orders").exists()


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("fulfillments/update", {"order_id": 5, "status": "cancelled"}),
        (
            "fulfillment_orders/placed_on_hold",
            {"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/7"}},
        ),
        ("orders/paid", {"id": "no number"}),
    ],
)
def test_a_webhook_that_needs_a_closer_look_waits_for_its_run(
    client: Client, topic: str, body: dict[str, Any]
) -> None:
    deliver(client, body, topic=topic)
    assert Job.objects.get().state == "ready"


def test_topics_of_one_merchant_action_share_an_event_id_and_are_all_stored(client: Client) -> None:
    for topic in ("orders/create", "orders/paid", "orders/updated"):
        deliver(client, topic=topic, webhook_id=f"wh-{topic}")
    assert webhooks().count() == 3


def test_the_same_webhook_id_of_another_shop_is_another_notice(client: Client) -> None:
    make_shop("paris.myshopify.com")
    deliver(client)
    deliver(client, domain="paris.myshopify.com")
    assert webhooks().count() == 2


def test_the_previous_secret_is_valid_during_rotation(client: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(webhook_secret="new", webhook_secret_previous="old")
    assert deliver(client, secret="old", webhook_id="a").status_code == 200
    assert deliver(client, secret="new", webhook_id="b").status_code == 200
    assert deliver(client, secret="shop-secret", webhook_id="c").status_code == 401


def test_the_client_secret_signs_when_no_webhook_secret_is_set(client: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(webhook_secret="", client_secret="app-secret")
    assert deliver(client, secret="app-secret").status_code == 200


def test_a_shop_without_any_secret_takes_nothing(client: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(webhook_secret="")
    empty_key = signatures.sign("", b'{"id": 5}')
    assert deliver(client, headers={"X-Shopify-Hmac-Sha256": empty_key}).status_code == 401
    assert not Job.objects.exists()


def test_a_switched_off_shop_is_still_listened_to(client: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(is_active=False)
    assert deliver(client).status_code == 200
    assert webhooks().count() == 1


@pytest.mark.parametrize("topic", ["carts/update", "brand/new", "orders/delete", "inventory_levels/update"])
def test_what_nobody_asked_for_is_stored_as_unhandled(client: Client, topic: str) -> None:
    assert deliver(client, topic=topic).status_code == 200
    assert webhooks().get().kind == UNHANDLED.name


REFUSED: list[tuple[str, int, dict[str, Any]]] = [
    ("unsigned", 401, {"secret": None}),
    ("signed by somebody else", 401, {"secret": "guess"}),
    ("signature that is no base64", 401, {"headers": {"X-Shopify-Hmac-Sha256": "ä€"}}),
    ("empty body", 401, {"raw": b""}),
    ("unknown shop", 401, {"domain": "unknown.myshopify.com"}),
    ("shop with NUL", 401, {"domain": "berlin\x00.myshopify.com"}),
    ("shop with SQL", 401, {"domain": "berlin' or 1=1 --"}),
    ("no shop", 400, {"domain": ""}),
    ("no topic", 400, {"topic": ""}),
    ("no webhook id", 400, {"webhook_id": ""}),
    ("endless webhook id", 400, {"webhook_id": "x" * 201}),
    ("webhook id with spaces", 400, {"webhook_id": "a b"}),
    ("not JSON", 400, {"raw": b"id=5"}),
    ("cut off", 400, {"raw": b'{"id": 5'}),
    ("not UTF-8", 400, {"raw": b'{"note": "\xff\xfe"}'}),
    ("UTF-16", 400, {"raw": '{"id": 5}'.encode("utf-16")}),
    ("a list", 400, {"raw": b"[1, 2]"}),
    ("a text", 400, {"raw": b'"text"'}),
    ("NaN", 400, {"raw": b'{"id": NaN}'}),
    ("infinite", 400, {"raw": b'{"id": 1e999}'}),
    ("endless number", 400, {"raw": b'{"id": ' + b"9" * 5000 + b"}"}),
    ("deep", 400, {"raw": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"}),
    ("too large", 413, {"raw": b'{"a": "' + b"x" * 5 * 1024 * 1024 + b'"}'}),
]


@pytest.mark.parametrize(("status", "sent"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_and_nothing_left_behind(client: Client, status: int, sent: dict[str, Any]) -> None:
    assert deliver(client, **sent).status_code == status
    assert not Job.objects.exists()
    assert deliver(client).status_code == 200  # the same notice, as it should be, is no duplicate


def test_a_body_that_says_it_is_too_large_is_not_read(client: Client) -> None:
    with mock.patch("django.core.handlers.wsgi.WSGIRequest.read", side_effect=AssertionError("was read")):
        assert deliver(client, raw=b"x" * (5 * 1024 * 1024 + 1)).status_code == 413


def test_only_post_is_allowed(client: Client) -> None:
    assert client.get("/webhooks/shopify/").status_code == 405


def test_the_accept_header_does_not_matter(client: Client) -> None:
    assert deliver(client, headers={"Accept": "application/xml"}).status_code == 200


@pytest.mark.parametrize("note", ["a\x00b", "\ud800", "\\u0000", "\udc00\ud800x"])
def test_characters_that_postgres_cannot_store_do_not_lose_the_notice(client: Client, note: str) -> None:
    assert deliver(client, {"id": 5, "deep": [{"note": note}]}).status_code == 200
    assert webhooks().get().payload["body"]["id"] == 5


STRANGE: list[Any] = [{"id": True}, {"id": "x"}, {"id": -1}, {"id": 2**70}, {"id": [5]}, {}]


@pytest.mark.parametrize("topic", TOPICS)
def test_bodies_of_any_shape_do_not_crash(client: Client, shop: Shop, topic: str) -> None:
    for number, body in enumerate(STRANGE):
        nested = {
            "order_edit": body,
            "fulfillment_order": body,
            "order": body,
            "fulfillment_order_merges": body,
        }
        assert deliver(client, {**nested, **body}, topic=topic, webhook_id=str(number)).status_code == 200
    assert set(Job.objects.values_list("subject", flat=True)) == {f"shop:{shop.pk}"}


SUBJECTS = [
    ("orders__create", "order:{}:820982911946154508"),
    ("orders__edited", "order:{}:820982911946154500"),
    ("refunds__create", "order:{}:820982911946154500"),
    ("fulfillments__create", "order:{}:820982911946154500"),
    ("returns__approve", "order:{}:4783296544821"),
    ("returns__close", "order:{}:4783296544821"),
    ("fulfillment_orders__moved", "fulfillment_order:{}:1"),
    ("fulfillment_orders__merged", "fulfillment_order:{}:1"),
    ("fulfillment_orders__placed_on_hold", "fulfillment_order:{}:1"),
    ("products__update", "product:{}:788032119674292922"),
    ("inventory_levels__update", "inventory_item:{}:271878346596884000"),
    ("app__uninstalled", "shop:{}"),
]


@pytest.mark.parametrize(("sample", "subject"), SUBJECTS)
def test_the_subject_is_what_the_body_is_about(client: Client, shop: Shop, sample: str, subject: str) -> None:
    deliver(
        client, raw=(PAYLOADS / "samples" / f"{sample}.json").read_bytes(), topic=sample.replace("__", "/")
    )
    assert webhooks().get().subject == subject.format(shop.pk)


@pytest.mark.django_db(transaction=True)
def test_it_takes_one_statement_once_the_shop_is_known(client: Client) -> None:
    assert statements_of(client, "first") == ["SELECT", "STORE"]
    assert statements_of(client, "second") == ["STORE"]


@pytest.mark.django_db(transaction=True)
def test_a_refusal_takes_one_select(client: Client) -> None:
    for _ in ("unknown", "kept", "kept"):
        with CaptureQueriesContext(connection) as queries:
            assert deliver(client, secret="guess").status_code == 401
        assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def statements_of(client: Client, webhook_id: str) -> list[str]:
    """The statements of a webhook that is stored."""
    with CaptureQueriesContext(connection) as queries:
        assert deliver(client, webhook_id=webhook_id).json() == {"status": "stored"}
    return ["STORE" if "ops_store_event" in query["sql"] else query["sql"].split()[0] for query in queries]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("dead_redis")
def test_without_redis_it_is_stored_and_answered_at_once(client: Client) -> None:
    began = time.monotonic()
    statuses = [deliver(client, webhook_id=f"wh-{n}").status_code for n in range(5)]
    assert statuses == [200] * 5
    assert time.monotonic() - began < 1.0
    assert webhooks().count() == 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("silent_redis")
def test_a_redis_that_never_answers_costs_less_than_a_second(client: Client) -> None:
    began = time.monotonic()
    statuses = [deliver(client, webhook_id=f"wh-{n}").status_code for n in range(5)]
    assert statuses == [200] * 5
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("broken", ["ops.queue.jobs.NewJob.enqueue", "ops.doors.senders.Senders._read"])
def test_without_the_database_it_answers_503(client: Client, broken: str) -> None:
    with mock.patch(broken, side_effect=OperationalError("server closed the connection")):
        assert deliver(client).status_code == 503
    assert not Job.objects.exists()
    assert deliver(client).status_code == 200
