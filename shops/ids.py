"""Whose an id is: Shopify's, by the kind of thing that it names, or ours. The types change no value."""

from __future__ import annotations

from typing import NewType

ShopPk = NewType("ShopPk", int)
"""Our row of a shop."""

ShopifyOrderId = NewType("ShopifyOrderId", int)
ShopifyLineId = NewType("ShopifyLineId", int)
"""A line of an order. The line of a fulfilment order has an id of its own."""

FulfillmentOrderId = NewType("FulfillmentOrderId", int)
FulfillmentOrderLineId = NewType("FulfillmentOrderLineId", int)
FulfillmentId = NewType("FulfillmentId", int)
LocationId = NewType("LocationId", int)
VariantId = NewType("VariantId", int)
InventoryItemId = NewType("InventoryItemId", int)
