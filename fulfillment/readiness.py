"""Why may this order not go to a warehouse yet? Pure: a snapshot in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass

from fulfillment.snapshots import LineNode, OrderNode, WorkNode
from fulfillment.states import OrderState, Reason
from shops.models import Shop

SHIPPED_METHODS = frozenset({"", "SHIPPING", "PICKUP_POINT"})
"""DeliveryMethodType (Admin API 2026-10) of goods that a carrier brings; NONE, PICK_UP, LOCAL, RETAIL are not ours."""

OPEN_STATUSES = frozenset({"OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD"})
"""FulfillmentOrderStatus values with work left; CLOSED, CANCELLED and INCOMPLETE have none for us."""

GOING_STATUSES = frozenset({"OPEN", "IN_PROGRESS"})

_PAID = frozenset({"PAID", "PARTIALLY_REFUNDED"})
_ENOUGH = {
    Shop.SubmitPolicy.PAID: _PAID,
    Shop.SubmitPolicy.AUTHORIZED: _PAID | {"AUTHORIZED"},
    Shop.SubmitPolicy.ALWAYS: _PAID | {"AUTHORIZED", "PENDING", "PARTIALLY_PAID", ""},
}


@dataclass(frozen=True)
class Verdict:
    """Where an order stands at Shopify, before we look at warehouses; READY has no reason."""

    state: OrderState
    reason: Reason = Reason.NONE
    detail: str = ""


READY = Verdict(OrderState.READY)


def is_shippable(line: LineNode) -> bool:
    """Whether a line is goods in a parcel: no gift card, nothing digital."""
    return line.requires_shipping and not line.is_gift_card


def is_ours(work: WorkNode, *, our_locations: frozenset[int]) -> bool:
    """Whether a fulfilment order is work for our warehouses: sent by a carrier, and not another service's."""
    foreign = work.at_service and work.location_id not in our_locations
    return work.method in SHIPPED_METHODS and not foreign


def verdict(order: OrderNode, shop: Shop, *, our_locations: frozenset[int]) -> Verdict:
    """What holds the order back at Shopify, the most basic reason first; READY when nothing does."""
    return _about_the_order(order, shop) or _about_its_work(order, our_locations=our_locations)


def _waits(reason: Reason, detail: str = "") -> Verdict:
    return Verdict(OrderState.WAITING, reason, detail)


def _about_the_order(order: OrderNode, shop: Shop) -> Verdict | None:
    if order.cancelled_at:
        return Verdict(OrderState.CANCELLED)
    if not any(is_shippable(line) and line.current_quantity for line in order.line_items.nodes):
        return Verdict(OrderState.NOTHING_TO_SHIP)
    if not shop.is_active:
        return _waits(Reason.SHOP_INACTIVE)
    if order.test and not shop.submit_test_orders:
        return _waits(Reason.TEST_ORDER)
    if not order.confirmed:
        return _waits(Reason.UNCONFIRMED)
    if order.display_financial_status not in _ENOUGH[Shop.SubmitPolicy(shop.submit_policy)]:
        return _waits(Reason.UNPAID, order.display_financial_status or "no financial status")
    return None


def _about_its_work(order: OrderNode, *, our_locations: frozenset[int]) -> Verdict:
    shippable = {line.id for line in order.line_items.nodes if is_shippable(line)}
    with_goods = [
        work
        for work in order.fulfillment_orders.nodes
        if any(line.line_item.id in shippable for line in work.line_items.nodes)
    ]
    if not with_goods:
        return _waits(Reason.NO_FULFILLMENT_ORDERS)
    open_work = [
        work
        for work in with_goods
        if is_ours(work, our_locations=our_locations)
        and work.status in OPEN_STATUSES
        and any(line.remaining_quantity for line in work.line_items.nodes if line.line_item.id in shippable)
    ]
    return _about_open_work(order, open_work)


def _about_open_work(order: OrderNode, open_work: list[WorkNode]) -> Verdict:
    if not open_work:
        return Verdict(OrderState.NOTHING_TO_SHIP)
    held = [hold.reason for work in open_work if work.status == "ON_HOLD" for hold in work.fulfillment_holds]
    if any(work.status == "ON_HOLD" for work in open_work):
        return _waits(Reason.ON_HOLD, ", ".join(sorted(set(held))))
    scheduled = [work.fulfill_at for work in open_work if work.status == "SCHEDULED" and work.fulfill_at]
    if any(work.status == "SCHEDULED" for work in open_work):
        return _waits(Reason.SCHEDULED, f"from {min(scheduled):%Y-%m-%d %H:%M} UTC" if scheduled else "")
    address = order.shipping_address
    if address is None or not (
        address.country_code and address.address1 and (address.name or address.company)
    ):
        return Verdict(OrderState.HELD, Reason.NO_ADDRESS, "name, street and country are needed")
    return READY
