"""Wherever a worker is killed, and however a `fulfillmentCreate` ends, each shipment is fulfilled once."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db.models import F
from django.db.models.functions import Now

from fulfillment import jobs
from fulfillment.fulfillments import creation
from fulfillment.models import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    Shipment,
    ShipmentLine,
    ShipmentUnit,
)
from fulfillment.models.states import ShipmentState
from fulfillment.shipments import held_shipments, intake
from ops.models import Alert, Job, Lane
from ops.workers import dispatch, leases
from tests import workers
from tests.builders import make_connection, make_shipment, make_shop, make_warehouse
from tests.fulfillment.fake_shopify import FAULTS, WORK, WORK_LINE, FakeShopify
from tests.fulfillment.order_rows import at_warehouse
from tests.fulfillment.scene import LATER

pytestmark = pytest.mark.django_db
numbers = itertools.count(1)
PLACES = {
    "before the attempt is recorded": (creation, "_begin_attempt", ["ok"]),
    "before the answer is recorded": (creation, "record", ["ok"]),
    "before it is taken back": (creation, "_void_attempt", ["throttled"]),
    "before a refused one is taken back": (creation, "_void_attempt", ["refused"]),
    "before a refusal is recorded": (held_shipments, "hold_shipment", ["refused", "refused"]),
    "once all is recorded": (workers, "finish", ["ok"]),
    "before the retry": (leases, "retry", ["timeout_after"]),
}
"""Where a worker stops, and the outcomes of its calls without which it does not come there."""

ENDS = [([fault], "", "") for fault in FAULTS]
ENDS += [(faults, at, befalls) for at, (*_, faults) in PLACES.items() for befalls in ("die", "hang")]

READINGS = {"none": None, "true": (WORK, WORK_LINE), "outdated": (WORK + 10, WORK_LINE + 10)}
"""What the last reading of the order said: the ids of the fulfilment order and its line, if it saw them."""


class TwoShipments:
    """Two equal shipments of an order, without tracking: nothing tells one from the other at Shopify."""

    def __init__(self, staff: workers.Workers, *, reading: str) -> None:
        self.staff, number = staff, next(numbers)
        shop = make_shop(f"shop-{number}.myshopify.com")
        warehouse = make_warehouse(shop, make_connection(f"wms-{number}"))
        self.order: Order = at_warehouse(warehouse, units=3)
        line = self.order.lines.get()
        self.shipments = [make_shipment(self.order.wms_orders.get()) for _ in range(2)]
        for shipment in self.shipments:
            ShipmentLine.objects.create(shipment=shipment, item_code="MUG", quantity=1, counted=1)
            ShipmentUnit.objects.create(shipment=shipment, order_line=line, quantity=1)
        self.shopify = FakeShopify(line.shopify_line_id, warehouse.shopify_location_id, left=3)
        if seen := READINGS[reading]:
            FulfillmentOrder.objects.filter(order=self.order).update(
                shopify_fulfillment_order_id=seen[0], location_id=warehouse.shopify_location_id
            )
            FulfillmentOrderLine.objects.filter(order_line=line).update(shopify_line_id=seen[1])
        Job.objects.all().delete()
        jobs.shipments.fulfill(self.order)

    def work(self, *faults: str, at: str = "", befalls: str = "") -> None:
        self.shopify.faults[:] = faults
        with self.shopify.online():
            if not at:
                self.staff.work()
                return
            module, name, _ = PLACES[at]
            stops = workers.once(getattr(module, name), getattr(workers, befalls))
            with mock.patch.object(module, name, stops):
                self.staff.work()

    def is_given_up(self) -> None:
        Job.objects.filter(state="running").update(lease_until=Now() - workers.LEASE)
        dispatch.recover()
        Job.objects.filter(state="ready").update(run_at=F("run_at") - LATER)
        Lane.objects.update(open_until=F("open_until") - LATER)

    def a_hung_one_goes_on(self) -> None:
        with self.shopify.online():
            self.staff.go_on(0)

    def settle(self) -> None:
        """Whatever is under way arrives, nobody hangs any more, and a person looks at what is held."""
        for _ in range(6):
            while self.staff.hung:
                self.staff.kill(0)
            self.shopify.arrive()
            Shipment.objects.update(attempt_at=F("attempt_at") - creation.SETTLE_TIME - timedelta(seconds=1))
            self.is_given_up()
            for shipment in Shipment.objects.filter(wms_order__order=self.order, state=ShipmentState.HELD):
                assert Alert.objects.filter(subject=shipment.subject, state="open").exists()
                assert intake.recheck_held(shipment.id)
            self.work()
            if not Job.objects.exclude(state="done").exists() and not self.staff.hung:
                break
        told = Shipment.objects.filter(wms_order__order=self.order, state=ShipmentState.FULFILLED)
        ids = {f"gid://shopify/Fulfillment/{shipment.shopify_fulfillment_id}" for shipment in told}
        assert ids == {fulfillment["id"] for fulfillment in self.shopify.made}, self.describe()
        assert (len(ids), self.shopify.left) == (2, 1), self.describe()
        assert not Alert.objects.filter(kind="shipment_held", state="open").exists()

    def describe(self) -> str:
        shipments = Shipment.objects.filter(wms_order__order=self.order).values_list("state", "reason")
        jobs = Job.objects.exclude(state="done").values_list("kind", "state", "error")
        return f"{[*shipments]} {[*jobs]} {self.shopify}"


@pytest.fixture(autouse=True)
def nobody_reads_alerts(settings: Any) -> None:
    """So no further jobs than the order's own."""
    settings.ALERT_EMAILS = []


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("second", ["ok", "late", "dies_after"])
def test_each_shipment_is_fulfilled_once_wherever_the_first_attempt_ends(second: str, reading: str) -> None:
    for faults, at, befalls in ENDS:
        with workers.working() as staff:
            two = TwoShipments(staff, reading=reading)
            two.work(*faults, at=at, befalls=befalls)
            two.is_given_up()
            two.work(second)
            if staff.hung:
                two.a_hung_one_goes_on()
            two.settle()


def test_nothing_is_read_where_nothing_is_in_doubt() -> None:
    with workers.working() as staff:
        two = TwoShipments(staff, reading="true")
        two.work()
    assert (len(two.shopify.made), two.shopify.reads) == (2, 0)
