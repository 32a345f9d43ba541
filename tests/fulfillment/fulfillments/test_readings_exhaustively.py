"""Wherever the steps of a reading fall between those of our fulfilment and of somebody else's, no unit is sent twice,
and after one more reading none is left behind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.db.models import F

from fulfillment import coverage, jobs
from fulfillment.fulfillments import creation
from fulfillment.models import FulfillmentOrderLine, Order, Shipment, ShipmentUnit, WmsOrderLine
from fulfillment.models.states import ShipmentState
from fulfillment.orders import sync
from fulfillment.shopify import queries
from fulfillment.shopify.snapshots import OrderNode
from ops.errors import UnknownOutcome
from ops.models import Job
from shops.api.client import Answer
from shops.models import Shop
from tests.builders import make_connection, make_shipment, make_shop, make_warehouse, make_wms_order
from tests.fulfillment.fake_shopify import LAST_PAGE, WORK, WORK_LINE, FakeShopify, Json, gid
from tests.fulfillment.order_rows import ADDRESS, ordered

pytestmark = pytest.mark.django_db
numbers = itertools.count(1)

FIRST, BEFORE, CALLED, DONE, RECORDED = range(-1, 4)
"""Where a step falls: before all readings, before our attempt, before Shopify carries the call out, before we record
it, or after that."""

READINGS = list(itertools.combinations_with_replacement((BEFORE, CALLED, DONE, RECORDED), 3))
"""Where a reading is asked for, answered and stored."""

SIZES = [(2, 1, 0), (3, 2, 1)]
"""The units of an order, those that we send, and those that somebody else fulfils."""

ENDS = ("recorded", "lost", "adopted")
"""What becomes of our call: it is recorded; its answer is lost, and it is found later; or it is not made, because
somebody made the same fulfilment by hand."""


def clock() -> datetime:
    """The time of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


class OrderAtShopify(FakeShopify):
    """A Shopify of which the order can be read, too."""

    order: Order

    def orders_by_id(self, _: Json) -> Json:
        """The order with its one line and its one fulfilment order."""
        (line,) = self.order.lines.all()
        shown = {
            "id": gid("LineItem", self.line),
            "currentQuantity": line.quantity,
            "requiresShipping": True,
            "isGiftCard": False,
        }
        address = {name: ADDRESS[name] for name in ("name", "address1", "zip")}
        order = {
            "id": gid("Order", self.order.shopify_order_id),
            "name": self.order.name,
            "updatedAt": "2027-01-01T00:00:00Z",
            "test": False,
            "shippingAddress": {**address, "countryCodeV2": ADDRESS["country"]},
            "lineItems": {"nodes": [shown], "pageInfo": LAST_PAGE},
            **self.fulfillment_orders_page({})["order"],
        }
        return {"nodes": [order]}

    def fulfil_by_hand(self, units: int, tracking: str) -> None:
        """Somebody else makes a fulfilment."""
        line = {"id": gid("FulfillmentOrderLineItem", WORK_LINE), "quantity": units}
        work = {"fulfillmentOrderId": gid("FulfillmentOrder", WORK), "fulfillmentOrderLineItems": [line]}
        made = self._make(
            {"fulfillment": {"lineItemsByFulfillmentOrder": [work], "trackingInfo": {"number": tracking}}}
        )
        assert not made["userErrors"]

    def units(self, *, ours: bool) -> int:
        """Units in our fulfilments, or in those of others."""
        return sum(
            line["quantity"]
            for each in self.made
            for line in each["fulfillmentLineItems"]["nodes"]
            if ours == (each["trackingInfo"] == [{"number": "T1"}])
        )


@dataclass
class Shown:
    """A reading, and what it shows as fulfilled: units by others, and whether ours are among them."""

    node: OrderNode
    by_others: int
    is_ours_there: bool


