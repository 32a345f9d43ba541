"""What Shopify still asks for of an order, just read or stored, and which units of a shipment it takes. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine
from fulfillment.readiness import FULFILLABLE_STATUSES, OPEN_STATUSES
from fulfillment.shopify.our_locations import SHIPPED_METHODS, OurLocations
from fulfillment.shopify.snapshots import FulfillmentOrderNode
from shops.ids import FulfillmentOrderId, FulfillmentOrderLineId, LocationId, ShopifyLineId

K = TypeVar("K")

NO_FULFILLMENT_ORDER, NO_FULFILLMENT_ORDER_LINE = FulfillmentOrderId(0), FulfillmentOrderLineId(0)


@dataclass(frozen=True)
class RequestedUnits:
    """Units of an order line that one fulfilment order still asks for. `why`: its holds, or its date.

    `line_id` is Shopify's id of the order line; the ids of the fulfilment order and of its line are 0 if not known.
    """

    line_id: ShopifyLineId
    units: int
    status: str
    location_id: LocationId | None
    method: str
    ours: bool
    why: str = ""
    fulfillment_order_id: FulfillmentOrderId = NO_FULFILLMENT_ORDER
    fulfillment_order_line_id: FulfillmentOrderLineId = NO_FULFILLMENT_ORDER_LINE

    @property
    def can_be_fulfilled(self) -> bool:
        """Whether a fulfilment of ours may take these units now."""
        return self.ours and self.status in FULFILLABLE_STATUSES and self.method in SHIPPED_METHODS


@dataclass(frozen=True)
class Pick:
    """Units of one line of a fulfilment order that a fulfilment takes. `asked`: the line asked for so many before."""

    fulfillment_order_id: FulfillmentOrderId
    fulfillment_order_line_id: FulfillmentOrderLineId
    line_id: ShopifyLineId
    quantity: int
    asked: int


@dataclass(frozen=True)
class Call:
    """What one fulfilment takes. A call may name only one location and one delivery method."""

    location_id: LocationId | None
    picks: tuple[Pick, ...]

    @property
    def units(self) -> dict[ShopifyLineId, int]:
        """Shopify units by Shopify's id of the order line."""
        return _sums((each.line_id, each.quantity) for each in self.picks)

    def by_fulfillment_order(self) -> list[Call]:
        """The same units, with one call for each fulfilment order."""
        ids = dict.fromkeys(each.fulfillment_order_id for each in self.picks)
        return [replace(self, picks=tuple(p for p in self.picks if p.fulfillment_order_id == i)) for i in ids]


@dataclass(frozen=True)
class HeldUnits:
    """Units of a shipment that no fulfilment can take now. `wanted`: Shopify still asks for them, but not of us now."""

    line_id: ShopifyLineId
    units: int
    why: str
    wanted: bool = True


@dataclass(frozen=True)
class FulfillmentPlan:
    """How a shipment is fulfilled: the calls, the units that are held, and what Shopify asks for after the calls."""

    calls: tuple[Call, ...]
    held: tuple[HeldUnits, ...]
    remaining: tuple[RequestedUnits, ...]


def from_nodes(work: Iterable[FulfillmentOrderNode], *, locations: OurLocations) -> list[RequestedUnits]:
    """The requested units, as they were just read."""
    return [
        RequestedUnits(
            line_id=line.line_item.id,
            units=line.remaining_quantity,
            status=node.status[:40],
            location_id=node.location_id,
            method=node.method[:40],
            ours=locations.include(node),
            why=_node_why(node),
            fulfillment_order_id=node.id,
            fulfillment_order_line_id=line.id,
        )
        for node in work
        if node.status in OPEN_STATUSES
        for line in node.line_items.nodes
        if line.remaining_quantity
    ]


def _node_why(node: FulfillmentOrderNode) -> str:
    """Why a fulfilment order that was just read may not go: its holds, or its date."""
    holds = ", ".join(hold.reason for hold in node.fulfillment_holds)[:255]
    return holds or (f"{node.fulfill_at:%Y-%m-%d %H:%M} UTC" if node.fulfill_at else "")


def from_rows(lines: Iterable[FulfillmentOrderLine], *, ours: frozenset[int]) -> list[RequestedUnits]:
    """The requested units, as they were stored. `ours`: our row ids of the fulfilment orders for our warehouses."""
    return [
        RequestedUnits(
            line_id=line.order_line.shopify_line_id,
            units=line.remaining_quantity,
            status=work.status,
            location_id=work.location_id,
            method=work.delivery_method,
            ours=work.id in ours,
            why=_row_why(work),
        )
        for line in lines
        if (work := line.fulfillment_order).status in OPEN_STATUSES and line.remaining_quantity
    ]


