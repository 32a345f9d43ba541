"""Computes for `inventory`, order by order, which units of those that warehouses were given Shopify still has
committed.

This is computed anew whenever one side changes: after a reading of the order, a new part at a warehouse, a fulfilment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, IntegerField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from fulfillment.models import FulfillmentOrderLine, Order, Shipment, ShipmentUnit, WmsOrderLine
from fulfillment.wms_order_states import ENDED
from inventory import commitments
from inventory.stock.levels import mark_due
from inventory.stock.locking import Place

COMMITTED = ("OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD")
"""Shopify counts the remaining units of fulfilment orders in these states as committed at their location."""


@dataclass(frozen=True)
class Given:
    """Units of one item that one part asks of its warehouse for one order line."""

    reference: str
    order_line: int
    place: Place
    location: int
    per_unit: int
    units: int  # WMS item units; if the part ended, only those that it shipped
    fulfilled: int  # Shopify units of the line in fulfilments of this part
    remaining: int  # Shopify units of the line that Shopify has at the warehouse's location


def recompute(order: Order) -> None:
    """Store in `inventory` which units of the order are committed, and where.

    Takes two statements, or one if no warehouse has any units. Call it in the transaction that changed the order, and
    after everything else that locks stock levels.
    """
    given = list(_given(order))
    if given:
        commitments.note(committed_units(given))


def forget(order: Order) -> None:
    """Remove the order's commitments: Shopify does not show the order any more, because it was deleted."""
    commitments.forget(*order.wms_orders.values_list("external_id", flat=True))


def committed_units(given: Iterable[Given]) -> dict[str, dict[Place, int]]:
    """External id -> place -> committed item units. Pure.

    The units that Shopify has at a location are spread over the parts there, in their order. Each part gets at most its
    units that have no fulfilment yet.
    """
    given = list(given)
    outstanding: defaultdict[tuple[str, int], int] = defaultdict(int)
    for each in given:
        key = each.reference, each.order_line
        outstanding[key] = max(outstanding[key], -(-each.units // each.per_unit) - each.fulfilled)
    left = {(each.location, each.order_line): each.remaining for each in given}
    taken: dict[tuple[str, int], int] = {}
    found: dict[str, dict[Place, int]] = {each.reference: {} for each in given}
    for each in given:
        key = each.reference, each.order_line
        if key not in taken:
            taken[key] = max(0, min(outstanding[key], left[each.location, each.order_line]))
            left[each.location, each.order_line] -= taken[key]
        places = found[each.reference]
        places[each.place] = places.get(each.place, 0) + taken[key] * each.per_unit
    return found


def after_fulfillment(shipment: Shipment) -> None:
    """After a fulfilment of the shipment was recorded: mark its stock for a push, and recompute the commitments.

    All items of the fulfilled lines are marked, also those that left in an earlier shipment: a kit is fulfilled with
    its last item. This locks stock levels, so call it last.
    """
    assert shipment.wms_order is not None  # noqa: S101
    lines = WmsOrderLine.objects.filter(wms_order=shipment.wms_order)
    of_units = lines.filter(order_line__in=shipment.units.values("order_line"))
    items = set(of_units.values_list("item_code", flat=True)) | set(
        shipment.lines.values_list("item_code", flat=True)
    )
    mark_due(shipment.wms_order.warehouse_id, items)
    recompute(shipment.wms_order.order)


def _given(order: Order) -> Iterable[Given]:
    """Read what the order's parts were given, beside what Shopify has of each line at the warehouse's location."""
    at_location = FulfillmentOrderLine.objects.filter(
        order_line=OuterRef("order_line"),
        fulfillment_order__status__in=COMMITTED,
        fulfillment_order__location_id=OuterRef("wms_order__warehouse__shopify_location_id"),
    )
    fulfilled = ShipmentUnit.objects.filter(
        shipment__wms_order=OuterRef("wms_order"),
        order_line=OuterRef("order_line"),
    )
    remaining = at_location.order_by().values("order_line").annotate(sum=Sum("remaining_quantity"))
    units_fulfilled = fulfilled.order_by().values("order_line").annotate(sum=Sum("fulfilled"))
    rows = (
        WmsOrderLine.objects.filter(wms_order__order=order)
        .annotate(
            part=F("wms_order__external_id"),
            status=F("wms_order__wms_status"),
            warehouse=F("wms_order__warehouse_id"),
            location=F("wms_order__warehouse__shopify_location_id"),
            remaining=Coalesce(Subquery(remaining.values("sum"), output_field=IntegerField()), 0),
            fulfilled=Coalesce(Subquery(units_fulfilled.values("sum"), output_field=IntegerField()), 0),
        )
        .order_by("wms_order__part", "id")
    )
    for row in rows:
        given = row.shipped if row.status in ENDED else row.quantity
        yield Given(
            reference=row.part,
            order_line=row.order_line_id,
            place=(row.warehouse, row.item_code),
            location=row.location,
            per_unit=row.per_unit,
            units=max(given - row.sent_again * row.per_unit, 0),
            fulfilled=row.fulfilled,
            remaining=row.remaining,
        )
