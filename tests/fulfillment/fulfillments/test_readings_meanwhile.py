"""A reading of an order may fall between the steps of our own fulfilment. No unit leaves twice for that, and none is
left behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from unittest import mock

import pytest
from django.db import connection

from fulfillment import coverage, jobs
from fulfillment.fulfillments import creation
from fulfillment.models import Order, Shipment, WmsOrderLine
from fulfillment.models.states import ShipmentState
from fulfillment.orders import sync
from fulfillment.shipments import held_shipments
from fulfillment.shopify import queries
from fulfillment.shopify.snapshots import OrderNode
from shops.api.client import execute
from tests.drain import drain
from tests.fulfillment.fulfillments.test_by_the_last_reading import by_hand
from tests.fulfillment.scene import LATER, MUG, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db


def clock() -> datetime:
    """The time of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def read(order: Order, asked_at: datetime) -> OrderNode:
    """The order as Shopify has it now."""
    (node,) = queries.orders(order.shop, [order.shopify_order_id], asked_at=asked_at).values()
    return node


def parts(order: Json, scene: Scene) -> list[int]:
    """The units that each part of an order was given."""
    lines = WmsOrderLine.objects.filter(wms_order__order=scene.row(order)).order_by("wms_order__part")
    return list(lines.values_list("quantity", flat=True))


def test_a_reading_that_was_answered_before_our_call_was_done_has_nothing_sent_again(scene: Scene) -> None:
    order = scene.place((MUG, 3))
    by_hand(scene, order, 1, number="BY-HAND")
    scene.webhook(order)
    drain()
    seen: list[OrderNode] = []

    def behind_a_reading(*given: Any, **more: Any) -> Any:
        seen.append(read(scene.row(order), clock()))
        return execute(*given, **more)

    with mock.patch.object(creation, "execute", behind_a_reading):
        scene.ship(order)
    assert (parts(order, scene), Shipment.objects.get().state) == ([2], ShipmentState.FULFILLED)
    sync.store_checked(scene.shop, seen[0])
    drain()
    assert parts(order, scene) == [2]
    drain(advance=LATER)
    assert (parts(order, scene), coverage.measure(scene.row(order)).in_flight) == ([2], {})


def test_what_a_person_says_of_a_shipment_is_in_no_reading_from_before(scene: Scene) -> None:
    """Somebody fulfilled its units by hand since the last reading, which shows those of another fulfilment only."""
    order = scene.place((MUG, 3))
    by_hand(scene, order, 1, number="BY-HAND")
    scene.webhook(order)
    drain()
    by_hand(scene, order, 2, number="BY-HAND-TOO")
    with mock.patch.object(jobs.orders, "read_order"):
        scene.ship(order)
    shipment = Shipment.objects.get()
    assert shipment.state == ShipmentState.HELD
    assert held_shipments.close_shipment(shipment.id, user_id=None)
    assert coverage.measure(scene.row(order)).uncovered == {}
    drain()
    found = coverage.measure(scene.row(order))
    assert (parts(order, scene), found.in_flight, found.uncovered) == ([2], {}, {})
