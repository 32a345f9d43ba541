"""Finds fulfilments that are at Shopify already: the one whose answer was lost, or one that somebody else made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fulfillment.fulfillments.recording import record, units_as_json
from fulfillment.models import Fulfillment, Order, Shipment
from fulfillment.models.states import FulfillmentState
from fulfillment.shipments import held_shipments
from fulfillment.shipments.tracking import numbers_in, tracking_input
from fulfillment.shopify.snapshots import FulfillmentNode
from shops.ids import FulfillmentId, ShopifyLineId


@dataclass(frozen=True)
class FulfillmentContent:
    """What a fulfilment contains: its tracking numbers, and Shopify units by Shopify order line id."""

    numbers: frozenset[str]
    units: Mapping[ShopifyLineId, int]


def find_existing(
    content: FulfillmentContent, found: Iterable[FulfillmentNode], *, taken: Collection[FulfillmentId]
) -> FulfillmentNode | None:
    """The fulfilment with this content that does not belong to another call; None if there is none. Pure.

    It has the same units, and at least these tracking numbers, or none if the content has none.
    """
    for node in found:
        same_tracking = content.numbers <= node.numbers if content.numbers else not node.numbers
        if node.id not in taken and same_tracking and node.units == dict(content.units):
            return node
    return None


def known_ids(order: Order) -> set[FulfillmentId]:
    """The ids of the fulfilments that we recorded for the order's shipments."""
    of_calls = Fulfillment.objects.filter(shipment__wms_order__order=order).order_by()
    of_shipments = Shipment.objects.filter(wms_order__order=order).order_by()
    ids = of_calls.values_list("shopify_fulfillment_id").union(
        of_shipments.values_list("shopify_fulfillment_id")
    )
    return {FulfillmentId(found) for (found,) in ids if found}


def units_by_others(
    found: Iterable[FulfillmentNode], *, taken: Collection[FulfillmentId]
) -> dict[ShopifyLineId, int]:
    """Shopify units by order line id in the fulfilments that are not ours. Pure."""
    units: Counter[ShopifyLineId] = Counter()
    for node in found:
        if node.id not in taken:
            units.update(node.units)
    return dict(units)


def adopt_existing(
    shipment: Shipment, found: Sequence[FulfillmentNode], *, taken: Collection[FulfillmentId]
) -> FulfillmentId | None:
    """Record a fulfilment that is there already as one of the shipment; returns its id, or None if there is none.

    It is that of the last attempt, whose answer was lost, or one that has all unfulfilled units of the shipment.
    """
    attempt = shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).first()
    if attempt is not None:
        units = {ShopifyLineId(int(line)): quantity for line, quantity in attempt.units.items()}
        there = find_existing(FulfillmentContent(numbers_in(attempt.tracking), units), found, taken=taken)
        if there is not None:
            record(attempt, there.id)
            shipment.refresh_from_db()
            return there.id
    given = tracking_input(shipment)
    units = held_shipments.unfulfilled_units(shipment)
    there = find_existing(FulfillmentContent(numbers_in(given), units), found, taken=taken) if units else None
    if there is None:
        return None
    record(Fulfillment(shipment=shipment, units=units_as_json(units), tracking=given), there.id)
    shipment.refresh_from_db()
    return there.id
