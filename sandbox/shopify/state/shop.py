"""A shop, with everything that belongs to it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.shopify.state.catalogue import Level, Location, Variant
from sandbox.shopify.state.ids import new_id
from sandbox.shopify.state.limits import GraphqlBucket, RestBucket
from sandbox.shopify.state.orders import Fulfillment, FulfillmentOrder, Order
from sandbox.shopify.state.request_log import RequestLog
from sandbox.shopify.state.search_index import SearchIndex
from sandbox.shopify.state.times import now


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
    )  # token -> when it expires by time.monotonic(), None = never
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
    log: RequestLog = field(default_factory=RequestLog)
    search: SearchIndex = field(default_factory=SearchIndex)

    def stocks(self, variant: Variant | None, location: Location) -> bool:
        """Whether the location stocks the variant. A variant that is not tracked needs no stock."""
        if variant is None or not variant.tracked:
            return True
        level = self.level(variant, location)
        return level is not None and level.is_active

    def level(self, variant: Variant, location: Location) -> Level | None:
        """Returns the stock level, even an inactive one; None when the item was never stocked there."""
        return self.levels.get((variant.inventory_item_id, location.id))
