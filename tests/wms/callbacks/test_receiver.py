"""POST /webhooks/wms/<slug>/: every status code, and what it leaves behind."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.doors.signatures import sign
from ops.models import Job, Lane
from tests.builders import make_connection
from tests.drain import drain
from tests.wms.callbacks.test_events import INVENTORY, envelope
from wms.models import Connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def north() -> Connection:
    return make_connection(callback_secret="new-secret", callback_secret_previous="old-secret")


def deliver(
    body: bytes | dict[str, Any], *, secret: str = "new-secret", slug: str = "north", **headers: str
) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = {"X-WMS-Signature": sign(secret, raw), **headers}
    return Client().post(
        f"/webhooks/wms/{slug}/", raw, content_type="application/json", headers=signed, secure=True
    )


def test_a_callback_becomes_one_job(north: Connection) -> None:
    assert deliver(envelope()).status_code == 200
    job = Job.objects.get()
    assert (job.kind, job.key, job.subject) == ("wms.shipment", "wms:north:e1", "wms:north:W1")
    assert job.lane_id == north.inbox_lane
    assert (job.payload["connection"], job.payload["event_id"]) == (north.pk, "e1")
    assert job.payload["data"]["wmsShipmentId"] == 9


def test_the_same_event_is_stored_once(north: Connection) -> None:
    answers = [deliver(envelope()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["status"] for answer in answers] == ["stored", "duplicate", "duplicate"]
    assert Job.objects.count() == 1


def test_events_of_two_connections_do_not_meet(north: Connection) -> None:
    make_connection("south", callback_secret="new-secret")
    deliver(envelope(), slug="north")
    deliver(envelope(), slug="south")
    assert sorted(Job.objects.values_list("key", flat=True)) == ["wms:north:e1", "wms:south:e1"]


def test_both_secrets_are_good_during_a_rotation(north: Connection) -> None:
    assert deliver(envelope(eventId="a"), secret="old-secret").status_code == 200
    assert deliver(envelope(eventId="b"), secret="new-secret").status_code == 200
    Connection.objects.update(callback_secret_previous="")
    assert deliver(envelope(eventId="c"), secret="old-secret").status_code == 401


def test_a_callback_costs_one_statement_once_the_connection_is_known(north: Connection) -> None:
    assert deliver(envelope(eventId="first")).status_code == 200
    with CaptureQueriesContext(database) as queries:
        assert deliver(envelope()).status_code == 200
    assert len(queries) == 1


def test_it_is_stored_whatever_the_accept_header(north: Connection) -> None:
    assert deliver(envelope(), Accept="text/csv").status_code == 200


def test_a_time_without_a_zone_is_of_the_connections_and_a_changed_one_holds_at_once(
    north: Connection,
) -> None:
    for zone, told in [("UTC", "a"), ("Europe/Berlin", "b"), ("America/New_York", "c")]:
        Connection.objects.update(time_zone=zone)
        assert deliver(envelope(eventId=told, occurredAt="2026-07-01T10:00:00")).status_code == 200
    stored = Job.objects.order_by("id").values_list("payload__occurred_at", "payload__zone")
    assert list(stored) == [
        ("2026-07-01T10:00:00+00:00", "UTC"),
        ("2026-07-01T08:00:00+00:00", "Europe/Berlin"),
        ("2026-07-01T14:00:00+00:00", "America/New_York"),
    ]


def test_a_zone_that_this_machine_does_not_know_asks_to_send_it_again(north: Connection) -> None:
    Connection.objects.update(time_zone="Mars/Base")
    assert deliver(envelope()).status_code == 503
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("body", "options", "status"),
    [
        (envelope(), {"secret": "wrong"}, 401),
        (envelope(), {"secret": ""}, 401),
        (b"not json", {"secret": "wrong"}, 401),
        (envelope(), {"slug": "nowhere"}, 401),
        (b"", {}, 400),
        (b"not json", {}, 400),
        (b"\xff\xff", {}, 400),
        (b"[1]", {}, 400),
        ({"eventId": "e1"}, {}, 400),
        (envelope(data=[1]), {}, 400),
        (b'{"data":' + b"[" * 25 + b"]" * 25 + b"}", {}, 400),
    ],
)
def test_a_refused_callback_leaves_nothing_behind(
    north: Connection, body: Any, options: Any, status: int
) -> None:
    assert deliver(body, **options).status_code == status
    assert not Job.objects.exists()
    assert not Lane.objects.exists()


def test_characters_that_postgres_cannot_store_do_not_lose_the_callback(north: Connection) -> None:
    strange = envelope(eventId="e\x001", data={"wms\x00OrderId": "W\x001", "reason": ["\ud83d", "ä"]})
    assert deliver(strange).status_code == 200
    job = Job.objects.get()
    assert (job.key, job.payload["data"]) == ("wms:north:e1", {"wmsOrderId": "W1", "reason": ["?", "ä"]})


@pytest.mark.parametrize("signature", ["", "ü", "AAAA", "=" * 4000])
def test_any_other_signature_is_refused(north: Connection, signature: str) -> None:
    answer = Client().post(
        "/webhooks/wms/north/", b"{}", content_type="text/plain", HTTP_X_WMS_SIGNATURE=signature, secure=True
    )
    assert answer.status_code == 401


def test_a_connection_without_a_secret_takes_nothing() -> None:
    make_connection("open", callback_secret="")
    assert deliver(envelope(), slug="open", secret="").status_code == 401


def test_a_connection_that_is_switched_off_loses_no_callback(north: Connection) -> None:
    Connection.objects.update(is_active=False)
    assert deliver(envelope()).status_code == 200
    assert Job.objects.count() == 1


def test_a_body_too_large_is_refused_unread(north: Connection, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    with mock.patch("django.core.handlers.wsgi.WSGIRequest.read", side_effect=AssertionError("was read")):
        assert deliver(envelope(data={"a": "x" * 1000})).status_code == 413
    assert not Job.objects.exists()


def test_a_database_that_is_down_asks_to_send_it_again(north: Connection) -> None:
    with mock.patch("ops.doors.senders.Senders._read", side_effect=OperationalError("gone")):
        assert deliver(envelope()).status_code == 503
    with mock.patch("ops.queue.jobs.NewJob.enqueue", side_effect=OperationalError("gone")):
        assert deliver(envelope()).status_code == 503
    assert deliver(envelope()).status_code == 200


def test_other_methods_are_refused(north: Connection) -> None:
    assert Client().get("/webhooks/wms/north/", secure=True).status_code == 405


def test_an_unknown_type_is_kept_for_a_person(north: Connection) -> None:
    assert deliver(envelope(type="stocktake")).status_code == 200
    drain()
    job = Job.objects.get(key="wms:north:e1")
    assert (job.kind, job.state) == ("wms.unrecognised", Job.State.DEAD)
    assert "'stocktake'" in job.error


def test_an_inventory_event_is_filed_under_its_item(north: Connection) -> None:
    deliver(envelope(type="inventory", data=INVENTORY))
    assert Job.objects.get().subject == "wms:north:MUG"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_body_ever_is_an_error_of_ours(north: Connection, raw: bytes) -> None:
    assert deliver(raw).status_code == 400


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    event=st.text(max_size=250),
    kind=st.text(max_size=70),
    data=st.dictionaries(
        st.text() | st.sampled_from(["wmsOrderId", "wmsItemCode"]),
        st.text() | st.integers() | st.floats() | st.lists(st.text()) | st.none(),
    ),
)
def test_no_envelope_ever_is_an_error_of_ours(north: Connection, event: str, kind: str, data: Any) -> None:
    assert deliver(envelope(eventId=event, type=kind, data=data)).status_code in (200, 400)
