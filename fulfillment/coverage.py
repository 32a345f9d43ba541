"""Which units of an order are not yet with a warehouse. A unit that once was never counts again: no parcel twice."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, QuerySet, Sum

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine, Order, OrderLine, WmsOrderLine
from fulfillment.order_states import ENDED
from fulfillment.readiness import GOING_STATUSES, SHIPPED_METHODS


@dataclass(frozen=True)
class Coverage:
    """Shopify units by order line (our row id)."""

    lines: dict[int, OrderLine]
    open: dict[int, int]
    uncovered: dict[int, int]
    excess: dict[int, int]


def work_for_us(order: Order) -> QuerySet[FulfillmentOrder]:
    """The order's fulfilment orders that are our warehouses' (readiness.is_ours, of what was stored)."""
    return FulfillmentOrder.objects.filter(
        order=order, delivery_method__in=SHIPPED_METHODS, at_foreign_service=False
    )


def open_units(order: Order) -> dict[int, int]:
    """Units that the order's fulfilment orders for us still ask for, by order line (our row id)."""
    going = work_for_us(order).filter(status__in=GOING_STATUSES)
    rows = (
        FulfillmentOrderLine.objects.filter(fulfillment_order__in=going)
        .values("order_line")
        .annotate(units=Sum("remaining_quantity"))
    )
    return {row["order_line"]: row["units"] for row in rows}


def _covered_units(order: Order) -> dict[int, int]:
    """Units that were given to a warehouse: all of a live part, and of an ended part what it had shipped."""
    by_part: dict[tuple[int, int], int] = {}
    rows = WmsOrderLine.objects.filter(wms_order__order=order).annotate(status=F("wms_order__wms_status"))
    for row in rows:
        given = row.shipped if row.status in ENDED else row.quantity
        units = -(-given // row.per_unit)
        key = (row.wms_order_id, row.order_line_id)
        by_part[key] = max(by_part.get(key, 0), units)
    covered: dict[int, int] = {}
    for (_, line), units in by_part.items():
        covered[line] = covered.get(line, 0) + units
    return covered


def measure(order: Order) -> Coverage:
    """Compare what the order asks for with what warehouses were given (three queries, whatever its size)."""
    lines = {
        line.id: line
        for line in OrderLine.objects.filter(order=order).order_by("id")
        if line.requires_shipping and not line.is_gift_card
    }
    asked_for, covered = open_units(order), _covered_units(order)
    uncovered = {
        line_id: min(asked_for.get(line_id, 0), line.quantity - covered.get(line_id, 0))
        for line_id, line in lines.items()
    }
    return Coverage(
        lines=lines,
        open=asked_for,
        uncovered={line_id: units for line_id, units in uncovered.items() if units > 0},
        excess={
            line_id: covered[line_id] - line.quantity
            for line_id, line in lines.items()
            if covered.get(line_id, 0) > line.quantity
        },
    )
