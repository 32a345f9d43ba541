"""An order, with its lines, its fulfilment orders and its fulfilments.

Nothing here decides or sends.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.shopify.state.catalogue import Location, Variant
from sandbox.shopify.state.times import now


@dataclass(eq=False)
class Line:
    id: int
    order: "Order"
    variant: Variant | None
    sku: str | None
    title: str
    quantity: int
    current_quantity: int
    requires_shipping: bool
    is_gift_card: bool
    price: str

    @property
    def fulfilled(self) -> int:
        """The units in fulfilments that were not cancelled."""
        return sum(
            part.quantity
            for fulfillment in self.order.fulfillments
            if fulfillment.status == "SUCCESS"
            for part in fulfillment.lines
            if part.line is self
        )


@dataclass(eq=False)
class FulfillmentOrderLine:
    id: int
    fulfillment_order: "FulfillmentOrder"
    line: Line
    total: int
    remaining: int


@dataclass(eq=False)
class Hold:
    id: int
    reason: str
    notes: str | None
    handle: str | None
    by_app: bool


@dataclass(eq=False)
class FulfillmentOrder:
    id: int
    order: "Order"
    location: Location
    status: str
    delivery_method: str
    fulfill_at: datetime | None
    visible_at: float  # by time.monotonic(); before this time nobody sees the fulfilment order
    lines: list[FulfillmentOrderLine] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    request_status: str = "UNSUBMITTED"
    progress_reported: bool = False
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)

    @property
    def visible(self) -> bool:
        return time.monotonic() >= self.visible_at

    @property
    def remaining(self) -> int:
        return sum(line.remaining for line in self.lines)


@dataclass(eq=False)
class FulfillmentLine:
    id: int
    line: Line
    fulfillment_order_line: FulfillmentOrderLine
    quantity: int


@dataclass(eq=False)
class Fulfillment:
    id: int
    order: "Order"
    name: str
    location: Location
    notify_customer: bool
    company: str | None
    numbers: list[str]
    urls: list[str]
    lines: list[FulfillmentLine]
    status: str = "SUCCESS"
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Order:
    id: int
    name: str
    number: int
    email: str | None
    phone: str | None
    address: dict[str, Any] | None
    financial_status: str
    test: bool
    note: str | None
    tags: list[str]
    lines: list[Line] = field(default_factory=list)
    fulfillment_orders: list[FulfillmentOrder] = field(default_factory=list)
    fulfillments: list[Fulfillment] = field(default_factory=list)
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    closed_at: datetime | None = None
    edited: bool = False
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)

    @property
    def total(self) -> str:
        """The price of all current quantities."""
        return str(sum((Decimal(line.price) * line.current_quantity for line in self.lines), Decimal("0.00")))

    @property
    def fulfillment_status(self) -> str:
        """The order's OrderDisplayFulfillmentStatus."""
        wanted = sum(line.current_quantity for line in self.lines if line.requires_shipping)
        sent = sum(line.fulfilled for line in self.lines if line.requires_shipping)
        if not any(line.requires_shipping for line in self.lines):
            return "FULFILLMENT_NOT_REQUIRED"
        if sent and sent >= wanted:
            return "FULFILLED"
        if sent:
            return "PARTIALLY_FULFILLED"
        open_ones = [each for each in self.fulfillment_orders if each.visible and each.status != "CLOSED"]
        for status in ("ON_HOLD", "SCHEDULED"):
            if open_ones and all(each.status == status for each in open_ones):
                return status
        return "UNFULFILLED"
