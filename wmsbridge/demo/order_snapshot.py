"""Reads the state of the demo's orders from the application, with three statements for any number of orders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from fulfillment.models import Order, Shipment, WmsOrder
from fulfillment.models.states import OrderState, Reason
from wmsbridge.demo.actors import PlacedOrder

Key = tuple[str, int]


@dataclass(frozen=True)
class OrderSnapshot:
    """The state of one order. `order` is None until the application has heard of it."""

    placed: PlacedOrder
    order: Order | None
    wms_orders: tuple[WmsOrder, ...]
    shipments: tuple[Shipment, ...]

    @property
    def finished(self) -> bool:
        """Whether the order is in the final state of its scenario, and Shopify knows of every shipment."""
        if self.order is None or (self.order.state, self.order.reason) != (
            self.placed.scenario.final_state,
            self.placed.scenario.reason,
        ):
            return False
        return all(shipment.shopify_fulfillment_id for shipment in self.shipments)

    @property
    def state(self) -> str:
        """The state in words, with the reason if there is one."""
        if self.order is None:
            return "placed"
        state = OrderState(self.order.state).value.replace("_", " ")
        reason = Reason(self.order.reason)
        return f"{state}: {reason.label}" if reason is not Reason.NONE else state

    @property
    def accepted_at(self) -> datetime | None:
        """The time at which the first WMS accepted it; None if none has."""
        times = [each.accepted_at for each in self.wms_orders if each.accepted_at]
        return min(times) if times else None

    @property
    def lag(self) -> float | None:
        """The seconds from the first webhook to the WMS's confirmation; None while there is none."""
        if self.order is None or self.accepted_at is None:
            return None
        return (self.accepted_at - self.order.received_at).total_seconds()


def take_snapshots(placed: Collection[PlacedOrder]) -> list[OrderSnapshot]:
    """Return a snapshot of each of these orders, in the given order."""
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
    return [_snapshot(each, orders.get(each.key), wms_orders, shipments) for each in placed]


def _snapshot(
    placed: PlacedOrder,
    order: Order | None,
    wms_orders: Mapping[int, list[WmsOrder]],
    shipments: Mapping[int, list[Shipment]],
) -> OrderSnapshot:
    """The snapshot of one order, from the rows that were read for all of them."""
    number = order.id if order else 0
    return OrderSnapshot(placed, order, tuple(wms_orders.get(number, ())), tuple(shipments.get(number, ())))
