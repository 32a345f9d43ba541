"""What is kept, and for how long: personal data goes first, then the rows; what a person must see to stays."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from ops.alerting.alerts import raise_alert
from ops.models import Alert, Job, JobAttempt
from ops.queue import jobs, retention
from ops.refs import LaneName, Subject
from tests.builders import make_dead_letter, make_job
from wms.callbacks.events import parse_inventory, parse_order_status, parse_return_receipt, parse_shipment

pytestmark = pytest.mark.django_db

BODY = {"body": {"id": 7, "email": "ada@example.com", "shipping_address": {"name": "Ada"}}}


def ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def done(days: int, **changes: Any) -> Job:
    """A job that ended so many days ago."""
    return make_job(state="done", payload=BODY, finished_at=ago(days), **changes)


def failed_run(job: Job, days: int = 0) -> JobAttempt:
    values = {"attempt": 1, "outcome": "transient", "error_class": "Transient", "error": "Ada, Main Street 1"}
    return JobAttempt.objects.create(job=job, ended_at=ago(days), **values)


def test_a_payload_is_erased_long_before_its_row_goes() -> None:
    old, young = done(8, error="Ada, Main Street 1"), done(6)
    retention.prune()
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.payload, old.error) == ({"erased_on": timezone.now().date().isoformat()}, "")
    assert young.payload == BODY


def test_what_failed_runs_said_is_erased_with_it() -> None:
    run = failed_run(done(8))
    retention.prune()
    run.refresh_from_db()
    assert (run.error, run.error_class) == ("", "Transient")


def test_an_erased_job_is_still_the_memory_of_a_duplicate() -> None:
    old = done(29, key="shopify:berlin:wh-1")
    retention.prune()
    assert (
        jobs.NewJob(
            "shopify.orders/paid", key=old.key, lane=LaneName("shop:berlin/in"), payload=BODY
        ).enqueue()
        is None
    )


def test_a_subject_that_was_done_begins_anew_with_a_payload_of_its_own() -> None:
    old = done(8, key="read:1:7", lane_id="wms:north")
    retention.prune()
    jobs.NewJob(
        "fulfillment.read_orders",
        key="read:1:7",
        lane=LaneName("wms:north"),
        payload={"order": 7},
        coalesce=True,
    ).enqueue()
    old.refresh_from_db()
    assert (old.state, old.payload) == ("ready", {"order": 7})


def test_old_jobs_are_deleted_with_their_failed_runs() -> None:
    failed_run(done(31), days=31)
    kept = done(29)
    retention.prune()
    assert list(Job.objects.all()) == [kept]
    assert not JobAttempt.objects.exists()


@pytest.mark.parametrize("state", [{"state": "ready"}, {"state": "dead", "finished_at": ago(400)}])
def test_work_that_is_not_done_is_never_deleted(state: dict[str, Any]) -> None:
    job = make_job(payload={"order": 7}, **state)
    Job.objects.update(created_at=ago(400), run_at=ago(400))
    retention.prune()
    assert Job.objects.get().payload["order"] == 7
    assert Job.objects.get().state == job.state


def test_failed_runs_of_a_job_that_never_ends_grow_old_as_well() -> None:
    endless = make_job("inventory.push")
    failed_run(endless, days=31)
    young = failed_run(endless, days=29)
    retention.prune()
    assert list(JobAttempt.objects.all()) == [young]


def test_a_dead_letter_keeps_the_history_of_what_was_tried() -> None:
    run = failed_run(make_dead_letter(), days=400)
    retention.prune()
    assert JobAttempt.objects.get(id=run.id).error


def test_a_dead_letter_that_nobody_saw_to_keeps_what_a_replay_needs_and_no_person() -> None:
    payload = {"connection": 1, "data": {"wmsOrderId": "W7", "name": "Ada", "note": "ring twice"}}
    dead = make_dead_letter("wms.shipment", payload=payload)
    Job.objects.update(finished_at=ago(31))
    assert retention.prune()["payloads_masked"] == 1
    dead.refresh_from_db()
    assert dead.payload["data"] == {"wmsOrderId": "W7", "name": "•••", "note": "•••"}
    assert dead.payload["masked_on"] == timezone.now().date().isoformat()
    assert retention.prune()["payloads_masked"] == 0


def test_a_job_parked_for_long_is_masked_too() -> None:
    waiting: dict[str, Any] = {"parked_on": ["wms_order:1:W7"], "parked_since": timezone.now()}
    job = make_job("wms.shipment", payload={"data": {"name": "Ada"}}, **waiting)
    assert retention.prune()["payloads_masked"] == 0
    Job.objects.update(created_at=ago(31))
    assert retention.prune()["payloads_masked"] == 1
    job.refresh_from_db()
    assert (job.payload["data"], job.parked_on) == ({"name": "•••"}, ["wms_order:1:W7"])


AT = "2026-11-23T10:00:00Z"
CALLBACKS: list[tuple[Any, dict[str, Any]]] = [
    (
        parse_shipment,
        {
            "wmsOrderId": "W1",
            "wmsShipmentId": "S1",
            "warehouseId": "BER1",
            "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 2}],
            "trackingNumber": "0034",
            "carrierCode": "dhl",
            "shippedAt": AT,
        },
    ),
    (parse_inventory, {"wmsItemCode": "MUG", "warehouseId": "BER1", "availableQuantity": 5, "sequence": 3}),
    (parse_order_status, {"wmsOrderId": "W1", "status": "picking", "reason": "late"}),
    (
        parse_return_receipt,
        {
            "wmsReturnId": "R1",
            "wmsOrderId": "W1",
            "warehouseId": "BER1",
            "items": [{"wmsItemCode": "MUG", "quantity": 1, "condition": "sellable"}],
            "receivedAt": AT,
        },
    ),
]


@pytest.mark.parametrize(("parse", "data"), CALLBACKS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_masked_callback_says_to_its_handler_what_it_said_before(parse: Any, data: dict[str, Any]) -> None:
    kept = {"connection": 1, "occurred_at": AT, "zone": "Europe/Berlin"}
    dead = make_dead_letter("wms.shipment", payload={**kept, "data": data})
    Job.objects.update(finished_at=ago(31))
    retention.prune()
    dead.refresh_from_db()
    assert parse(dead.payload["data"]) == parse(data)
    assert {name: dead.payload[name] for name in kept} == kept


def test_closed_alerts_are_deleted_and_open_ones_stay() -> None:
    for number in range(3):
        raise_alert("no_warehouse", subject=Subject(f"order:1:{number}"), title="t", meaning="m", action="a")
    Alert.objects.filter(subject="order:1:0").update(state="closed", closed_at=ago(31))
    Alert.objects.filter(subject="order:1:1").update(state="closed", closed_at=ago(29))
    Alert.objects.filter(subject="order:1:2").update(first_at=ago(400), last_at=ago(400))
    retention.prune()
    assert sorted(Alert.objects.values_list("subject", flat=True)) == ["order:1:1", "order:1:2"]


def test_a_tick_goes_on_batch_after_batch_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.queue.retention.BATCH", 2)
    for _ in range(5):
        done(31)
    with capture_logs() as logs:
        assert retention.prune()["jobs_deleted"] == 5
    assert [(log["event"], log["jobs_deleted"], log["behind"]) for log in logs] == [("retention", 5, [])]


def test_a_tick_ends_in_time_and_says_what_it_is_behind_with() -> None:
    done(31)
    with capture_logs() as logs:
        retention.run_cleanups(retention.cleanups(), longest=0)
    assert Job.objects.count() == 1
    assert "jobs_deleted" in logs[0]["behind"]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_is_at_is_left_to_the_next_tick_and_not_waited_for() -> None:
    busy, free = done(31), done(31)
    pruned = threading.Thread(target=_prune_elsewhere)
    with transaction.atomic():
        Job.objects.select_for_update().get(id=busy.id)
        pruned.start()
        pruned.join(timeout=10)
        assert not pruned.is_alive()
    assert not Job.objects.filter(id=free.id).exists()
    assert Job.objects.filter(id=busy.id).exists()


def _prune_elsewhere() -> None:
    try:
        retention.prune()
    finally:
        connection.close()


def test_to_forget_a_subject_waits_for_no_age() -> None:
    finished, dead = done(0, subject="order:1:7"), make_dead_letter(subject="order:1:7", payload=BODY)
    other = done(0, subject="order:1:8")
    raise_alert(
        "wms_rejected", subject=Subject("order:1:7"), title="t", meaning="Ada lives elsewhere", action="a"
    )
    retention.erase([Subject("order:1:7")])
    for job in (finished, dead, other):
        job.refresh_from_db()
    assert "body" not in finished.payload
    assert dead.payload["body"]["shipping_address"] == {"name": "•••"}
    assert (dead.error, dead.history.get().error) == (retention.FORGOTTEN, "")
    assert Alert.objects.get().meaning == retention.FORGOTTEN
    assert other.payload == BODY
