"""A WMS's stock callback: over HTTP in, a level out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from structlog.testing import capture_logs

from inventory.models import StockLevel
from ops.doors import signatures
from ops.models import Alert, Job
from tests.builders import make_connection, make_shop, make_warehouse
from tests.drain import drain
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(is_active=False), make_connection())


def call_back(client: Client, event: str, *, seconds_ago: int = 0, units: int = 5, **changes: Any) -> None:
    """Deliver an inventory callback and run what it leads to."""
    known = {
        "wmsItemCode": "MUG",
        "warehouseId": "BER1",
        "availableQuantity": units,
        "eventType": "adjustment",
    }
    data = {**known, **changes}
    occurred_at = (timezone.now() - timedelta(seconds=seconds_ago)).isoformat()
    body = json.dumps(
        {"eventId": event, "type": "inventory", "occurredAt": occurred_at, "data": data}
    ).encode()
    signature = signatures.sign("wms-secret", body)
    response = client.post(
        "/webhooks/wms/north/", body, content_type="application/json", headers={"X-WMS-Signature": signature}
    )
    assert response.status_code == 200
    drain()


def event_jobs() -> list[tuple[str, str]]:
    return list(Job.objects.filter(kind="wms.inventory").order_by("pk").values_list("state", "error_class"))


def test_a_stock_event_reaches_the_level(client: Client, berlin: Warehouse) -> None:
    call_back(client, "e1", onHandQuantity=8, sequence=3)
    level = StockLevel.objects.get()
    assert (level.item_code, level.available, level.on_hand, level.sequence) == ("MUG", 5, 8, 3)
    assert level.push_due_since is not None


def test_events_out_of_order_leave_the_newest_quantity(client: Client, berlin: Warehouse) -> None:
    call_back(client, "e2", seconds_ago=10, units=2)
    call_back(client, "e1", seconds_ago=20, units=9)
    assert StockLevel.objects.get().available == 2
    assert event_jobs() == [("done", ""), ("done", "")]


def test_the_same_event_under_two_jobs_is_looked_at_once(client: Client, berlin: Warehouse) -> None:
    call_back(client, "e1", units=5)
    StockLevel.objects.update(available=1, observed_at=timezone.now() - timedelta(hours=1))
    Job.objects.filter(kind="wms.inventory").update(state="ready", key="another", run_at=timezone.now())
    drain()
    assert StockLevel.objects.get().available == 1


def test_another_quantity_under_a_known_event_id_or_sequence_reaches_the_level(
    client: Client, berlin: Warehouse
) -> None:
    for units in (5, 3, 4):
        call_back(client, "e1", units=units, sequence=7)
    assert StockLevel.objects.get().available == 4


def test_one_warehouse_of_two_shops_gets_it_for_both(client: Client, berlin: Warehouse) -> None:
    shop = make_shop("paris.myshopify.com", is_active=False)
    make_warehouse(shop, berlin.connection, wms_warehouse_code="BER1")
    call_back(client, "e1")
    assert list(StockLevel.objects.values_list("available", flat=True)) == [5, 5]


def test_the_same_code_at_another_connection_is_another_warehouse(client: Client, berlin: Warehouse) -> None:
    make_warehouse(berlin.shop, make_connection("south"), wms_warehouse_code="BER1")
    call_back(client, "e1")
    assert StockLevel.objects.get().warehouse == berlin


def test_an_unknown_warehouse_is_alerted_once_and_ends_well(client: Client, berlin: Warehouse) -> None:
    call_back(client, "e1", warehouseId="ROM1")
    call_back(client, "e2", warehouseId="ROM1")
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject, alert.count) == ("unknown_warehouse", "north/ROM1", 1)
    assert event_jobs() == [("done", ""), ("done", "")]
    assert not StockLevel.objects.exists()


@pytest.mark.parametrize(
    "broken", [{"availableQuantity": "many"}, {"wmsItemCode": ""}, {"availableQuantity": None}]
)
def test_a_broken_event_is_a_dead_letter_that_can_be_replayed(
    client: Client, berlin: Warehouse, broken: dict[str, Any]
) -> None:
    call_back(client, "e1", **broken)
    assert event_jobs() == [("dead", "Permanent")]
    job = Job.objects.get(kind="wms.inventory")
    mended = {**job.payload, "data": {"wmsItemCode": "MUG", "warehouseId": "BER1", "availableQuantity": 4}}
    Job.objects.filter(pk=job.pk).update(payload=mended, state="ready", run_at=timezone.now())
    drain()
    assert StockLevel.objects.get().available == 4


def test_an_unknown_warehouse_is_told_for_the_connection_that_reported_it(
    client: Client, berlin: Warehouse
) -> None:
    make_connection("aaa")
    call_back(client, "e1", warehouseId="ROM1")
    assert Alert.objects.get().subject == "north/ROM1"


def test_a_warehouse_of_another_connection_is_unknown_here(client: Client, berlin: Warehouse) -> None:
    make_warehouse(berlin.shop, make_connection("south"), "Rome", wms_warehouse_code="ROM1")
    call_back(client, "e1", warehouseId="ROM1")
    assert not StockLevel.objects.exists()


def test_a_field_that_cannot_be_read_is_told_and_the_stock_is_applied(
    client: Client, berlin: Warehouse
) -> None:
    call_back(client, "e1", sequence="many")
    assert StockLevel.objects.get().available == 5
    assert "sequence" in Alert.objects.get(kind="callback_field_unread").meaning


@pytest.mark.parametrize(("kind", "source"), [("receive", "receive"), (None, "event")])
def test_the_log_says_what_kind_of_event_it_was(
    client: Client, berlin: Warehouse, kind: str | None, source: str
) -> None:
    with capture_logs() as logs:
        call_back(client, "e1", eventType=kind)
    assert [log["source"] for log in logs if log["event"] == "stock_applied"] == [source]
