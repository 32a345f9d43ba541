"""Parses callbacks into an envelope and typed events, so that no other code sees raw JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel, to_snake

from ops.errors import Permanent
from ops.text import untrusted
from ops.text.masking import mask_text
from ops.text.untrusted import misfits
from wms.callbacks import tracking
from wms.callbacks.tracking import Tracking
from wms.ids import RemoteOrderId, RemoteReturnId, RemoteShipmentId
from wms.vocabulary import local_times
from wms.vocabulary.local_times import Moment
from wms.vocabulary.statuses import WmsStatus, parse_status


class EnvelopeError(ValueError):
    """The body is not a callback of the contract; the message says why."""


def _known_or_empty(value: Any) -> Any:
    return "" if value is None else value


def _several(value: Any) -> Any:
    """Return a list as it is, and a single value, which some WMSs send instead, as a list of one."""
    return () if value is None else value if isinstance(value, list | tuple) else (value,)


def _not_below_zero(value: Any) -> Any:
    """Return 0 for a negative quantity: some systems report oversold items so, and there are none to sell."""
    return 0 if isinstance(value, int) and -1_000_000_000 <= value < 0 else value


_ID = StringConstraints(strip_whitespace=True, min_length=1, max_length=255)
Id = Annotated[str, _ID]
OrderId = Annotated[RemoteOrderId, _ID]
ShipmentId = Annotated[RemoteShipmentId, _ID]
ReturnId = Annotated[RemoteReturnId, _ID]
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
    """The base of all parsed shapes; its fields are camelCase in the contract and snake_case here."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        frozen=True,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )


class Envelope(_Contract):
    """The fields of every callback; the task that handles the type parses `data`."""

    event_id: Annotated[Id, Field(max_length=200)]
    type: Annotated[Id, Field(max_length=60)]
    occurred_at: Moment
    data: dict[str, Any]


class Event(_Contract):
    """The base of the events of all types."""

    optional: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out if they cannot be read, because the goods matter more."""

    unread: tuple[str, ...] = ()
    """The fields that were left out, each with the reason."""


class ShippedItem(_Contract):
    """Units of one WMS item in a consignment."""

    wms_item_code: Id
    quantity_shipped: Units


class ShipmentEvent(Event):
    """One consignment left the warehouse."""

    optional = frozenset({"warehouse_id", "carrier_code", "shipped_at"})

    wms_order_id: OrderId
    wms_shipment_id: ShipmentId
    warehouse_id: Text = ""
    shipped_items: Annotated[tuple[ShippedItem, ...], Field(min_length=1, max_length=10_000)]
    tracking_number: LongText = ""
    tracking_numbers: Texts = ()
    tracking_url: LongText = ""
    tracking_urls: Texts = ()
    carrier_code: Text = ""
    shipped_at: Moment

    @property
    def tracking(self) -> Tracking:
        """All tracking numbers and links, from all fields."""
        return tracking.read(
            numbers=[self.tracking_number, *self.tracking_numbers],
            urls=[self.tracking_url, *self.tracking_urls],
            carrier=self.carrier_code,
        )


class InventoryEvent(Event):
    """The level of one item at one warehouse, in WMS item units; None = the WMS did not report it."""

    optional = frozenset({"event_type", "sequence"})

    wms_item_code: Id
    warehouse_id: Id
    available_quantity: Level | None = None
    on_hand_quantity: Level | None = None
    event_type: Text = ""  # pick_confirm, receive, adjustment, transfer, or any other: only the level counts
    sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class OrderStatusEvent(Event):
    """The WMS moved an order to another state."""

    optional = frozenset({"reason"})

    wms_order_id: OrderId
    status: Id
    reason: Annotated[Text, AfterValidator(mask_text)] = ""

    @property
    def wms_status(self) -> WmsStatus:
        """Our state for the vendor's word."""
        return parse_status(self.status)


class Condition(StrEnum):
    """The condition of returned goods."""

    SELLABLE = "sellable"
    DAMAGED = "damaged"


class ReturnedItem(_Contract):
    """Units of one WMS item that came back."""

    wms_item_code: Id
    quantity: Units
    condition: Condition


class ReturnReceiptEvent(Event):
    """Returned goods were received."""

    optional = frozenset({"wms_order_id", "warehouse_id", "received_at"})

    wms_return_id: ReturnId
    wms_order_id: Annotated[
        RemoteOrderId,
        BeforeValidator(_known_or_empty),
        StringConstraints(strip_whitespace=True, max_length=1000),
    ] = RemoteOrderId("")
    warehouse_id: Text = ""
    items: Annotated[tuple[ReturnedItem, ...], Field(min_length=1, max_length=10_000)]
    received_at: Moment