class Story:
    """An order of `total` units. A warehouse was given `sent` of them, and has sent them."""

    def __init__(self, total: int, sent: int, others: int, *, by_hand: int, end: str) -> None:
        self.total, self.sent, self.others, self.by_hand, self.end = total, sent, others, by_hand, end
        shop = make_shop(f"shop-{next(numbers)}.myshopify.com")
        warehouse = make_warehouse(shop, make_connection(f"wms-{shop.id}"))
        self.order = ordered(shop, units=total, state="at_warehouse")
        (line,) = self.order.lines.all()
        row = make_wms_order(self.order, warehouse, wms_status="shipped")
        WmsOrderLine.objects.create(
            wms_order=row, order_line=line, item_code="MUG", quantity=sent, shipped=sent, per_unit=1
        )
        self.shipment = make_shipment(row, tracking_number="T1")
        ShipmentUnit.objects.create(shipment=self.shipment, order_line=line, quantity=sent)
        self.shopify = OrderAtShopify(line.shopify_line_id, warehouse.shopify_location_id, left=total)
        self.shopify.order = self.order
        self.order.fulfillment_orders.update(
            shopify_fulfillment_order_id=WORK, location_id=warehouse.shopify_location_id
        )
        self.asked_at, self.is_within = clock(), False
        self.seen: Shown | None = None
        self.stored: Shown | None = None

    @contextmanager
    def online(self, reading: tuple[int, ...]) -> Iterator[None]:
        """Calls come here. Steps fall before and behind the one by which Shopify gets, or shows, the fulfilment."""
        decisive, left = (
            "order_fulfillments" if self.end == "adopted" else "fulfillment_create",
            [CALLED, DONE],
        )

        def execute(shop: Shop, operation: str, variables: Json, **more: Any) -> Answer:
            is_it = self.is_within and operation == decisive and bool(left)
            if is_it:
                self.steps(left.pop(0), reading)
            try:
                return self.shopify.execute(shop, operation, variables, **more)
            finally:
                if is_it:
                    self.steps(left.pop(0), reading)

        with ExitStack() as stack:
            for caller in (creation, queries):
                stack.enter_context(mock.patch.object(caller, "execute", execute))
            yield

    def tell(self, reading: tuple[int, ...]) -> None:
        """Let all happen, with the steps of one reading at these places, and then one further reading."""
        with self.online(reading):
            self.steps(FIRST, reading)
            self.store(self.read())
            self.steps(BEFORE, reading)
            self.fulfill()
            self.steps(RECORDED, reading)
            assert Shipment.objects.get(id=self.shipment.id).state == ShipmentState.FULFILLED
            self.is_the_rest_looked_for()
            if self.end == "recorded" and reading[-1] == BEFORE:
                assert not self.is_reading_due()
            self.asked_at = clock()
            self.store(self.read())
        assert self.uncovered() == self.total - self.sent - self.others

    def steps(self, place: int, reading: tuple[int, ...]) -> None:
        """What happens at a place."""
        self.is_within = False
        if place == self.by_hand and self.others:
            self.shopify.fulfil_by_hand(self.others, "BY-HAND")
        for step, at in zip(("ask", "answer", "end"), reading, strict=True):
            if at != place:
                continue
            if step == "ask":
                self.asked_at = clock()
            elif step == "answer":
                self.seen = self.read()
            elif self.seen:
                self.store(self.seen)
        self.is_within = True

    def fulfill(self) -> None:
        """Tell Shopify of the shipment, in as many runs as that takes."""
        if self.end == "adopted":
            self.shopify.fulfil_by_hand(self.sent, "T1")
            Shipment.objects.filter(id=self.shipment.id).update(
                attempt_at=self.order.read_at - timedelta(hours=1)
            )
        if self.end != "lost":
            creation.fulfill(self.order.id)
            return
        self.shopify.faults = ["timeout_after"]
        with pytest.raises(UnknownOutcome):
            creation.fulfill(self.order.id)
        Shipment.objects.update(attempt_at=F("attempt_at") - creation.SETTLE_TIME)
        creation.fulfill(self.order.id)

    def read(self) -> Shown:
        """The order as Shopify has it now."""
        number = self.order.shopify_order_id
        node = queries.orders(self.order.shop, [number], asked_at=self.asked_at)[number]
        return Shown(node, self.shopify.units(ours=False), bool(self.shopify.units(ours=True)))

    def store(self, shown: Shown) -> None:
        """Store a reading. What is routed then is never more than it knows to be open."""
        sync.store_checked(self.order.shop, shown.node)
        self.stored = shown
        self.is_nothing_sent_twice()

    def uncovered(self) -> int:
        """Units that a warehouse would be given now."""
        return sum(coverage.measure(Order.objects.get(id=self.order.id)).uncovered.values())

    def is_nothing_sent_twice(self) -> None:
        assert self.stored
        assert self.uncovered() <= self.total - self.sent - self.stored.by_others

    def is_the_rest_looked_for(self) -> None:
        """What would be left behind is found by a reading that is due, or by the news that our fulfilment is."""
        assert self.stored
        self.is_nothing_sent_twice()
        if self.uncovered() < self.total - self.sent - self.stored.by_others:
            assert self.is_reading_due() or not self.stored.is_ours_there

    def is_reading_due(self) -> bool:
        return Job.objects.filter(
            kind=jobs.orders.READ_ORDERS.name, subject=self.order.subject, state="ready"
        ).exists()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_unit_is_sent_twice_or_left_behind(size: tuple[int, int, int], end: str) -> None:
    places = (FIRST, BEFORE, DONE) if size[2] else (FIRST,)
    for by_hand, reading in itertools.product(places, READINGS):
        story = Story(*size, by_hand=by_hand, end=end)
        FulfillmentOrderLine.objects.filter(order_line__order=story.order).update(shopify_line_id=WORK_LINE)
        Job.objects.all().delete()
        try:
            story.tell(reading)
        except AssertionError as error:
            raise AssertionError(f"by hand {by_hand}, reading {reading}: {error}") from error