def _row_why(work: FulfillmentOrder) -> str:
    """The same as `_node_why`, for a stored fulfilment order. The two must give the same text."""
    return work.hold_reason or (f"{work.fulfill_at:%Y-%m-%d %H:%M} UTC" if work.fulfill_at else "")


def fingerprint(asked: Iterable[RequestedUnits], lines: Iterable[int], *, cancelled: bool) -> str:
    """A hash of what Shopify asks for of these lines. It changes whenever the requests change."""
    about = set(lines)
    sums = _sums(
        ((a.line_id, a.status, a.location_id or 0, a.method, a.ours, a.why), a.units)
        for a in asked
        if a.line_id in about and a.units
    )
    content = [cancelled, sorted([*map(str, key), units] for key, units in sums.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def plan(
    units: Mapping[ShopifyLineId, int],
    asked: Sequence[RequestedUnits],
    *,
    location_id: LocationId,
    by_others: Mapping[ShopifyLineId, int],
    cancelled: bool,
) -> FulfillmentPlan:
    """Decide which fulfilments take these units, first at the warehouse's own location, and why the others are held.

    `by_others`: units of each line in fulfilments that are not ours.
    """
    left = {line: quantity for line, quantity in units.items() if quantity}
    remaining = {index: each.units for index, each in enumerate(asked)}
    picks: dict[tuple[LocationId | None, str], list[Pick]] = {}
    open_for_us = [(index, each) for index, each in enumerate(asked) if each.can_be_fulfilled]
    for index, each in sorted(open_for_us, key=lambda pair: pair[1].location_id != location_id):
        take = min(left.get(each.line_id, 0), each.units)
        if take:
            group = picks.setdefault((each.location_id, each.method), [])
            ids = each.fulfillment_order_id, each.fulfillment_order_line_id, each.line_id
            group.append(Pick(*ids, quantity=take, asked=each.units))
            left[each.line_id] -= take
            remaining[index] -= take
    return FulfillmentPlan(
        calls=tuple(Call(location, tuple(taken)) for (location, _), taken in picks.items()),
        held=tuple(
            held
            for line, quantity in left.items()
            if quantity
            for held in _held_units(
                line, quantity, asked, by_others=by_others.get(line, 0), cancelled=cancelled
            )
        ),
        remaining=tuple(replace(each, units=remaining[i]) for i, each in enumerate(asked) if remaining[i]),
    )


def _held_units(
    line: ShopifyLineId, quantity: int, asked: Sequence[RequestedUnits], *, by_others: int, cancelled: bool
) -> Iterable[HeldUnits]:
    """Say why no fulfilment takes the units of a line that are left: each cause with its number of units."""
    for each in asked:
        if each.line_id == line and not each.can_be_fulfilled and (waits := min(quantity, each.units)):
            quantity -= waits
            yield HeldUnits(line, waits, _reason_held(each))
    if not quantity:
        return
    if cancelled:
        yield HeldUnits(line, quantity, "the order is cancelled", wanted=False)
        return
    if elsewhere := min(quantity, by_others):
        yield HeldUnits(line, elsewhere, "fulfilled by somebody else", wanted=False)
    if gone := quantity - elsewhere:
        why = (
            "Shopify no longer asks for it: taken out of the order, refunded, or its fulfilment order closed"
        )
        yield HeldUnits(line, gone, why, wanted=False)


def _reason_held(asked: RequestedUnits) -> str:
    """Why a fulfilment of ours may not take units that Shopify still asks for."""
    if asked.status == "ON_HOLD":
        return f"on hold at Shopify: {asked.why or 'no reason given'}"
    if asked.status == "SCHEDULED":
        return f"scheduled at Shopify{f' from {asked.why}' if asked.why else ''}"
    if asked.method not in SHIPPED_METHODS:
        return f"not to be sent by a carrier any more ({asked.method.lower().replace('_', ' ')})"
    return f"at another location ({asked.location_id}), which is no warehouse of ours"


def is_still_open(call: Call, asked: Iterable[RequestedUnits]) -> bool:
    """Whether Shopify still asks for all units that a call takes."""
    there = _sums(
        ((each.fulfillment_order_id, each.fulfillment_order_line_id), each.units)
        for each in asked
        if each.can_be_fulfilled
    )
    return all(
        there.get((p.fulfillment_order_id, p.fulfillment_order_line_id), 0) >= p.quantity for p in call.picks
    )


def _sums(pairs: Iterable[tuple[K, int]]) -> dict[K, int]:
    sums: dict[K, int] = {}
    for key, units in pairs:
        sums[key] = sums.get(key, 0) + units
    return sums
