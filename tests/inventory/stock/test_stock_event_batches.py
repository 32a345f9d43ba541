"""Stock events that are applied at once: with the result that they have one by one, and with the statements of one."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import StockLevel
from inventory.stock import levels as stock_levels
from inventory.stock import stock_events
from inventory.stock.stock_events import StockEvent
from ops.models import Alert, Job
from ops.refs import LaneName
from tests.builders import make_connection, make_level, make_shop, make_warehouse
from tests.drain import drain
from wms.jobs import CALLBACKS, CallbackPayload
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 11, 27, 12, tzinfo=UTC)
_number = itertools.count()


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(is_active=False), make_connection())


def event(at: Warehouse, item: str = "MUG", *, minute: int = 0, **data: Any) -> StockEvent:
    told = {"wmsItemCode": item, "warehouseId": at.wms_warehouse_code, "availableQuantity": 5, **data}
    return StockEvent(at.connection.id, str(uuid.uuid4()), NOON + timedelta(minutes=minute), told)


def enqueue(*events: StockEvent) -> None:
    for each in events:
        payload = CallbackPayload(
            connection=each.connection_id,
            event_id=each.event_id,
            type="inventory",
            occurred_at=each.occurred_at,
            data=each.data,
        )
        CALLBACKS["inventory"].new(payload, key=each.event_id, lane=lane_of(each)).enqueue()


def lane_of(each: StockEvent) -> LaneName:
    return Warehouse.objects.filter(connection=each.connection_id).get().connection.inbox_lane


def levels() -> list[tuple[Any, ...]]:
    return list(
        StockLevel.objects.order_by("item_code").values_list(
            "item_code", "available", "on_hand", "observed_at", "sequence"
        )
    )


def test_known_items_cost_a_constant_number_of_statements(berlin: Warehouse) -> None:
    for item in ("MUG", "TEE", "BOX"):
        make_level(berlin, item, available=9)
    counts = []
    for items in (["MUG"], ["MUG", "TEE", "BOX"]):
        told = [event(berlin, item, minute=next(_number), availableQuantity=3) for item in items]
        StockLevel.objects.update(available=9, observed_at=NOON - timedelta(days=1))
        with CaptureQueriesContext(connection) as queries:
            stock_events.apply(told)
        counts.append(len(queries))
    assert counts == [6, 6]  # the warehouse, BEGIN, lock, store, push, COMMIT


def test_an_event_that_changes_nothing_writes_nothing(berlin: Warehouse) -> None:
    stock_events.apply([event(berlin)])
    before = StockLevel.objects.get()
    StockLevel.objects.update(push_due_since=None)
    with CaptureQueriesContext(connection) as queries:
        stock_events.apply([event(berlin)])
    after = StockLevel.objects.get()
    assert len(queries) == 5
    assert (after.updated_at, after.push_due_since) == (before.updated_at, None)


def test_one_run_takes_the_events_that_wait(berlin: Warehouse) -> None:
    enqueue(*[event(berlin, f"ITEM{number}", availableQuantity=number) for number in range(12)])
    drain()
    assert StockLevel.objects.count() == 12
    assert set(Job.objects.filter(kind="wms.inventory").values_list("state", "attempts")) == {("done", 1)}


def test_one_that_cannot_be_read_dies_alone(berlin: Warehouse) -> None:
    enqueue(event(berlin, "MUG"), event(berlin, "TEE", availableQuantity="many"), event(berlin, "BOX"))
    drain()
    drain(advance=timedelta(minutes=1))
    assert [item for item, *_ in levels()] == ["BOX", "MUG"]
    dead = Job.objects.get(kind="wms.inventory", state="dead")
    assert dead.payload["data"]["wmsItemCode"] == "TEE"
    assert Job.objects.filter(kind="wms.inventory", state="done").count() == 2


def test_what_was_applied_is_not_applied_again_when_another_warehouse_fails(berlin: Warehouse) -> None:
    """The jobs of a failed run are tried again one by one, in any order, and a clock that ticks in seconds does not
    tell which of two quantities is the later one."""
    rome = make_warehouse(
        make_shop("rome.myshopify.com", is_active=False), berlin.connection, wms_warehouse_code="ROM1"
    )
    first, second = event(berlin, availableQuantity=3), event(berlin, availableQuantity=2)
    real = stock_levels.apply

    def fails_in_rome(warehouse: Warehouse, *given: Any, **more: Any) -> Any:
        if warehouse.pk == rome.pk:
            raise OperationalError("deadlock detected")
        return real(warehouse, *given, **more)

    told = [first, second, event(rome)]
    with mock.patch.object(stock_levels, "apply", fails_in_rome), pytest.raises(OperationalError):
        stock_events.apply(told)
    for again in reversed(told):
        stock_events.apply([again])
    quantities = StockLevel.objects.values_list("warehouse", "available")
    assert set(quantities) == {(berlin.pk, 2), (rome.pk, 5)}


def test_an_unknown_warehouse_keeps_no_other_from_its_stock(berlin: Warehouse) -> None:
    stock_events.apply([event(berlin, warehouseId="ROM1"), event(berlin)])
    assert [item for item, *_ in levels()] == ["MUG"]
    assert Alert.objects.get().kind == "unknown_warehouse"


_told = st.fixed_dictionaries(
    {
        "item": st.sampled_from(["MUG", "TEE"]),
        "minute": st.integers(0, 3),
        "availableQuantity": st.none() | st.integers(0, 3),
        "onHandQuantity": st.none() | st.integers(0, 3),
        "sequence": st.none() | st.integers(0, 3),
    }
).filter(lambda told: told["availableQuantity"] is not None or told["onHandQuantity"] is not None)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(_told, max_size=8), basis=st.sampled_from(["available", "on_hand"]))
def test_at_once_they_leave_what_they_leave_one_by_one(
    berlin: Warehouse, told: Sequence[dict[str, Any]], basis: str
) -> None:
    berlin.connection.stock_basis = basis
    berlin.connection.save()
    StockLevel.objects.all().delete()
    for each in told:
        stock_events.apply([event(berlin, **each)])
    one_by_one, marked = levels(), StockLevel.objects.filter(push_due_since__isnull=False).count()
    StockLevel.objects.all().delete()
    stock_events.apply([event(berlin, **each) for each in told])
    assert (levels(), StockLevel.objects.filter(push_due_since__isnull=False).count()) == (one_by_one, marked)
