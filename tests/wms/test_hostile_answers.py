"""Anything anywhere in what a WMS says: an answer, an event, or one of our errors; never a bug."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ops.errors import Permanent, UnknownOutcome
from tests.fuzz.answering import answering, not_allowed
from tests.fuzz.hostile import everywhere
from tests.wms.adapters.test_rest import ORDER, RETURN, connection
from tests.wms.callbacks.test_events import envelope
from wms.adapters import adapter_for
from wms.adapters.base import Adapter
from wms.callbacks import events
from wms.ids import RemoteOrderId

OCCURRED = "2026-11-26T16:50:00Z"
STOCK = {
    "wmsItemCode": "MUG",
    "warehouseId": "BER1",
    "availableQuantity": 4,
    "onHandQuantity": 5,
    "updatedAt": OCCURRED,
}
Call = Callable[[Adapter], Any]
CHANGES: dict[str, tuple[Call, int, Any]] = {
    "create": (lambda wms: wms.create_order(ORDER), 201, {"id": "W1", "status": "accepted"}),
    "update": (
        lambda wms: wms.update_order(RemoteOrderId("W1"), ORDER, idempotency_key="k"),
        200,
        {"status": "accepted"},
    ),
    "update too late": (
        lambda wms: wms.update_order(RemoteOrderId("W1"), ORDER, idempotency_key="k"),
        409,
        {"status": "picking", "reason": "too late"},
    ),
    "cancel": (
        lambda wms: wms.cancel_order(RemoteOrderId("W1"), idempotency_key="k"),
        200,
        {"cancelled": False, "status": "picking", "reason": "too late"},
    ),
    "return": (
        lambda wms: wms.create_return(RETURN, idempotency_key="k"),
        201,
        {"id": "R1", "labelUrl": "https://labels.example/1"},
    ),
}
READS: dict[str, tuple[Call, Any]] = {
    "find": (
        lambda wms: wms.find_order(ORDER.external_id),
        {"orders": [{"id": "W1", "status": "accepted", "externalOrderId": ORDER.external_id}]},
    ),
    "stock": (
        lambda wms: wms.stock(updated_since=None, cursor=None, limit=5),
        {"items": [STOCK], "nextCursor": "c2"},
    ),
}
SHIPMENT = {
    "wmsOrderId": "W1",
    "wmsShipmentId": "S1",
    "warehouseId": "BER1",
    "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
    "trackingNumber": "TRK1",
    "trackingNumbers": ["TRK1", "TRK2"],
    "trackingUrl": "https://track.example/1",
    "trackingUrls": ["https://track.example/2"],
    "carrierCode": "dhl",
    "shippedAt": OCCURRED,
}
EVENTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "shipment": (lambda data: events.parse_shipment(data).tracking, SHIPMENT),
    "inventory": (
        events.parse_inventory,
        {
            "wmsItemCode": "MUG",
            "warehouseId": "B",
            "availableQuantity": 4,
            "eventType": "receive",
            "sequence": 7,
        },
    ),
    "order_status": (
        lambda data: events.parse_order_status(data).wms_status,
        {"wmsOrderId": "W1", "status": "picking", "reason": "r"},
    ),
    "return_receipt": (
        events.parse_return_receipt,
        {
            "wmsReturnId": "R1",
            "wmsOrderId": "W1",
            "warehouseId": "B",
            "items": [{"wmsItemCode": "MUG", "quantity": 1, "condition": "sellable"}],
            "receivedAt": OCCURRED,
        },
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_is_answered_with_anything_is_done_or_in_doubt(name: str) -> None:
    call, status, realistic = CHANGES[name]
    adapter = adapter_for(connection())

    def answered(body: Any) -> None:
        with answering(body, status=status):
            call(adapter)

    assert not_allowed(everywhere(realistic), answered, allowed=(UnknownOutcome,)) == {}


@pytest.mark.parametrize("status", [200, 400, 404, 409, 422])
@pytest.mark.parametrize("name", [*CHANGES, *READS])
def test_any_answer_of_any_status_is_one_of_ours(name: str, status: int) -> None:
    call = CHANGES[name][0] if name in CHANGES else READS[name][0]
    adapter = adapter_for(connection())

    def answered(body: Any) -> None:
        with answering(body, status=status):
            call(adapter)

    said = {"error": "bad", "message": "no", "status": "picking", "reason": "r"}
    assert not_allowed(everywhere(said), answered) == {}


@pytest.mark.parametrize("name", READS)
def test_a_reading_with_anything_in_it_is_a_reading_or_one_of_our_errors(name: str) -> None:
    call, realistic = READS[name]
    adapter = adapter_for(connection())

    def answered(body: Any) -> None:
        with answering(body):
            call(adapter)

    assert not_allowed(everywhere(realistic), answered) == {}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_with_anything_in_it_is_an_event_or_permanently_refused(name: str) -> None:
    parse, realistic = EVENTS[name]
    tries = [(what, data) for what, data in everywhere(realistic) if isinstance(data, dict)]
    assert not_allowed(tries, parse, allowed=(Permanent,)) == {}


def test_an_envelope_with_anything_in_it_is_one_or_refused_with_the_reason() -> None:
    def received(body: Any) -> None:
        found = events.parse_envelope(json.dumps(body).encode())
        assert len(events.subject_of(found)) <= 200
        assert len(events.warehouse_of(found)) <= 100

    realistic = envelope(data=SHIPMENT)
    assert not_allowed(everywhere(realistic), received, allowed=(events.EnvelopeError,)) == {}
