"""What Shopify says about an order, parsed once into typed objects (Admin API 2026-10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ops.errors import Transient
from shops import gids


def _number(value: Any) -> Any:
    return gids.number(value) if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return "" if value is None else value


Gid = Annotated[int, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(_text)]


class _Node(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class _Ref(_Node):
    id: Gid


class PageInfo(_Node):
    has_next_page: bool
    end_cursor: str | None = None


class LineNode(_Node):
    """An order line; `current_quantity` is what is left of it after edits and refunds, in Shopify units."""

    id: Gid
    sku: Text = ""
    title: Text = ""
    current_quantity: Annotated[int, Field(ge=0)]
    requires_shipping: bool
    is_gift_card: bool
    variant: _Ref | None = None


class Lines(_Node):
    nodes: list[LineNode]
    page_info: PageInfo


class WorkLineNode(_Node):
    """A fulfilment-order line; quantities in Shopify units."""

    id: Gid
    total_quantity: Annotated[int, Field(ge=0)] = 0
    remaining_quantity: Annotated[int, Field(ge=0)]
    line_item: _Ref


class WorkLines(_Node):
    nodes: list[WorkLineNode]
    page_info: PageInfo


class _Method(_Node):
    method_type: str


class _LocationRef(_Node):
    id: Gid
    is_fulfillment_service: bool = False


class _Assigned(_Node):
    location: _LocationRef | None = None


class _Hold(_Node):
    reason: Text = ""


class WorkNode(_Node):
    """A fulfilment order: Shopify's piece of work for one location. States are kept as text: enums grow."""

    id: Gid
    status: str
    request_status: Text = ""
    updated_at: datetime
    fulfill_at: datetime | None = None
    delivery_method: _Method | None = None
    assigned_location: _Assigned | None = None
    fulfillment_holds: list[_Hold] = []
    line_items: WorkLines

    @property
    def location_id(self) -> int | None:
        """The location it is assigned to."""
        place = self.assigned_location
        return place.location.id if place and place.location else None

    @property
    def at_service(self) -> bool:
        """Whether that location belongs to a fulfilment service."""
        place = self.assigned_location
        return bool(place and place.location and place.location.is_fulfillment_service)

    @property
    def method(self) -> str:
        """The delivery method's type, "" when it has none."""
        return self.delivery_method.method_type if self.delivery_method else ""


class WorkPage(_Node):
    nodes: list[WorkNode]
    page_info: PageInfo


class AddressNode(_Node):
    """A shipping address. Personal data: never logged."""

    name: Text = ""
    company: Text = ""
    address1: Text = ""
    address2: Text = ""
    city: Text = ""
    province_code: Text = ""
    zip: Text = ""
    country_code: Annotated[Text, Field(alias="countryCodeV2")] = ""
    phone: Text = ""


class _ShippingLine(_Node):
    title: Text = ""


class OrderNode(_Node):
    """An order as it was read; lines and fulfilment orders are complete once `reading` followed their pages.

    `read_at` is the time of the reading by Shopify's clock, as far as it told; `asked_at` by ours, before the call:
    what we did after that it may not show.
    """

    id: Gid
    asked_at: datetime | None = None
    read_at: datetime | None = None
    name: str
    processed_at: datetime | None = None
    updated_at: datetime
    cancelled_at: datetime | None = None
    confirmed: bool = True
    test: bool
    display_financial_status: Text = ""
    email: Text = ""
    phone: Text = ""
    shipping_address: AddressNode | None = None
    shipping_line: _ShippingLine | None = None
    line_items: Lines
    fulfillment_orders: WorkPage

    def known_until(self, updated_at: datetime) -> datetime:
        """The time up to which a change that is dated `updated_at` is known by this reading.

        Shopify dates changes in whole seconds. While that second was not over, another change in it could follow and
        would carry the same date: then it is the moment before, so that a later look does not take us for up to date.
        """
        over = self.read_at is None or updated_at < self.read_at
        return updated_at if over else updated_at - timedelta(microseconds=1)


class _Tracking(_Node):
    number: Text = ""


class FulfilledLine(_Node):
    quantity: int
    line_item: _Ref


class FulfilledLines(_Node):
    nodes: list[FulfilledLine]
    page_info: PageInfo


class FulfillmentNode(_Node):
    """A fulfilment that exists at Shopify."""

    id: Gid
    status: Text = ""
    tracking_info: list[_Tracking] = []
    fulfillment_line_items: FulfilledLines

    @property
    def stands(self) -> bool:
        """Whether it still tells anything: one that was cancelled, or failed, gave its units back."""
        return self.status not in ("CANCELLED", "ERROR", "FAILURE")

    @property
    def numbers(self) -> frozenset[str]:
        """Its tracking numbers."""
        return frozenset(tracking.number for tracking in self.tracking_info if tracking.number)

    @property
    def units(self) -> dict[int, int]:
        """Shopify units by order line id."""
        units: dict[int, int] = {}
        for line in self.fulfillment_line_items.nodes:
            units[line.line_item.id] = units.get(line.line_item.id, 0) + line.quantity
        return units


_Parsed = TypeVar("_Parsed", bound=BaseModel)


def parse(kind: type[_Parsed], value: Any) -> _Parsed:
    """`value` as a `kind`. Raises Transient: an answer that does not fit is no answer, and crashes no worker."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise Transient(f"Shopify's answer does not fit {kind.__name__}: {where}") from error
