"""Each connection is read by itself, and of two runs that meet only one moves the watermark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from inventory.models import StockLevel, Watermark
from inventory.stock import reconcile
from ops.errors import Permanent
from ops.models import Alert
from tests.builders import make_connection, make_level, make_shop, make_warehouse
from wms.adapters.base import StockPage, StockReading
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def north() -> Connection:
    return make_connection()


@pytest.fixture
def berlin(north: Connection) -> Warehouse:
    return make_warehouse(make_shop(), north)


class Wms:
    """Answers every call with the next of its pages; `meanwhile` happens during the call."""

    def __init__(self) -> None:
        self.pages: list[StockPage | Exception] = []
        self.asked: list[dict[str, Any]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def stock(self, **asked: Any) -> StockPage:
        self.asked.append(asked)
        self.meanwhile()
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


@pytest.fixture
def wms(monkeypatch: pytest.MonkeyPatch) -> Wms:
    wms = Wms()
    monkeypatch.setattr(reconcile, "adapter_for", lambda _: wms)
    return wms


def page(*readings: StockReading, cursor: str | None = None, unread: tuple[str, ...] = ()) -> StockPage:
    return StockPage(readings, cursor, unread)


def reading(units: int = 5, item: str = "MUG", code: str = "BER1") -> StockReading:
    return StockReading(item, code, units, units, timezone.now() + timedelta(seconds=5))


def run_of(connection: Connection, **changes: Any) -> Watermark:
    """The connection was read two hours ago, and perhaps a run is under way."""
    return Watermark.objects.create(
        connection=connection, **{"updated_since": timezone.now() - 2 * HOUR, **changes}
    )


def mark(connection: Connection) -> Watermark:
    return Watermark.objects.get(connection=connection)


def test_the_run_of_one_connection_leaves_the_watermark_of_the_other(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    other = run_of(make_connection("south"), started_at=timezone.now(), cursor="")
    before = Watermark.objects.filter(pk=other.pk).values().get()
    wms.pages = [page(cursor="1"), page()]
    reconcile.reconcile(north)
    assert mark(north).cursor == "1"
    reconcile.reconcile(north)
    assert mark(north).updated_since is not None
    assert Watermark.objects.filter(pk=other.pk).values().get() == before


def test_the_same_code_at_another_connection_is_another_warehouse(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    make_warehouse(berlin.shop, make_connection("south"), "Bern", wms_warehouse_code="BER1")
    wms.pages = [page(reading())]
    reconcile.reconcile(north)
    assert StockLevel.objects.get().warehouse == berlin


def test_a_warehouse_that_is_configured_elsewhere_is_unknown_here(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    make_warehouse(berlin.shop, make_connection("south"), "Rome", wms_warehouse_code="ROM1")
    wms.pages = [page(reading(code="ROM1"))]
    assert reconcile.reconcile(north).unknown_warehouses == ("ROM1",)
    assert not StockLevel.objects.exists()


def test_a_page_that_another_run_was_faster_with_moves_nothing(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    run_of(north, started_at=timezone.now() - HOUR, cursor="1")
    wms.meanwhile = lambda: Watermark.objects.update(cursor="2")
    wms.pages = [page(reading())]
    before = mark(north).updated_since
    with capture_logs() as logs:
        reconcile.reconcile(north)
    assert (mark(north).cursor, mark(north).updated_since) == ("2", before)
    assert "reconcile_superseded" in [log["event"] for log in logs]


def test_a_run_that_was_begun_anew_meanwhile_is_not_ended_by_the_old_one(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    begun = timezone.now()
    run_of(north, started_at=begun - HOUR, cursor="")
    wms.meanwhile = lambda: Watermark.objects.update(started_at=begun)
    wms.pages = [page(reading())]
    reconcile.reconcile(north)
    assert mark(north).started_at == begun


def test_the_page_of_a_run_that_goes_on_is_not_told_as_superseded(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    wms.pages = [page(reading(), cursor="1"), page()]
    with capture_logs() as logs:
        reconcile.reconcile(north)
        reconcile.reconcile(north)
    assert "reconcile_superseded" not in [log["event"] for log in logs]


def test_a_cursor_is_asked_for_only_where_there_is_one(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    wms.pages = [page(cursor="1"), page()]
    reconcile.reconcile(north)
    reconcile.reconcile(north)
    assert [asked["cursor"] for asked in wms.asked] == [None, "1"]


def test_a_refused_run_begins_anew_with_a_time_of_its_own(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    begun = timezone.now() - HOUR
    run_of(north, started_at=begun, cursor="gone")
    wms.pages = [Permanent("no such cursor")]
    with pytest.raises(Permanent):
        reconcile.reconcile(north)
    assert (mark(north).started_at, mark(north).cursor) == (None, "")


@pytest.mark.parametrize("full", [True, False])
def test_only_a_run_that_read_everything_says_that_everything_was_read(
    north: Connection, berlin: Warehouse, wms: Wms, full: bool
) -> None:
    before = timezone.now() - HOUR
    run_of(north, full_at=before)
    wms.pages = [page(reading())]
    reconcile.reconcile(north, full=full)
    read_at = mark(north).full_at
    assert read_at is not None
    assert (read_at > before) == full


def test_an_unread_item_of_an_earlier_page_is_not_over_with_the_last_page(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    for pages in ([page(cursor="1", unread=("B: ?",)), page()], [page(cursor="1"), page()]):
        wms.pages += pages
        reconcile.reconcile(north, full=True)
        assert Alert.objects.get().state == "open"
        reconcile.reconcile(north, full=True)
    assert Alert.objects.get().state == "closed"


def test_what_another_connection_could_not_read_does_not_keep_our_alert_open(
    north: Connection, berlin: Warehouse, wms: Wms
) -> None:
    south = make_connection("south")
    make_warehouse(berlin.shop, south, "Bern")
    begun = timezone.now() - HOUR
    for connection in (north, south):
        run_of(connection, started_at=begun, full=True)
        causes = [str(begun)] if connection == south else []
        texts = {"title": "t", "meaning": "m", "action": "a"}
        Alert.objects.create(kind="stock_items_unread", subject=connection.subject, causes=causes, **texts)
    wms.pages = [page(reading())]
    reconcile.reconcile(north, full=True)
    assert Alert.objects.get(state="open").subject == south.subject


@pytest.mark.parametrize(("units", "logged"), [(7, [("MUG",)]), (9, [])])
def test_drift_is_logged_only_where_there_is_some(
    north: Connection, berlin: Warehouse, wms: Wms, units: int, logged: list[Any]
) -> None:
    make_level(berlin, available=9)
    wms.pages = [page(reading(units))]
    with capture_logs() as logs:
        reconcile.reconcile(north)
    assert [log["examples"] for log in logs if log["event"] == "stock_drift"] == logged


def test_a_known_warehouse_is_not_logged_as_unknown(north: Connection, berlin: Warehouse, wms: Wms) -> None:
    wms.pages = [page(reading())]
    with capture_logs() as logs:
        reconcile.reconcile(north)
    assert "stock_of_unknown_warehouses" not in [log["event"] for log in logs]
