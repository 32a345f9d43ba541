"""What of this order may go to a warehouse now, and why not the rest? Pure: a snapshot in, a verdict out."""

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

GOING_STATUSES = frozenset({"OPEN", "IN_PROGRESS"})

OF_A_PART = frozenset({Reason.ON_HOLD, Reason.SCHEDULED})
"""Reasons that concern a fulfilment order, and not the order as a whole."""

_PAID = frozenset({"PAID", "PARTIALLY_REFUNDED"})
_ENOUGH = {
    Shop.SubmitPolicy.PAID: _PAID,
    Shop.SubmitPolicy.AUTHORIZED: _PAID | {"AUTHORIZED"},
    Shop.SubmitPolicy.ALWAYS: _PAID | {"AUTHORIZED", "PENDING", "PARTIALLY_PAID", ""},
}


@dataclass(frozen=True)
class Rest:
    """The part of an order that may not go yet: why, which units, and from when (None = nobody knows)."""

    reason: Reason
    detail: str
    at: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """Where an order stands at Shopify, before we look at warehouses; READY has no reason.

    `rest`: what may not go yet. A READY order may have one beside that which goes.
    """

    state: OrderState
    reason: Reason = Reason.NONE
    detail: str = ""
    rest: Rest | None = None


READY = Verdict(OrderState.READY)


def is_shippable(line: LineNode) -> bool:
    """Whether a line is goods in a parcel: no gift card, nothing digital."""
    return line.requires_shipping and not line.is_gift_card


def verdict(order: OrderNode, shop: Shop, *, locations: OurLocations) -> Verdict:
    """What holds the order back at Shopify, the most basic reason first; READY when something may go.

    A reason about the order (unpaid, a test) holds all of it; a hold or a date holds its own fulfilment order, unless
    the shop sends whole orders only.
    """
    return _about_the_order(order, shop) or _about_its_fulfillment_orders(order, shop, locations=locations)


def _waits(reason: Reason, detail: str = "") -> Verdict:
    return Verdict(OrderState.WAITING, reason, detail, Rest(reason, detail))


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


def _about_its_fulfillment_orders(order: OrderNode, shop: Shop, *, locations: OurLocations) -> Verdict:
    shippable = {line.id: line for line in order.line_items.nodes if is_shippable(line)}
    with_goods = [
        work
        for work in order.fulfillment_orders.nodes
        if any(line.line_item.id in shippable for line in work.line_items.nodes)
    ]
    if not with_goods:
        return _waits(Reason.NO_FULFILLMENT_ORDERS)
    unfinished = [
        work
        for work in with_goods
        if work.status in OPEN_STATUSES
        and any(line.remaining_quantity for line in work.line_items.nodes if line.line_item.id in shippable)
    ]
    open_work = locations.to_ship(unfinished)
    if not open_work:
        return _nothing_is_ours(unfinished)
    going = [work for work in open_work if work.status in GOING_STATUSES]
    later = [work for work in open_work if work.status not in GOING_STATUSES]
    rest = _rest(later, shippable) if later else None
    if rest and (not going or shop.whole_orders_only):
        return Verdict(OrderState.WAITING, rest.reason, rest.detail, rest)
    address = order.shipping_address
    if address is None or not (
        address.country_code and address.address1 and (address.name or address.company)
    ):
        detail = "name, street and country are needed"
        return Verdict(OrderState.HELD, Reason.NO_ADDRESS, detail, rest)
    return replace(READY, rest=rest)


def _nothing_is_ours(unfinished: Sequence[FulfillmentOrderNode]) -> Verdict:
    """Nothing of it is work for us; if somebody else has it, the order says where. A location that Shopify does not
    name can be nobody's: a person must look."""
    carried = [work for work in unfinished if work.method in SHIPPED_METHODS]
    if any(work.location_id is None for work in carried):
        return Verdict(
            OrderState.HELD, Reason.NO_LOCATION, "the location was deleted, or is hidden from the app"
        )
    elsewhere = sorted({work.location_id for work in carried if work.location_id is not None})
    if not elsewhere:
        return Verdict(OrderState.NOTHING_TO_SHIP)
    return Verdict(OrderState.NOTHING_TO_SHIP, Reason.ELSEWHERE, ", ".join(map(str, elsewhere)))


def _rest(later: Sequence[FulfillmentOrderNode], shippable: Mapping[ShopifyLineId, LineNode]) -> Rest:
    """In words, fulfilment order by fulfilment order: those with a date first, the earliest first."""
    in_turn = sorted(
        later, key=lambda work: (work.fulfill_at is None, work.fulfill_at or work.updated_at, work.id)
    )
    held = any(work.status == "ON_HOLD" for work in later)
    dates = [work.fulfill_at for work in later if work.status == "SCHEDULED" and work.fulfill_at]
    return Rest(
        reason=Reason.ON_HOLD if held else Reason.SCHEDULED,
        detail="; ".join(_waits_for(work, shippable) for work in in_turn),
        at=min(dates, default=None),
    )


def _waits_for(work: FulfillmentOrderNode, shippable: Mapping[ShopifyLineId, LineNode]) -> str:
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
