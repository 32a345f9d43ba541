"""Decides which part of an order may go to a warehouse now, and why the other part may not. Pure: a snapshot in, a
verdict out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fulfillment.models.states import OrderState, Reason
from fulfillment.shopify.our_locations import SHIPPED_METHODS, OurLocations
from fulfillment.shopify.snapshots import FulfillmentOrderNode, LineNode, OrderNode
from shops.ids import ShopifyLineId
from shops.models import Shop

OPEN_STATUSES = frozenset({"OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD"})
"""FulfillmentOrderStatus values with work left; CLOSED, CANCELLED and INCOMPLETE have none for us."""

FULFILLABLE_STATUSES = frozenset({"OPEN", "IN_PROGRESS"})
"""FulfillmentOrderStatus values whose units may be sent now."""

DEFERRING_REASONS = frozenset({Reason.ON_HOLD, Reason.SCHEDULED})
"""Reasons that concern one fulfilment order, and not the order as a whole."""

_PAID = frozenset({"PAID", "PARTIALLY_REFUNDED"})
_ACCEPTED_STATUSES = {
    Shop.SubmitPolicy.PAID: _PAID,
    Shop.SubmitPolicy.AUTHORIZED: _PAID | {"AUTHORIZED"},
    Shop.SubmitPolicy.ALWAYS: _PAID | {"AUTHORIZED", "PENDING", "PARTIALLY_PAID", ""},
}


@dataclass(frozen=True)
class Deferred:
    """The part of an order that may not go yet: why, which units, and until when (None = nobody knows)."""

    reason: Reason
    detail: str
    until: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """The state of an order at Shopify, before we look at warehouses. READY has no reason.

    `deferred`: the part that may not go yet. A READY order may have one beside the part that goes.
    """

    state: OrderState
    reason: Reason = Reason.NONE
    detail: str = ""
    deferred: Deferred | None = None


READY = Verdict(OrderState.READY)


def is_shippable(line: LineNode) -> bool:
    """Whether a line is goods that are shipped: no gift card, nothing digital."""
    return line.requires_shipping and not line.is_gift_card


def verdict(order: OrderNode, shop: Shop, *, locations: OurLocations) -> Verdict:
    """Decide what holds the order back at Shopify, the most basic reason first; READY if any part may go.

    A reason about the order (unpaid, a test) holds all of it. A hold or a date holds only its own fulfilment order,
    unless the shop sends whole orders only.
    """
    return _order_verdict(order, shop) or _fulfillment_orders_verdict(order, shop, locations=locations)


def _waiting(reason: Reason, detail: str = "") -> Verdict:
    return Verdict(OrderState.WAITING, reason, detail, Deferred(reason, detail))


def _order_verdict(order: OrderNode, shop: Shop) -> Verdict | None:
    """The verdict by the order as a whole; None if nothing about it decides, so that its fulfilment orders do."""
    if order.cancelled_at:
        return Verdict(OrderState.CANCELLED)
    if not any(is_shippable(line) and line.current_quantity for line in order.line_items.nodes):
        return Verdict(OrderState.NOTHING_TO_SHIP)
    if not shop.is_active:
        return _waiting(Reason.SHOP_INACTIVE)
    if order.test and not shop.submit_test_orders:
        return _waiting(Reason.TEST_ORDER)
    if not order.confirmed:
        return _waiting(Reason.UNCONFIRMED)
    if order.display_financial_status not in _ACCEPTED_STATUSES[Shop.SubmitPolicy(shop.submit_policy)]:
        return _waiting(Reason.UNPAID, order.display_financial_status or "no financial status")
    return None


def _fulfillment_orders_verdict(order: OrderNode, shop: Shop, *, locations: OurLocations) -> Verdict:
    """The verdict by the fulfilment orders that ask us for goods, and by the address that they need."""
    shippable = {line.id: line for line in order.line_items.nodes if is_shippable(line)}
    with_goods = [
        work
        for work in order.fulfillment_orders.nodes
        if any(line.line_item.id in shippable for line in work.line_items.nodes)
    ]
    if not with_goods:
        return _waiting(Reason.NO_FULFILLMENT_ORDERS)
    unfinished = [
        work
        for work in with_goods
        if work.status in OPEN_STATUSES
        and any(line.remaining_quantity for line in work.line_items.nodes if line.line_item.id in shippable)
    ]
    open_work = locations.to_ship(unfinished)
    if not open_work:
        return _verdict_without_our_work(unfinished)
    fulfillable = [work for work in open_work if work.status in FULFILLABLE_STATUSES]
    later = [work for work in open_work if work.status not in FULFILLABLE_STATUSES]
    deferred = _deferred(later, shippable) if later else None
    if deferred and (not fulfillable or shop.whole_orders_only):
        return Verdict(OrderState.WAITING, deferred.reason, deferred.detail, deferred)
    address = order.shipping_address
    if address is None or not (
        address.country_code and address.address1 and (address.name or address.company)
    ):
        detail = "name, street and country are needed"
        return Verdict(OrderState.HELD, Reason.NO_ADDRESS, detail, deferred)
    return replace(READY, deferred=deferred)


def _verdict_without_our_work(unfinished: Sequence[FulfillmentOrderNode]) -> Verdict:
    """The verdict if no open fulfilment order is ours. If others have them, it says at which locations.

    If Shopify names no location, a person must look, because it cannot be anybody's.
    """
    carried = [work for work in unfinished if work.method in SHIPPED_METHODS]
    if any(work.location_id is None for work in carried):
        return Verdict(
            OrderState.HELD, Reason.NO_LOCATION, "the location was deleted, or is hidden from the app"
        )
    elsewhere = sorted({work.location_id for work in carried if work.location_id is not None})
    if not elsewhere:
        return Verdict(OrderState.NOTHING_TO_SHIP)
    return Verdict(OrderState.NOTHING_TO_SHIP, Reason.ELSEWHERE, ", ".join(map(str, elsewhere)))


def _deferred(later: Sequence[FulfillmentOrderNode], shippable: Mapping[ShopifyLineId, LineNode]) -> Deferred:
    """Describe the deferred fulfilment orders: those with a date first, the earliest first."""
    in_turn = sorted(
        later, key=lambda work: (work.fulfill_at is None, work.fulfill_at or work.updated_at, work.id)
    )
    held = any(work.status == "ON_HOLD" for work in later)
    dates = [work.fulfill_at for work in later if work.status == "SCHEDULED" and work.fulfill_at]
    return Deferred(
        reason=Reason.ON_HOLD if held else Reason.SCHEDULED,
        detail="; ".join(_deferred_text(work, shippable) for work in in_turn),
        until=min(dates, default=None),
    )


def _deferred_text(work: FulfillmentOrderNode, shippable: Mapping[ShopifyLineId, LineNode]) -> str:
    """The units of a fulfilment order, and what they wait for."""
    units = ", ".join(
        f"{line.remaining_quantity} × {shippable[line.line_item.id].sku or shippable[line.line_item.id].title}"
        for line in work.line_items.nodes
        if line.remaining_quantity and line.line_item.id in shippable
    )
    if work.status == "ON_HOLD":
        why = ", ".join(sorted({hold.reason for hold in work.fulfillment_holds if hold.reason}))
        return f"{units} on hold" + (f" ({why})" if why else "")
    return (
        f"{units} from {work.fulfill_at:%Y-%m-%d %H:%M} UTC"
        if work.fulfill_at
        else f"{units} at a later date"
    )
