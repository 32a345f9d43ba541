"""Callback bodies: what is read, what is refused, and that nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import Permanent
from wms.callbacks import events
from wms.callbacks.events import EnvelopeError, parse_envelope
from wms.vocabulary.statuses import WmsStatus

SHIPMENT: dict[str, Any] = {
    "wmsOrderId": "W1",
    "wmsShipmentId": 9,
    "warehouseId": "BER1",
    "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 2}],
    "trackingNumber": "T1",
    "carrierCode": "dhl",
    "shippedAt": "2026-11-23T10:00:00+01:00",
}
INVENTORY: dict[str, Any] = {
    "wmsItemCode": "MUG",
    "warehouseId": "BER1",
    "availableQuantity": 4,
    "eventType": "receive",
}
RECEIPT: dict[str, Any] = {
    "wmsReturnId": "R1",
    "wmsOrderId": "W1",
    "warehouseId": "BER1",
    "items": [{"wmsItemCode": "MUG", "quantity": 1, "condition": "damaged"}],
    "receivedAt": "2026-11-23T10:00:00Z",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def envelope(**changes: Any) -> dict[str, Any]:
    return {
        "eventId": "e1",
        "type": "shipment",
        "occurredAt": "2026-11-23T10:00:00Z",
        "data": SHIPMENT,
        **changes,
    }


def test_an_envelope_is_read() -> None:
    parsed = parse_envelope(json.dumps(envelope(eventId=77, extra="ignored")).encode())
    assert (parsed.event_id, parsed.type, parsed.data) == ("77", "shipment", SHIPMENT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe{}",
        b'{"eventId": NaN}',
        json.dumps(envelope(eventId="")).encode(),
        json.dumps(envelope(eventId="x" * 201)).encode(),
        json.dumps(envelope(eventId=None)).encode(),
        json.dumps(envelope(type=["shipment"])).encode(),
        json.dumps(envelope(occurredAt="23/11/2026 10:00")).encode(),
        json.dumps(envelope(occurredAt="yesterday")).encode(),
        json.dumps(envelope(data="text")).encode(),
        json.dumps(envelope()).encode().replace(b'"T1"', b"1e999"),
        json.dumps(envelope()).encode().replace(b'"T1"', b"9" * 5000),
        b'{"data":' + b"[" * 100 + b"]" * 100 + b"}",
        b"[" * 100_000,
    ],
)
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_envelope(body)


def test_a_shipment_is_read() -> None:
    event = events.parse_shipment(SHIPMENT)
    assert (event.wms_order_id, event.wms_shipment_id, event.tracking_number) == ("W1", "9", "T1")
    assert [(line.wms_item_code, line.quantity_shipped) for line in event.shipped_items] == [("MUG", 2)]


def test_a_shipment_without_tracking_is_still_one() -> None:
    event = events.parse_shipment({**SHIPMENT, "trackingNumber": None, "carrierCode": None})
    assert (event.tracking_number, event.carrier_code) == ("", "")


def test_an_oversold_level_is_none() -> None:
    event = events.parse_inventory({**INVENTORY, "availableQuantity": -2, "sequence": 5})
    assert (event.available_quantity, event.on_hand_quantity, event.sequence) == (0, None, 5)


def test_a_status_is_read_in_our_words() -> None:
    event = events.parse_order_status({"wmsOrderId": "W1", "status": "Picking", "reason": None})
    assert (event.wms_status, event.reason) == (WmsStatus.PICKING, "")


def test_a_return_receipt_is_read() -> None:
    event = events.parse_return_receipt(RECEIPT)
    assert [(line.quantity, line.condition) for line in event.items] == [(1, "damaged")]


@pytest.mark.parametrize(
    ("parse", "data", "where"),
    [
        (events.parse_shipment, {**SHIPMENT, "shippedItems": []}, "shippedItems"),
        (events.parse_shipment, {**SHIPMENT, "wmsOrderId": "x" * 256}, "wmsOrderId"),
        (
            events.parse_shipment,
            {**SHIPMENT, "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": -1}]},
            "shippedItems.0.quantityShipped",
        ),
        (events.parse_inventory, {**INVENTORY, "availableQuantity": None}, "neither availableQuantity"),
        (events.parse_inventory, {**INVENTORY, "availableQuantity": 10**12}, "availableQuantity"),
        (events.parse_order_status, {"wmsOrderId": "W1"}, "status"),
        (
            events.parse_return_receipt,
            {**RECEIPT, "items": [{"wmsItemCode": "M", "quantity": 1, "condition": "wet"}]},
            "items.0.condition",
        ),
    ],
)
def test_data_outside_the_contract_says_where(
    parse: Callable[[dict[str, Any]], object], data: dict[str, Any], where: str
) -> None:
    with pytest.raises(Permanent, match=where):
        parse(data)


@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    with suppress(EnvelopeError):
        assert parse_envelope(json.dumps(value).encode()).event_id


@pytest.mark.parametrize(
    "parse",
    [
        events.parse_shipment,
        events.parse_inventory,
        events.parse_order_status,
        events.parse_return_receipt,
    ],
)
@given(
    data=st.dictionaries(st.sampled_from([*SHIPMENT, *INVENTORY, *RECEIPT, "status", "reason"]), json_values)
)
def test_any_data_is_an_event_or_permanently_refused(
    parse: Callable[..., object], data: dict[str, Any]
) -> None:
    with suppress(Permanent):
        assert parse(data)
