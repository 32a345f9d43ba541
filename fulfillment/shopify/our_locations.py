"""Which of Shopify's locations are ours: what lies at a store or another logistics provider is theirs to send."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fulfillment.shopify.snapshots import FulfillmentOrderNode
from shops.ids import LocationId
from shops.models import Shop
from wms.models import Warehouse

SHIPPED_METHODS = frozenset({"", "SHIPPING", "PICKUP_POINT"})
"""DeliveryMethodType (Admin API 2026-10) of goods that a carrier brings; NONE, PICK_UP, LOCAL, RETAIL are not ours."""


@dataclass(frozen=True)
class OurLocations:
    """Shopify locations of the shop's warehouses; `everywhere`: the shop has us route for all its own locations."""

    ids: frozenset[LocationId]
    everywhere: bool = False

    def include(self, fulfillment_order: FulfillmentOrderNode) -> bool:
        """Whether a fulfilment order lies at a place that is ours, however it is delivered.

        A fulfilment service that no warehouse names is somebody else's, always.
        """
        its_own = self.everywhere and not fulfillment_order.at_service
        return its_own or fulfillment_order.location_id in self.ids

    def to_ship(self, fulfillment_orders: Iterable[FulfillmentOrderNode]) -> list[FulfillmentOrderNode]:
        """The fulfilment orders that are work for our warehouses: at a place of ours, and brought by a carrier."""
        return [each for each in fulfillment_orders if each.method in SHIPPED_METHODS and self.include(each)]


def of(shop: Shop) -> OurLocations:
    """The places of a shop, with one query. A warehouse that is paused or switched off still has its location: its
    orders wait or go to another one, they are not dropped."""
    named = Warehouse.objects.filter(shop=shop).values_list("shopify_location_id", flat=True)
    return OurLocations(frozenset(named), everywhere=shop.routes_all_locations)


def names(shop_id: int) -> dict[LocationId, str]:
    """What the shop's warehouses are called, by the Shopify location that each of them is."""
    warehouses = Warehouse.objects.filter(shop_id=shop_id).select_related("connection")
    return {each.shopify_location_id: each.place for each in warehouses}
