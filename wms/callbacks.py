"""What a WMS tells us: the envelope and the typed events inside it. Nothing past this sees raw JSON."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from ops.errors import Permanent
from ops.masking import mask_text
from wms import tracking
from wms.statuses import WmsStatus, parse_status
from wms.tracking import Tracking

MAX_DEPTH = 20
"""Levels of nesting: the contract has four; beyond some hundred, parsers run out of stack."""
EVENT_TYPES = frozenset({"shipment", "inventory", "order_status", "return_receipt"})
"""The types of the contract. Jobs of kind `wms.<type>` are owned by the apps above."""


class EnvelopeError(ValueError):
    """The body is not a callback of the contract; the message says why."""


def _known_or_empty(value: Any) -> Any:
    return "" if value is None else value


def _several(value: Any) -> Any:
    """A list, or the one thing that somebody gave instead of a list of one."""
    return () if value is None else value if isinstance(value, list | tuple) else (value,)


def _not_below_zero(value: Any) -> Any:
    """Oversold items are reported below zero by some systems: for us there is none."""
    return 0 if isinstance(value, int) and -1_000_000_000 <= value < 0 else value


Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Text = Annotated[
    str, BeforeValidator(_known_or_empty), StringConstraints(strip_whitespace=True, max_length=1000)
]
LongText = Annotated[
    str, BeforeValidator(_known_or_empty), StringConstraints(strip_whitespace=True, max_length=10_000)
]
Texts = Annotated[tuple[LongText, ...], BeforeValidator(_several), Field(max_length=1000)]
Units = Annotated[int, Field(ge=0, le=1_000_000_000)]
Level = Annotated[Units, BeforeValidator(_not_below_zero)]


class _Contract(BaseModel):
    """Fields are named as in the contract (camelCase) outside, and in snake_case here."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        frozen=True,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )


class Envelope(_Contract):
    """What every callback has; `data` is parsed by the task that handles the type."""

    event_id: Annotated[Id, Field(max_length=200)]
    type: Annotated[Id, Field(max_length=60)]
    occurred_at: AwareDatetime
    data: dict[str, Any]


class ShippedItem(_Contract):
    """Units of one WMS item in a consignment."""

    wms_item_code: Id
    quantity_shipped: Units


class ShipmentEvent(_Contract):
    """One consignment left the warehouse."""

    wms_order_id: Id
    wms_shipment_id: Id
    warehouse_id: Text = ""
    shipped_items: Annotated[tuple[ShippedItem, ...], Field(min_length=1, max_length=10_000)]
    tracking_number: LongText = ""
    tracking_numbers: Texts = ()
    tracking_url: LongText = ""
    tracking_urls: Texts = ()
    carrier_code: Text = ""
    shipped_at: AwareDatetime

    @property
    def tracking(self) -> Tracking:
        """All numbers and links, whichever fields they came in."""
        return tracking.read(
            numbers=[self.tracking_number, *self.tracking_numbers],
            urls=[self.tracking_url, *self.tracking_urls],
            carrier=self.carrier_code,
        )


class InventoryEvent(_Contract):
    """The level of one item at one warehouse, in WMS item units; None = the WMS does not say."""

    wms_item_code: Id
    warehouse_id: Id
    available_quantity: Level | None = None
    on_hand_quantity: Level | None = None
    event_type: Text = (
        ""  # pick_confirm, receive, adjustment, transfer; others are as good: the level is what counts
    )
    sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class OrderStatusEvent(_Contract):
    """The WMS moved an order to another state."""

    wms_order_id: Id
    status: Id
    reason: Annotated[Text, AfterValidator(mask_text)] = ""

    @property
    def wms_status(self) -> WmsStatus:
        """The state in our words."""
        return parse_status(self.status)


class Condition(StrEnum):
    """In which state returned goods came."""

    SELLABLE = "sellable"
    DAMAGED = "damaged"


class ReturnedItem(_Contract):
    """Units of one WMS item that came back."""

    wms_item_code: Id
    quantity: Units
    condition: Condition


class ReturnReceiptEvent(_Contract):
    """Returned goods were received."""

    wms_return_id: Id
    wms_order_id: Text = ""
    warehouse_id: Text = ""
    items: Annotated[tuple[ReturnedItem, ...], Field(min_length=1, max_length=10_000)]
    received_at: AwareDatetime


E = TypeVar("E", bound=_Contract)


def parse_envelope(body: bytes) -> Envelope:
    """The envelope of a raw body. Raises EnvelopeError: not UTF-8 JSON, not storable, or not the contract."""
    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise EnvelopeError("not JSON in UTF-8") from error
    if not _storable(parsed, depth=0):
        raise EnvelopeError(
            "holds what cannot be stored: NUL, a lone surrogate, an endless number or deep nesting"
        )
    try:
        return Envelope.model_validate(parsed)
    except ValidationError as error:
        raise EnvelopeError(_reasons(error)) from error


def parse_shipment(data: dict[str, Any]) -> ShipmentEvent:
    """The event of type `shipment`. Raises Permanent naming what is wrong."""
    return _parse(data, ShipmentEvent)


def parse_inventory(data: dict[str, Any]) -> InventoryEvent:
    """The event of type `inventory`. Raises Permanent naming what is wrong."""
    event = _parse(data, InventoryEvent)
    if event.available_quantity is None and event.on_hand_quantity is None:
        raise Permanent("InventoryEvent outside the contract: neither availableQuantity nor onHandQuantity")
    return event


def parse_order_status(data: dict[str, Any]) -> OrderStatusEvent:
    """The event of type `order_status`. Raises Permanent naming what is wrong."""
    return _parse(data, OrderStatusEvent)


def parse_return_receipt(data: dict[str, Any]) -> ReturnReceiptEvent:
    """The event of type `return_receipt`. Raises Permanent naming what is wrong."""
    return _parse(data, ReturnReceiptEvent)


def subject_of(envelope: Envelope) -> str:
    """What the event is about, for the timeline: the WMS's order, else its item, else the event itself."""
    for name in ("wmsOrderId", "wmsItemCode"):
        value = envelope.data.get(name)
        if isinstance(value, str | int) and value:
            return str(value)[:200]
    return envelope.event_id


def warehouse_of(envelope: Envelope) -> str:
    """The WMS's code of the warehouse the event is about; "" = it names none. Warehouses take turns in the lane."""
    code = envelope.data.get("warehouseId")
    return str(code)[:100] if isinstance(code, str | int) else ""


def _parse(data: dict[str, Any], shape: type[E]) -> E:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        raise Permanent(f"{shape.__name__} outside the contract: {_reasons(error)}") from error


def _reasons(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:5])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _storable(value: Any, *, depth: int) -> bool:
    """Whether Postgres takes it as jsonb."""
    if depth > MAX_DEPTH:
        return False
    match value:
        case str():
            return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
        case float():
            return math.isfinite(value)
        case list():
            return all(_storable(item, depth=depth + 1) for item in value)
        case dict():
            return all(_storable(part, depth=depth + 1) for pair in value.items() for part in pair)
        case _:
            return True
