"""Types that say who gave an id (Shopify or we) and what it identifies. The types do not change the values."""

from __future__ import annotations

from typing import NewType

ShopPk = NewType("ShopPk", int)
"""The key of our row of a shop."""

ShopifyOrderId = NewType("ShopifyOrderId", int)
ShopifyLineId = NewType("ShopifyLineId", int)
"""Shopify's id of a line of an order. The line of a fulfilment order has an id of its own."""

FulfillmentOrderId = NewType("FulfillmentOrderId", int)
FulfillmentOrderLineId = NewType("FulfillmentOrderLineId", int)
FulfillmentId = NewType("FulfillmentId", int)
LocationId = NewType("LocationId", int)
VariantId = NewType("VariantId", int)
InventoryItemId = NewType("InventoryItemId", int)
