"""The demo's orders as the application knows them: three statements for any number of orders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from fulfillment.models import Order, Shipment, WmsOrder
from fulfillment.models.states import OrderState, Reason
from wmsbridge.demo.actors import Placed

Key = tuple[str, int]


@dataclass(frozen=True)
class Sighting:
    """One order as it stands now; `order` is None until the application has heard of it."""

    placed: Placed
    order: Order | None
    wms_orders: tuple[WmsOrder, ...]
    shipments: tuple[Shipment, ...]

    @property
    def settled(self) -> bool:
        """Whether it is where its story ends, with nothing under way."""
        if self.order is None or (self.order.state, self.order.reason) != (
            self.placed.plot.ends,
            self.placed.plot.reason,
        ):
            return False
        return all(shipment.shopify_fulfillment_id for shipment in self.shipments)

    @property
    def state(self) -> str:
        """In a word, with the reason if it stands still."""
        if self.order is None:
            return "placed"
        state = OrderState(self.order.state).value.replace("_", " ")
        reason = Reason(self.order.reason)
        return f"{state}: {reason.label}" if reason is not Reason.NONE else state

    @property
    def accepted_at(self) -> datetime | None:
        """When the first WMS had it."""
        times = [each.accepted_at for each in self.wms_orders if each.accepted_at]
        return min(times) if times else None

    @property
    def lag(self) -> float | None:
        """Seconds from the first webhook to the WMS's confirmation."""
        if self.order is None or self.accepted_at is None:
            return None
        return (self.accepted_at - self.order.received_at).total_seconds()


def look(placed: Collection[Placed]) -> list[Sighting]:
    """How these orders stand now, in the given order."""
    ids = [each.order_id for each in placed]
    orders: Mapping[Key, Order] = {
        (order.shop.domain, order.shopify_order_id): order
        for order in Order.objects.filter(shopify_order_id__in=ids).select_related("shop").defer("ship_to")
    }
    found = [order.id for order in orders.values()]
    wms_orders: dict[int, list[WmsOrder]] = {}
    for each in WmsOrder.objects.filter(order_id__in=found).select_related("warehouse").order_by("id"):
        wms_orders.setdefault(each.order_id, []).append(each)
    shipments: dict[int, list[Shipment]] = {}
    for shipment in (
        Shipment.objects.filter(wms_order__order_id__in=found).select_related("wms_order").order_by("id")
    ):
        if shipment.wms_order is not None:
            shipments.setdefault(shipment.wms_order.order_id, []).append(shipment)
    return [_sighting(each, orders.get(each.key), wms_orders, shipments) for each in placed]


def _sighting(
    placed: Placed,
    order: Order | None,
    wms_orders: Mapping[int, list[WmsOrder]],
    shipments: Mapping[int, list[Shipment]],
) -> Sighting:
    number = order.id if order else 0
    return Sighting(placed, order, tuple(wms_orders.get(number, ())), tuple(shipments.get(number, ())))
