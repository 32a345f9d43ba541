"""The way of an order in the manual is the one that an order goes, step by step."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from django.test import Client

from ops.doors.signatures import sign
from tests.architecture.layers import ROOT
from tests.drain import drain
from tests.fulfillment.scene import MUG, Scene
from tests.shops.webhooks.delivery import deliver
from wms.models import Connection

pytestmark = pytest.mark.django_db

MOST_STEPS = 15


def steps() -> list[str]:
    """The functions that the manual names, in its order."""
    manual = (ROOT / "docs/architecture.md").read_text().partition("## The way of one order")[2]
    return re.findall(r"^\| \d+ \| `([\w.]+)`", manual, re.MULTILINE)


@contextmanager
def calls() -> Iterator[dict[str, None]]:
    """Every function that is called in this thread, in the order of their first calls."""
    seen: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.setdefault(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}")

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def report_shipment(scene: Scene, wms_order_id: str) -> None:
    """The WMS posts to our door that all of an order has left."""
    event = {
        "eventId": "e1",
        "type": "shipment",
        "occurredAt": "2026-11-27T10:00:00Z",
        "data": {
            "wmsOrderId": wms_order_id,
            "wmsShipmentId": "S1",
            "warehouseId": "BER1",
            "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
            "trackingNumber": "T1",
            "carrierCode": "dhl",
            "shippedAt": "2026-11-27T10:00:00Z",
        },
    }
    raw = json.dumps(event).encode()
    secret = Connection.objects.get(slug="north").callback_secret
    headers = {"X-WMS-Signature": sign(secret, raw)}
    answer = Client().post("/webhooks/wms/north/", raw, content_type="application/json", headers=headers)
    assert answer.status_code == 200, answer.content


def test_an_order_goes_the_way_that_the_manual_describes(scene: Scene) -> None:
    named = steps()
    assert 0 < len(named) <= MOST_STEPS
    order = scene.place((MUG, 1))
    with calls() as seen:
        assert deliver(Client(), {"id": order["id"]}).status_code == 200
        drain()
        report_shipment(scene, scene.row(order).wms_orders.get().remote_id)
        drain()
    assert [name for name in seen if name in named] == named
    (fulfillment,) = scene.fulfillments(order)
    assert fulfillment["status"] == "SUCCESS"
