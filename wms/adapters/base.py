"""The interface between the application and a WMS: the adapter's methods, and their arguments and answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from wms.ids import ExternalId, RemoteOrderId, RemoteReturnId
from wms.vocabulary.statuses import WmsStatus


class Capability(StrEnum):
    """What one account at one WMS can do; if one is missing, orders take another way through the application."""

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
    """The address of an order; "" = Shopify has no such part. It is personal data and never logged."""

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
    """An order as the WMS reports it."""

    remote_id: RemoteOrderId
    status: WmsStatus
    raw_status: str


@dataclass(frozen=True)
class UpdateAnswer:
    """Whether the WMS accepted the change; `status` is the order's state if it reports one."""

    accepted: bool
    status: WmsStatus
    reason: str


@dataclass(frozen=True)
class CancelAnswer:
    """Whether the order is cancelled. If not, status CANCEL_REQUESTED means that the WMS decides later."""

    cancelled: bool
    status: WmsStatus
    reason: str


@dataclass(frozen=True)
class ReturnRequest:
    """An announced return of goods. `external_id` is that of their order."""

    external_id: ExternalId
    remote_order_id: RemoteOrderId
    reason: str
    lines: tuple[OrderLineRequest, ...]


@dataclass(frozen=True)
class ReturnAnswer:
    """A return as the WMS reports it; `label_url` is "" if there is no label."""

    remote_id: RemoteReturnId
    label_url: str


@dataclass(frozen=True)
class StockReading:
    """The stock of one item at one warehouse, in WMS item units, never negative; None = the WMS did not report it."""

    wms_item_code: str
    wms_warehouse_code: str
    available: int | None
    on_hand: int | None
    updated_at: datetime


@dataclass(frozen=True)
class StockPage:
    """One page of stock; `next_cursor` is None on the last one. `unread` has the reasons for unreadable items."""

    readings: tuple[StockReading, ...]
    next_cursor: str | None
    unread: tuple[str, ...] = ()


class Adapter(Protocol):
    """One WMS account. Every method makes one call with a time limit, and raises only the errors of `ops.errors`.

    They are Transient and Throttled (nothing happened, try later), Permanent (the WMS refused), UnknownOutcome (a call
    that changes something may have happened), and Blocked (the WMS refuses our credentials, and nothing happened). If
    its capability is missing, a method raises Permanent without a call.
    """

    capabilities: frozenset[Capability]

    def create_order(self, request: OrderRequest) -> OrderAnswer:
        """Create an order; the idempotency key is its external id."""

    def find_order(self, external_id: ExternalId) -> OrderAnswer | None:
        """The order with this external id; None = the WMS says that it has none."""

    def update_order(
        self, remote_id: RemoteOrderId, request: OrderRequest, *, idempotency_key: str
    ) -> UpdateAnswer:
        """Replace the content of an order. A key names one change: A, B and A again need three keys."""

    def cancel_order(self, remote_id: RemoteOrderId, *, idempotency_key: str) -> CancelAnswer:
        """Ask for a cancellation."""

    def stock(self, *, updated_since: datetime | None, cursor: str | None, limit: int) -> StockPage:
        """Read one page of the stock that changed since then (None = everything)."""

    def create_return(self, request: ReturnRequest, *, idempotency_key: str) -> ReturnAnswer:
        """Announce a return."""
