"""What the application asks of a WMS, and the only shapes that cross that line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from wms.ids import ExternalId, RemoteOrderId, RemoteReturnId
from wms.statuses import WmsStatus


class Capability(StrEnum):
    """What one account at one WMS can do; its absence changes the way of an order, not only a call."""

    FIND_ORDER = "find_order"  # an order can be looked up by our external id
    IDEMPOTENT_CREATE = "idempotent_create"  # a second create with the same identity gives the first order
    UPDATE_ORDER = "update_order"
    CANCEL_ORDER = "cancel_order"
    STOCK_DELTA = (
        "stock_delta"  # stock can be read since a point in time; without it every read is a full one
    )
    RETURNS = "returns"


@dataclass(frozen=True)
class Address:
    """Where an order goes; "" = the shop knows no such part. Personal data: never logged."""

    name: str = ""
    company: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    province: str = ""
    zip: str = ""
    country: str = ""  # ISO 3166-1 alpha-2
    phone: str = ""
    email: str = ""


@dataclass(frozen=True)
class OrderLineRequest:
    """Units of one WMS item, for one line of the shop's order."""

    wms_item_code: str
    quantity: int  # WMS item units
    external_line_id: str


@dataclass(frozen=True)
class OrderRequest:
    """One order for one warehouse. `external_id` is its identity at both ends and never changes."""

    external_id: ExternalId
    external_ref: str  # what people call the order
    warehouse_code: str
    lines: tuple[OrderLineRequest, ...]
    address: Address
    shipping_method: str


@dataclass(frozen=True)
class OrderAnswer:
    """An order as the WMS knows it."""

    remote_id: RemoteOrderId
    status: WmsStatus
    raw_status: str


@dataclass(frozen=True)
class UpdateAnswer:
    """Whether the WMS took the change; `status` is the order's state when it says one."""

    accepted: bool
    status: WmsStatus
    reason: str


@dataclass(frozen=True)
class CancelAnswer:
    """Whether it is cancelled. Not cancelled with status CANCEL_REQUESTED = the WMS will tell later."""

    cancelled: bool
    status: WmsStatus
    reason: str


@dataclass(frozen=True)
class ReturnRequest:
    """Goods announced to come back. `external_id` is that of the order they were part of."""

    external_id: ExternalId
    remote_order_id: RemoteOrderId
    reason: str
    lines: tuple[OrderLineRequest, ...]


@dataclass(frozen=True)
class ReturnAnswer:
    """A return as the WMS knows it; `label_url` is "" when it makes no label."""

    remote_id: RemoteReturnId
    label_url: str


@dataclass(frozen=True)
class StockReading:
    """One item at one warehouse, in WMS item units; None = the WMS does not say. Never negative."""

    wms_item_code: str
    wms_warehouse_code: str
    available: int | None
    on_hand: int | None
    updated_at: datetime


@dataclass(frozen=True)
class StockPage:
    """One page of stock; `next_cursor` None = the last one. `unread`: items that cannot be read, with the reasons."""

    readings: tuple[StockReading, ...]
    next_cursor: str | None
    unread: tuple[str, ...] = ()


class Adapter(Protocol):
    """One WMS account. Every method is one bounded call and raises only the errors of `ops.errors`:

    Transient and Throttled (nothing happened, try later), Permanent (it said no), UnknownOutcome (a changing
    call may have happened), Blocked (it refuses our credentials; nothing happened). A method whose capability is
    missing raises Permanent without a call.
    """

    capabilities: frozenset[Capability]

    def create_order(self, request: OrderRequest) -> OrderAnswer:
        """Hand over an order; the idempotency key is its external id."""

    def find_order(self, external_id: ExternalId) -> OrderAnswer | None:
        """The order with this external id; None = the WMS says that it has none."""

    def update_order(
        self, remote_id: RemoteOrderId, request: OrderRequest, *, idempotency_key: str
    ) -> UpdateAnswer:
        """Replace the content of an order. A key names one change: A, B and A again need three keys."""

    def cancel_order(self, remote_id: RemoteOrderId, *, idempotency_key: str) -> CancelAnswer:
        """Ask for a cancellation."""

    def stock(self, *, updated_since: datetime | None, cursor: str | None, limit: int) -> StockPage:
        """One page of what changed since then (None = everything)."""

    def create_return(self, request: ReturnRequest, *, idempotency_key: str) -> ReturnAnswer:
        """Announce a return."""
