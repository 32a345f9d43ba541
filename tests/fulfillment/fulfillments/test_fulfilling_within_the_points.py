"""Shipments are fulfilled as fast as a standard plan's points allow, by the sandbox's bucket; no run wastes points."""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment import jobs
from fulfillment.models import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    Shipment,
    ShipmentLine,
    ShipmentUnit,
)
from ops.models import Alert, Job
from tests.builders import make_shipment
from tests.drain import drain
from tests.fulfillment.order_rows import at_warehouse
from tests.fulfillment.scene import BERLIN, DOMAIN, MUG, Scene
from tests.shops.budget.metered import by_hand, pass_time
from tests.world import Json

pytestmark = pytest.mark.django_db
ORDERS = 100
MAXIMUM, RESTORE = 2000, 100
BY_LAST_READING, BY_NEW_READING = 11, 31
"""Points that an order takes: its change, or a change that is refused, two reads and the change. What the push of its
stock takes comes on top."""

FIRST_RUNS = 4
"""Runs that may read and then lack the points for the change: what one needs is not known before the first ended."""


def books(scene: Scene) -> Json:
    found: Json = scene.shopify.get(f"/books?domain={DOMAIN}")["shops"][DOMAIN]
    return found


def sent(scene: Scene, *, was_read: bool) -> Order:
    """An order whose only shipment left the warehouse, and has no fulfilment yet. `was_read`: we know its fulfilment
    order as it is."""
    there = scene.place((MUG, 1))
    (work,) = scene.shopify_order(there)["fulfillment_orders"]
    order = at_warehouse(scene.berlin, units=1, shopify_order_id=there["id"], name=there["name"])
    line = order.lines.get()
    line.shopify_line_id = there["lines"][0]["id"]
    line.save(update_fields=["shopify_line_id"])
    number = work["id"] if was_read else 1
    FulfillmentOrder.objects.filter(order=order).update(
        shopify_fulfillment_order_id=number, location_id=BERLIN
    )
    FulfillmentOrderLine.objects.filter(order_line=line).update(shopify_line_id=work["lines"][0]["id"])
    shipment = make_shipment(order.wms_orders.get(), tracking_number=f"T{there['id']}", carrier_code="dhl")
    ShipmentLine.objects.create(shipment=shipment, item_code="MUG", quantity=1, counted=1)
    ShipmentUnit.objects.create(shipment=shipment, order_line=line, quantity=1)
    Job.objects.all().delete()  # what is behind it is over
    return order


def all_told() -> bool:
    return not Shipment.objects.exclude(state="fulfilled").exists()


def work_until_told(scene: Scene, *, within: float, step: float = 0.5) -> float:
    """Run due jobs, and let time pass at both ends; the seconds it took."""
    took = 0.0
    with by_hand() as clock:
        drain(most=5000)
        while not all_told():
            assert took < within, f"not told after {took:.0f} s"
            pass_time(clock, step)
            scene.shopify.post(f"/shops/{DOMAIN}/bucket", {"seconds": step})
            took += step
            drain(most=5000)
    return took


@pytest.mark.parametrize(
    ("was_read", "reads", "points"), [(True, 0, BY_LAST_READING), (False, 2, BY_NEW_READING)]
)
def test_a_hundred_orders_are_fulfilled_within_what_the_standard_points_allow(
    scene: Scene, settings: Any, was_read: bool, reads: int, points: int
) -> None:
    """All points are gone at first, so that each one is waited for."""
    settings.ALERT_EMAILS = []
    bucket = {"max": MAXIMUM, "restore": RESTORE, "points": 0, "by_hand": True}
    scene.build_shopify(bucket=bucket)
    for order in [sent(scene, was_read=was_read) for _ in range(ORDERS)]:
        jobs.shipments.fulfill(order)
    took = work_until_told(scene, within=200)
    after = books(scene)
    assert all(len(order["fulfillments"]) == 1 for order in after["orders"])
    made = after["requests"]
    assert made["fulfillmentCreate"] == ORDERS * (1 if was_read else 2)
    assert made.get("order", 0) <= reads * (ORDERS + FIRST_RUNS)
    assert after["charged"] <= 1.2 * ORDERS * points
    assert took <= 1.2 * after["charged"] / RESTORE
    assert not Alert.objects.exists()
