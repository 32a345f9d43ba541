"""The delta since the watermark: page by page, from where the last run ended, told apart from what was known."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from django.core.management import CommandError, call_command
from django.utils import timezone
from structlog.testing import capture_logs

from inventory import jobs as inventory_jobs
from inventory import reservations
from inventory.models import StockLevel, Watermark
from inventory.reservations import Need
from inventory.stock import reconcile
from inventory.tasks import reconcile_all
from ops.errors import Permanent, Transient
from ops.models import Alert, Job
from ops.refs import Subject
from tests.builders import make_connection, make_level, make_shop, make_warehouse
from tests.drain import drain
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def north() -> Connection:
    return make_connection()


@pytest.fixture
def berlin(north: Connection) -> Warehouse:
    return make_warehouse(make_shop(), north)


class Wms:
    """GET /inventory in pages; `asked` holds the parameters of every call."""

    def __init__(self, http: responses.RequestsMock) -> None:
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.asked: list[dict[str, str]] = []
        self.statuses: list[int] = []
        http.add_callback("GET", "http://wms.test/north/inventory", callback=self.answer)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(str(request.url)).query).items()}
        self.asked.append(asked)
        if self.statuses:
            return self.statuses.pop(0), {}, "{}"
        number = int(asked.get("cursor", 0))
        following = str(number + 1) if number + 1 < len(self.pages) else None
        return 200, {}, json.dumps({"items": self.pages[number], "nextCursor": following})


@pytest.fixture
def wms(http: responses.RequestsMock) -> Wms:
    return Wms(http)


def item(
    code: str = "MUG", units: int = 5, warehouse: str = "BER1", at: datetime | None = None
) -> dict[str, Any]:
    updated_at = (at or timezone.now()).isoformat()
    figures = {"availableQuantity": units, "onHandQuantity": units}
    return {"wmsItemCode": code, "warehouseId": warehouse, "updatedAt": updated_at, **figures}


def watermark() -> Watermark:
    return Watermark.objects.get()


def test_the_first_run_reads_everything_and_sets_the_watermark(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    wms.pages = [[item(units=5), item("CUP", 0)]]
    page = reconcile.reconcile(north)
    assert (page.read, page.changed, page.drift, page.done) == (2, 2, 0, True)
    assert wms.asked == [{"limit": "500"}]
    assert dict(StockLevel.objects.values_list("item_code", "available")) == {"MUG": 5, "CUP": 0}
    assert (watermark().updated_since is not None, watermark().started_at) == (True, None)


def test_the_next_run_reads_since_the_watermark_with_an_overlap(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    since = timezone.now() - timedelta(hours=1)
    Watermark.objects.create(connection=north, updated_since=since)
    reconcile.reconcile(north)
    asked = datetime.fromisoformat(wms.asked[0]["updatedSince"])
    assert asked == since - reconcile.OVERLAP
    assert Watermark.objects.filter(updated_since__gt=since).exists()


def test_the_watermark_moves_only_with_the_last_page(north: Connection, berlin: Warehouse, wms: Wms) -> None:
    wms.pages = [[item("A")], [item("B")], [item("C")]]
    pages = [reconcile.reconcile(north).done]
    assert (watermark().updated_since, watermark().cursor) == (None, "1")
    started_at = watermark().started_at
    pages += [reconcile.reconcile(north).done for _ in range(2)]
    assert pages == [False, False, True]
    assert (watermark().updated_since, watermark().cursor) == (started_at, "")
    assert StockLevel.objects.count() == 3


def test_a_full_run_ignores_the_watermark_on_every_page(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    Watermark.objects.create(connection=north, updated_since=timezone.now())
    wms.pages = [[item("A")], [item("B")]]
    reconcile.reconcile(north, full=True)
    reconcile.reconcile(north)
    assert wms.asked == [{"limit": "500"}, {"limit": "500", "cursor": "1"}]
    assert (watermark().full, watermark().cursor) == (False, "")


def test_a_full_run_begins_anew_when_a_partial_one_is_under_way(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    Watermark.objects.create(connection=north, started_at=timezone.now(), cursor="7")
    reconcile.reconcile(north, full=True)
    assert wms.asked == [{"limit": "500"}]


def test_an_outage_leaves_the_run_where_it_was(north: Connection, berlin: Warehouse, wms: Wms) -> None:
    Watermark.objects.create(connection=north, started_at=timezone.now(), cursor="1")
    wms.statuses = [503]
    with pytest.raises(Transient):
        reconcile.reconcile(north)
    assert watermark().cursor == "1"


def test_a_cursor_that_the_wms_refuses_does_not_hold_up_the_next_run(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    Watermark.objects.create(connection=north, started_at=timezone.now(), cursor="gone")
    wms.statuses = [410]
    with pytest.raises(Permanent):
        reconcile.reconcile(north)
    assert reconcile.reconcile(north).done


def test_what_no_event_told_is_counted_and_logged_as_drift(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    make_level(berlin, available=9)
    make_level(berlin, "CUP", 5, observed_at=timezone.now() - timedelta(hours=1))
    wms.pages = [[item(units=7, at=timezone.now() + timedelta(seconds=5)), item("CUP", 5), item("NEW", 1)]]
    with capture_logs() as logs:
        page = reconcile.reconcile(north)
    assert (page.changed, page.unchanged, page.drift) == (2, 1, 1)
    assert [log["examples"] for log in logs if log["event"] == "stock_drift"] == [("MUG",)]


def test_our_own_orders_are_no_drift(north: Connection, berlin: Warehouse, wms: Wms) -> None:
    make_level(berlin, available=9, observed_at=timezone.now() - timedelta(hours=1))
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 2)])
    reservations.confirm("order-1")
    wms.pages = [[item(units=7, at=timezone.now() + timedelta(seconds=5))]]
    assert reconcile.reconcile(north).drift == 0
    assert StockLevel.objects.get().reserved == 0


def test_a_warehouse_that_is_not_configured_is_told_and_the_rest_is_applied(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    wms.pages = [[item(), item(warehouse="ROM1")]]
    page = reconcile.reconcile(north)
    assert (page.changed, page.unknown_warehouses) == (1, ("ROM1",))


def test_an_item_that_cannot_be_read_is_told_once_and_the_rest_is_applied(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    wms.pages = [[item("A"), {**item("B"), "availableQuantity": "many"}], [item("C")]]
    for full in (True, False, True, False):
        reconcile.reconcile(north, full=full)
    assert sorted(StockLevel.objects.values_list("item_code", flat=True)) == ["A", "C"]
    alert = Alert.objects.get()
    assert (alert.kind, alert.state, alert.count) == ("stock_items_unread", "open", 2)
    assert "B: availableQuantity: " in alert.meaning


def test_that_items_cannot_be_read_is_over_once_a_whole_run_could_read_all(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    wms.pages = [[{**item("B"), "updatedAt": "?"}]]
    reconcile.reconcile(north)
    wms.pages = [[item("B")]]
    reconcile.reconcile(north)
    assert Alert.objects.get().state == "open"
    reconcile.reconcile(north, full=True)
    assert Alert.objects.get().state == "closed"


def test_every_page_is_a_run_of_one_job(north: Connection, berlin: Warehouse, wms: Wms) -> None:
    wms.pages = [[item("A")], [item("B")], [item("C")]]
    inventory_jobs.reconcile(north)
    inventory_jobs.reconcile(north)
    ran = drain()
    assert ran.count("inventory.reconcile") == 3
    assert Job.objects.get(kind="inventory.reconcile").state == "done"
    assert [asked.get("cursor") for asked in wms.asked] == [None, "1", "2"]


def test_the_tick_asks_every_active_connection(north: Connection) -> None:
    south = make_connection("south")
    make_connection("off", is_active=False)
    reconcile_all()
    jobs = Job.objects.filter(kind="inventory.reconcile").values_list("payload__connection", "lane_id")
    assert sorted(jobs) == [(north.pk, "wms:north"), (south.pk, "wms:south")]


def test_without_deltas_a_connection_is_read_once_a_day(north: Connection) -> None:
    Connection.objects.update(capabilities=["find_order"])
    assert reconcile.request_all() == 1
    hour_ago = timezone.now() - timedelta(hours=1)
    Watermark.objects.create(connection=north, updated_since=hour_ago, full_at=hour_ago)
    assert reconcile.request_all() == 0
    Watermark.objects.update(full_at=timezone.now() - timedelta(hours=25))
    assert reconcile.request_all() == 1


def test_everything_is_read_once_a_day_and_when_a_warehouse_is_new(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    def read_all() -> bool:
        reconcile_all()
        drain()
        return "updatedSince" not in wms.asked[-1]

    assert [read_all(), read_all()] == [True, False]
    make_warehouse(berlin.shop, north, "Rome")
    assert [read_all(), read_all()] == [True, False]
    Watermark.objects.update(full_at=timezone.now() - timedelta(hours=25))
    assert [read_all(), read_all()] == [True, False]


def test_a_connection_switched_off_meanwhile_is_not_read(north: Connection, wms: Wms) -> None:
    inventory_jobs.reconcile(north)
    Connection.objects.update(is_active=False)
    drain()
    assert wms.asked == []


def test_the_command_reads_all_pages_and_tells(north: Connection, berlin: Warehouse, wms: Wms) -> None:
    wms.pages = [[item("A"), item("B", warehouse="ROM1")], [item("C")]]
    out = StringIO()
    call_command("reconcile", "--connection", "north", "--full", stdout=out)
    assert out.getvalue().splitlines() == [
        "north:",
        "  page 1: 2 read, 1 changed, 0 unchanged, 0 older than known, 0 drifted; not configured: ROM1",
        "  page 2: 1 read, 1 changed, 0 unchanged, 0 older than known, 0 drifted",
    ]


def test_the_command_fails_when_a_connection_cannot_be_read(north: Connection, wms: Wms) -> None:
    wms.statuses = [503]
    with pytest.raises(CommandError, match="not read to the end: north"):
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CommandError, match="no active connection"):
        call_command("reconcile", "--connection", "west")


def test_the_alert_of_an_unknown_warehouse_closes_once_it_is_known(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    Alert.objects.create(
        kind="unknown_warehouse", subject=Subject("north/BER1"), title="t", meaning="m", action="a"
    )
    wms.pages = [[item()]]
    reconcile.reconcile(north)
    assert Alert.objects.get().state == "closed"
