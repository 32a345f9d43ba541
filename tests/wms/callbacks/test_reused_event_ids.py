"""Callbacks whose event id is known: the same one is a duplicate, another one is worked on, and staff are told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ops.models import Alert, Job
from ops.queue import retention
from ops.refs import Subject
from tests.builders import make_connection
from tests.drain import drain
from tests.wms.callbacks.test_events import INVENTORY, envelope
from tests.wms.callbacks.test_receiver import deliver
from wms.models import Connection

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
OTHERS = {
    "another type": {"type": "order_status", "data": {"wmsOrderId": "W1", "status": "picking"}},
    "another body": {"data": {"wmsOrderId": "W2"}},
    "another time": {"occurredAt": "2026-11-25T10:00:00Z"},
}


@pytest.fixture(autouse=True)
def north() -> Connection:
    return make_connection(callback_secret="new-secret")


def outcomes(*bodies: Any) -> list[str]:
    return [deliver(body).json()["status"] for body in bodies]


def of_events() -> Any:
    return Job.objects.filter(kind__startswith="wms.").order_by("id")


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_another_event_with_a_known_id_is_kept_and_its_repetition_is_not(changes: dict[str, Any]) -> None:
    first, other = envelope(), envelope(**changes)
    assert outcomes(first, other, first, other) == ["stored", "stored", "duplicate", "duplicate"]
    kept = of_events().values_list("payload__type", "payload__data")
    assert list(kept) == [(each["type"], each["data"]) for each in (first, other)]


def test_white_space_and_the_order_of_names_make_no_other_event() -> None:
    raw = b'{"eventId": "e1", "type": "inventory", "occurredAt": "2026-11-25T10:00:00Z", "data": {"a": 1, "b": [2]}}'
    same = b'{"data":{"b":[2],\n"a":1},"occurredAt":"2026-11-25T11:00:00+01:00","type":"inventory","eventId":"e1"}'
    assert outcomes(raw, same) == ["stored", "duplicate"]


def test_what_a_sender_says_of_its_attempt_makes_no_other_event() -> None:
    assert outcomes(envelope(), envelope(attempt=2, sentAt="2026-11-25T12:00:00Z")) == ["stored", "duplicate"]


def test_staff_are_told_once_per_connection_however_many_come(north: Connection) -> None:
    make_connection("south", callback_secret="new-secret")
    for units in range(5):
        deliver(envelope(type="inventory", data={**INVENTORY, "availableQuantity": units}))
    deliver(envelope(), slug="south")
    drain(advance=timedelta(minutes=1))
    alert = Alert.objects.get(kind="event_ids_reused")
    assert (alert.subject, alert.count) == ("wms:north", 1)
    assert "north sends different callbacks with the same ID" in alert.title
    assert "e1" in alert.meaning
    assert "vendor" in alert.action
    assert Job.objects.filter(kind="ops.ids_reused").count() == 1


def test_a_mere_repetition_is_no_news() -> None:
    outcomes(envelope(), envelope())
    assert not Job.objects.filter(kind="ops.ids_reused").exists()


def test_the_alert_closes_after_a_day_without_another() -> None:
    outcomes(envelope(), envelope(type="order_status"))
    drain(advance=timedelta(minutes=1))
    look = Job.objects.get(kind="ops.ids_reused")
    assert look.run_at > timezone.now() + timedelta(hours=23)
    long_ago = (timezone.now() - DAY).isoformat()
    Job.objects.filter(id=look.id).update(payload={**look.payload, "at": long_ago})
    drain(advance=DAY)
    assert Alert.objects.get(kind="event_ids_reused").state == Alert.State.CLOSED
    assert Job.objects.get(kind="ops.ids_reused").state == Job.State.DONE


def test_one_that_staff_closed_opens_again_with_the_next() -> None:
    outcomes(envelope(), envelope(type="order_status"))
    drain(advance=timedelta(minutes=1))
    Alert.objects.update(state="closed", closed_at=timezone.now())
    deliver(envelope(type="stocktake"))
    drain(advance=timedelta(minutes=1))
    assert Alert.objects.filter(kind="event_ids_reused", state="open").count() == 1


@pytest.mark.parametrize("forgotten", [False, True], ids=["by its age", "with the customer's data"])
def test_what_was_erased_is_still_told_from_what_is_new(forgotten: bool) -> None:
    first, other = envelope(), envelope(data={"wmsOrderId": "W1", "note": "other"})
    deliver(first)
    of_events().update(state="done", finished_at=timezone.now() - timedelta(days=8))
    retention.erase([Subject("wms:north:W1")]) if forgotten else retention.prune()
    assert of_events().get().payload.keys() == {"erased_on", "digest"}
    assert outcomes(first, other, other) == ["duplicate", "stored", "duplicate"]


def test_what_is_masked_is_still_told_from_what_is_new() -> None:
    first, other = envelope(type="unheard"), envelope(type="unheard", data={"name": "Eve"})
    deliver(first)
    of_events().update(state="dead", finished_at=timezone.now() - timedelta(days=31))
    retention.prune()
    assert outcomes(first, other) == ["duplicate", "stored"]


def test_one_of_unknown_content_is_worked_on_once_more_and_nobody_is_told() -> None:
    deliver(envelope())
    of_events().update(payload={"erased_on": "2026-11-01"})  # as before there were digests
    assert outcomes(envelope(), envelope()) == ["stored", "duplicate"]
    assert not Job.objects.filter(kind="ops.ids_reused").exists()


def test_a_duplicate_costs_one_statement_more() -> None:
    deliver(envelope())
    with CaptureQueriesContext(connections["default"]) as queries:
        deliver(envelope())
    assert len(queries) == 2


@pytest.mark.django_db(transaction=True)
def test_at_the_same_instant_each_event_becomes_one_job() -> None:
    bodies = [envelope(data={"wmsOrderId": f"W{number % 3}"}) for number in range(12)]

    def send(body: dict[str, Any]) -> str:
        try:
            return str(deliver(body).json()["status"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, bodies))
    assert sorted(answers) == ["duplicate"] * 9 + ["stored"] * 3
    told = of_events().values_list("payload__data__wmsOrderId", flat=True)
    assert sorted(told) == ["W0", "W1", "W2"]
