"""The bodies of webhooks about orders and fulfilments, as far as they are compared with what is stored (2026-10).

They are shaped like Shopify's REST resources. A field that is missing, or of another type, makes the whole body unfit.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shops.api.shapes import Moment, Text
from shops.ids import FulfillmentId, ShopifyLineId, VariantId


def _written(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError("is not written as a time")
    return value


_Time = Annotated[Moment, Field(strict=False), BeforeValidator(_written)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class Address(_Body):
    """A shipping address. Personal data: never logged."""

    name: Text
    company: Text
    address1: Text
    address2: Text
    city: Text
    province_code: Text
    zip: Text
    country_code: Text
    phone: Text


class ShippingLine(_Body):
    """A shipping method of an order."""

    title: Text
    is_removed: bool = False


class Line(_Body):
    """A line of an order. `fulfillable_quantity`: the units that are in no fulfilment yet."""

    id: ShopifyLineId
    sku: Text
    title: Text
    current_quantity: int
    fulfillable_quantity: int
    variant_id: VariantId | None
    requires_shipping: bool
    gift_card: bool


class FulfilledLine(_Body):
    """The units of an order line in a fulfilment."""

    id: ShopifyLineId
    quantity: int


class Fulfillment(_Body):
    """A fulfilment, alone or in the body of its order."""

    id: FulfillmentId
    status: Text
    line_items: list[FulfilledLine]

    @property
    def units(self) -> dict[ShopifyLineId, int]:
        """Its units by order line."""
        units: dict[ShopifyLineId, int] = {}
        for line in self.line_items:
            units[line.id] = units.get(line.id, 0) + line.quantity
        return units


class Order(_Body):
    """A whole order."""

    id: int
    name: str
    processed_at: _Time | None
    updated_at: _Time
    cancelled_at: _Time | None
    confirmed: bool
    test: bool
    financial_status: Text
    email: Text
    phone: Text
    shipping_address: Address | None
    shipping_lines: list[ShippingLine]
    line_items: list[Line]
    fulfillments: list[Fulfillment]
    refunds: list[Any]
    returns: list[Any]
