"""Which of Shopify's locations are ours. Goods at a store, or at another logistics provider, are for others to send."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fulfillment.shopify.snapshots import FulfillmentOrderNode
from shops.ids import LocationId
from shops.models import Shop
from wms.models import Warehouse

SHIPPED_METHODS = frozenset({"", "SHIPPING", "PICKUP_POINT"})
"""The delivery methods (DeliveryMethodType, Admin API 2026-10) that need a carrier. We send nothing by the others:
NONE, PICK_UP, LOCAL, RETAIL."""


@dataclass(frozen=True)
class OurLocations:
    """The Shopify locations that are ours in one shop.

    `ids`: the locations of the shop's warehouses. `everywhere`: we also route for all other locations that are the
    shop's own.
    """

    ids: frozenset[LocationId]
    everywhere: bool = False

    def include(self, fulfillment_order: FulfillmentOrderNode) -> bool:
        """Whether a fulfilment order is assigned to one of these locations, whatever its delivery method.

        The location of a fulfilment service is ours only if one of our warehouses has it.
        """
        its_own = self.everywhere and not fulfillment_order.at_service
        return its_own or fulfillment_order.location_id in self.ids

    def to_ship(self, fulfillment_orders: Iterable[FulfillmentOrderNode]) -> list[FulfillmentOrderNode]:
        """The fulfilment orders that our warehouses send: those at our locations that need a carrier."""
        return [each for each in fulfillment_orders if each.method in SHIPPED_METHODS and self.include(each)]


def of(shop: Shop) -> OurLocations:
    """Our locations in a shop, with one query.

    Warehouses that are paused or switched off count too: their orders wait, or go to another warehouse.
    """
    named = Warehouse.objects.filter(shop=shop).values_list("shopify_location_id", flat=True)
    return OurLocations(frozenset(named), everywhere=shop.routes_all_locations)


def names(shop_id: int) -> dict[LocationId, str]:
    """The names of the shop's warehouses by their Shopify location."""
    warehouses = Warehouse.objects.filter(shop_id=shop_id).select_related("connection")
    return {each.shopify_location_id: each.place for each in warehouses}