E = TypeVar("E", bound=Event)


def parse_envelope(body: bytes, *, zone: tzinfo = UTC) -> Envelope:
    """Parse a raw body; times without a zone are in `zone`.

    Raises EnvelopeError if it is no JSON in UTF-8, or does not keep to the contract.
    """
    try:
        parsed = untrusted.parse(body, deepest=untrusted.DOOR_DEPTH)
        return Envelope.model_validate(parsed, context=local_times.within(zone))
    except untrusted.Unreadable as error:
        raise EnvelopeError(str(error)) from error
    except ValidationError as error:
        raise EnvelopeError(misfits(error, whole="body")) from error


def parse_shipment(
    data: dict[str, Any], *, zone: tzinfo = UTC, occurred_at: datetime | None = None
) -> ShipmentEvent:
    """Parse the event of type `shipment`. If its `shippedAt` is missing or unreadable, `occurred_at` counts instead.

    Raises Permanent with the reason.
    """
    return _parse(data, ShipmentEvent, zone=zone, instead={"shippedAt": occurred_at} if occurred_at else {})


def parse_inventory(data: dict[str, Any], *, zone: tzinfo = UTC) -> InventoryEvent:
    """Parse the event of type `inventory`. Raises Permanent with the reason."""
    event = _parse(data, InventoryEvent, zone=zone)
    if event.available_quantity is None and event.on_hand_quantity is None:
        raise Permanent("InventoryEvent outside the contract: neither availableQuantity nor onHandQuantity")
    return event


def parse_order_status(data: dict[str, Any], *, zone: tzinfo = UTC) -> OrderStatusEvent:
    """Parse the event of type `order_status`. Raises Permanent with the reason."""
    return _parse(data, OrderStatusEvent, zone=zone)


def parse_return_receipt(
    data: dict[str, Any], *, zone: tzinfo = UTC, occurred_at: datetime | None = None
) -> ReturnReceiptEvent:
    """Parse the event of type `return_receipt`, with `occurred_at` for a missing time. Raises Permanent with the
    reason.
    """
    instead = {"receivedAt": occurred_at} if occurred_at else {}
    return _parse(data, ReturnReceiptEvent, zone=zone, instead=instead)


def subject_of(envelope: Envelope) -> str:
    """Return the id for the timeline: of the WMS's order, else of the item, else of the event."""
    for name in ("wmsOrderId", "wmsItemCode"):
        value = envelope.data.get(name)
        if isinstance(value, str | int) and value:
            return str(value)[:200]
    return envelope.event_id


def warehouse_of(envelope: Envelope) -> str:
    """Return the code of the event's warehouse, or "" if it names none. The lane serves the warehouses in turn."""
    code = envelope.data.get("warehouseId")
    return str(code)[:100] if isinstance(code, str | int) else ""


def _parse(
    data: Mapping[str, Any], shape: type[E], *, zone: tzinfo, instead: Mapping[str, Any] | None = None
) -> E:
    """Parse `data` as a `shape`, and leave optional fields out, or take them from `instead`, if they are unreadable.

    Raises Permanent if any other field is unreadable.
    """
    given = {name: value for name, value in data.items() if name != "unread"}
    unread: dict[str, str] = {}
    while True:
        empty = {name: value for name, value in (instead or {}).items() if not given.get(name)}
        try:
            event = shape.model_validate({**given, **empty}, context=local_times.within(zone))
            break
        except ValidationError as error:
            unreadable = _optional_errors(error, shape)
            if not unreadable or unreadable.keys() & unread.keys():
                raise Permanent(
                    f"{shape.__name__} outside the contract: {misfits(error, whole='body')}"
                ) from error
            unread |= unreadable
            given = {name: value for name, value in given.items() if name not in unread}
    reasons = tuple(f"{name}: {reason}" for name, reason in unread.items())
    return event.model_copy(update={"unread": reasons}) if reasons else event


def _optional_errors(error: ValidationError, shape: type[Event]) -> dict[str, str]:
    """Return the unreadable fields with their errors if all of them are optional, else nothing."""
    wrong = {str(each["loc"][0]) if each["loc"] else "": str(each["msg"]) for each in error.errors()}
    return wrong if all(to_snake(name) in shape.optional for name in wrong) else {}
