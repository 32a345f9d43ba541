"""What Shopify says about an order, parsed once into typed objects (Admin API 2026-10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shops.api.shapes import (
    FulfillmentGid,
    FulfillmentOrderGid,
    FulfillmentOrderLineGid,
    Gid,
    Level,
    LineGid,
    LocationGid,
    Moment,
    OrderGid,
    PageInfo,
    Text,
    Units,
    VariantGid,
    parse,
)
from shops.api.shapes import Shape as _Node
from shops.ids import LocationId, ShopifyLineId

__all__ = ["FulfillmentNode", "FulfillmentOrderNode", "OrderNode", "parse"]


class _VariantRef(_Node):
    id: VariantGid


class _LineRef(_Node):
    id: LineGid


class LineNode(_Node):
    """An order line. `current_quantity` is what is left after edits and refunds, in Shopify units."""

    id: LineGid
    sku: Text = ""
    title: Text = ""
    current_quantity: Units
    requires_shipping: bool
    is_gift_card: bool
    variant: _VariantRef | None = None


class LinePage(_Node):
    nodes: list[LineNode]
    page_info: PageInfo


class FulfillmentOrderLineNode(_Node):
    """A fulfilment-order line; quantities in Shopify units."""

    id: FulfillmentOrderLineGid
    total_quantity: Units = 0
    remaining_quantity: Units
    line_item: _LineRef


class FulfillmentOrderLinePage(_Node):
    nodes: list[FulfillmentOrderLineNode]
    page_info: PageInfo


class _Method(_Node):
    method_type: str


class _LocationRef(_Node):
    id: LocationGid
    is_fulfillment_service: bool = False


class _Assigned(_Node):
    location: _LocationRef | None = None


class _Hold(_Node):
    reason: Text = ""


class FulfillmentOrderNode(_Node):
    """A fulfilment order. Its states are kept as text, because Shopify adds new ones."""

    id: FulfillmentOrderGid
    status: str
    request_status: Text = ""
    updated_at: Moment
    fulfill_at: Moment | None = None
    delivery_method: _Method | None = None
    assigned_location: _Assigned | None = None
    fulfillment_holds: list[_Hold] = []
    line_items: FulfillmentOrderLinePage

    @property
    def location_id(self) -> LocationId | None:
        """The location it is assigned to."""
        assigned = self.assigned_location
        return assigned.location.id if assigned and assigned.location else None

    @property
    def at_service(self) -> bool:
        """Whether that location belongs to a fulfilment service."""
        assigned = self.assigned_location
        return bool(assigned and assigned.location and assigned.location.is_fulfillment_service)

    @property
    def method(self) -> str:
        """The type of the delivery method, "" if there is none."""
        return self.delivery_method.method_type if self.delivery_method else ""


class FulfillmentOrderPage(_Node):
    nodes: list[FulfillmentOrderNode]
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
    """An order as it was read. `queries.orders` makes its lines and fulfilment orders complete.

    `read_at` is the time of the reading by Shopify's clock, if it gave one. `asked_at` is a time before the call, by
    the clock of the database: the reading may not show what we did after it.
    """

    id: OrderGid
    asked_at: Moment | None = None
    read_at: Moment | None = None
    name: str
    processed_at: Moment | None = None
    updated_at: Moment
    cancelled_at: Moment | None = None
    confirmed: bool = True
    test: bool
    display_financial_status: Text = ""
    email: Text = ""
    phone: Text = ""
    shipping_address: AddressNode | None = None
    shipping_line: _ShippingLine | None = None
    line_items: LinePage
    fulfillment_orders: FulfillmentOrderPage

    def known_until(self, updated_at: Moment) -> Moment:
        """The time up to which this reading knows all changes, if the last one is dated `updated_at`.

        Shopify dates changes in whole seconds. If the reading came within that second, another change with the same
        date may have followed it. The result is then the moment before, so that a backfill reads the order again.
        """
        over = self.read_at is None or updated_at < self.read_at
        return updated_at if over else updated_at - timedelta(microseconds=1)

    @property
    def is_complete(self) -> bool:
        """Whether none of its lists has a further page."""
        ends = [self.line_items.page_info, self.fulfillment_orders.page_info]
        ends += [each.line_items.page_info for each in self.fulfillment_orders.nodes]
        return not any(each.has_next_page for each in ends)


class Orders(_Node):
    """Orders by their ids; None for an order that Shopify does not show."""

    nodes: list[OrderNode | None]


class FoundOrders(_Node):
    """Orders that a search found."""

    nodes: list[OrderNode]


class OrderFulfillmentOrders(_Node):
    """An order, read with its fulfilment orders only."""

    fulfillment_orders: FulfillmentOrderPage


class FulfillmentOrderOwner(_Node):
    """A fulfilment order, read with the id of its order only."""

    id: FulfillmentOrderGid
    order_id: OrderGid


class FulfillmentOrderOwners(_Node):
    """Fulfilment orders by their ids; None for one that Shopify does not show."""

    nodes: list[FulfillmentOrderOwner | None]


class ChangedNode(_Node):
    """An order that changed, or a fulfilment order with its order's id and its status."""

    id: Gid
    order_id: OrderGid | None = None
    updated_at: Moment
    status: Text = ""
    cancelled_at: Moment | None = None
    display_financial_status: Text = ""
    display_fulfillment_status: Text = ""
    current_subtotal_line_items_quantity: int | None = None


class ChangedPage(_Node):
    """A page of changed orders or fulfilment orders."""

    nodes: list[ChangedNode]
    page_info: PageInfo


class _Tracking(_Node):
    number: Text = ""


class FulfillmentLineNode(_Node):
    quantity: Level
    line_item: _LineRef


class FulfillmentLinePage(_Node):
    nodes: list[FulfillmentLineNode]
    page_info: PageInfo


class FulfillmentNode(_Node):
    """A fulfilment that exists at Shopify."""

    id: FulfillmentGid
    status: Text = ""
    tracking_info: list[_Tracking] = []
    fulfillment_line_items: FulfillmentLinePage

    @property
    def is_live(self) -> bool:
        """Whether it counts. One that was cancelled, or failed, does not: its units are unfulfilled again."""
        return self.status not in ("CANCELLED", "ERROR", "FAILURE")

    @property
    def numbers(self) -> frozenset[str]:
        """Its tracking numbers."""
        return frozenset(tracking.number for tracking in self.tracking_info if tracking.number)

    @property
    def units(self) -> dict[ShopifyLineId, int]:
        """Shopify units by order line id."""
        units: dict[ShopifyLineId, int] = {}
        for line in self.fulfillment_line_items.nodes:
            units[line.line_item.id] = units.get(line.line_item.id, 0) + line.quantity
        return units


class OrderFulfillments(_Node):
    """An order, read with its fulfilments only."""

    fulfillments: list[FulfillmentNode] | None = None
