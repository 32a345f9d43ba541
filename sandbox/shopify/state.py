"""What a shop consists of, in memory. Nothing here decides or sends; times have whole seconds, as at Shopify."""

import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.shopify.books import ShopBooks
from sandbox.shopify.limits import GraphqlBucket, RestBucket

FIRST_IDS = {
    "Order": 5_000_000_000_001,
    "LineItem": 13_000_000_000_001,
    "FulfillmentOrder": 6_000_000_000_001,
    "FulfillmentOrderLineItem": 14_000_000_000_001,
    "Fulfillment": 4_000_000_000_001,
    "FulfillmentHold": 700_000_001,
    "FulfillmentLineItem": 15_000_000_000_001,
    "WebhookSubscription": 1_100_000_000_001,
    "OrderEdit": 90_000_001,
    "InventoryAdjustmentGroup": 80_000_001,
    "Shop": 60_000_001,
}
counters = {kind: itertools.count(first) for kind, first in FIRST_IDS.items()}


def new_id(kind: str) -> int:
    """The next number of a kind; unique over all shops of the process."""
    return next(counters[kind])


def gid(kind: str, number: int | str) -> str:
    """gid://shopify/<kind>/<number>"""
    return f"gid://shopify/{kind}/{number}"


def now() -> datetime:
    """Shopify shows whole seconds, so two changes within one second carry the same updatedAt."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime | None) -> str | None:
    """2026-10-01T12:00:00Z"""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False)
class Location:
    id: int
    name: str
    country: str
    is_active: bool = True
    created_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Variant:
    id: int
    sku: str | None
    title: str
    inventory_item_id: int
    product_id: int
    requires_shipping: bool
    is_gift_card: bool
    tracked: bool
    price: str
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Level:
    """Stock of one item at one location."""

    variant: Variant
    location: Location
    available: int
    committed: int = 0
    is_active: bool = True
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)

    @property
    def on_hand(self) -> int:
        return self.available + self.committed


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
        """Units in fulfilments that were not cancelled."""
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
    visible_at: float  # time.monotonic(); before it, nobody sees the fulfilment order
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
    def fulfillment_status(self) -> str:
        """OrderDisplayFulfillmentStatus."""
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


@dataclass(eq=False)
class Subscription:
    id: int
    topic: str  # ORDERS_PAID
    uri: str
    api_version: str
    name: str | None = None
    filter: str | None = None
    format: str = "JSON"
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Shop:
    domain: str
    name: str
    client_id: str | None
    client_secret: str | None
    webhook_secret: str
    webhook_url: str | None
    fo_delay: float
    token_lifetime: int
    bucket: GraphqlBucket
    rest_bucket: RestBucket
    cost_model: str
    id: int = field(default_factory=lambda: new_id("Shop"))
    tokens: dict[str, float | None] = field(
        default_factory=dict
    )  # token -> time.monotonic() it expires, None = never
    locations: dict[int, Location] = field(default_factory=dict)
    variants: dict[int, Variant] = field(default_factory=dict)
    items: dict[int, Variant] = field(default_factory=dict)  # by inventory item id
    levels: dict[tuple[int, int], Level] = field(default_factory=dict)  # (inventory item id, location id)
    orders: dict[int, Order] = field(default_factory=dict)
    fulfillment_orders: dict[int, FulfillmentOrder] = field(default_factory=dict)
    fulfillments: dict[int, Fulfillment] = field(default_factory=dict)
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    idempotent_results: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
    next_order_number: int = 1001
    created_at: datetime = field(default_factory=now)
    books: ShopBooks = field(default_factory=ShopBooks)

    def level(self, variant: Variant, location: Location) -> Level | None:
        """The stock level, also an inactive one; None when the item was never stocked there."""
        return self.levels.get((variant.inventory_item_id, location.id))
