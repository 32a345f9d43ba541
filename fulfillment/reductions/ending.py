"""Ends parts of an order that no warehouse works on, and makes parts smaller. Nothing here calls a WMS."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.db.models import F, QuerySet

from fulfillment.models import WmsOrder, WmsOrderLine
from fulfillment.reductions.units_at_work import Part, Units
from fulfillment.wms_order_states import MAY_BE_SENT, Event, advance
from inventory import reservations
from inventory.reservations import Need
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


def end_parts(rows: QuerySet[WmsOrder]) -> int:
    """End these parts of one locked order; returns how many.

    Their stock is released with one call. If it were released part by part, two orders could lock the same levels in
    different order.
    """
    ending = {row.id: row for row in rows.filter(wms_status__in=MAY_BE_SENT)}
    if not ending:
        return 0
    advance(WmsOrder.objects.filter(id__in=ending), Event.ENDED_UNSENT, to=WmsStatus.CANCELLED)
    reservations.release(*(row.external_id for row in ending.values()))
    for row in ending.values():
        logger.info("wms_order_cancelled", order=row.order_id, wms_order=row.id, was=row.wms_status)
    return len(ending)


def reduce_part(part: Part, less: Units) -> None:
    """Take Shopify units off the lines of a part. The order is locked."""
    for line, target in targets(part, less).items():
        line.quantity, line.reduce_to = target, None
    resize_part(part.row, part.lines)


def targets(part: Part, less: Units) -> dict[WmsOrderLine, int]:
    """The new quantity of each line of a part, in WMS item units, if it sends `less` Shopify units fewer."""
    given = part.given()
    return {
        row: max(row.shipped, (given[row.order_line_id] - less.get(row.order_line_id, 0)) * row.per_unit)
        if row.order_line_id in less
        else row.quantity
        for row in part.lines
    }


def resize_part(row: WmsOrder, lines: Iterable[WmsOrderLine]) -> None:
    """Store the new quantities of all lines of a part, and reserve stock only for the units that are still to be sent.

    A line with the quantity 0 is deleted. The order is locked.
    """
    lines = list(lines)
    WmsOrderLine.objects.filter(id__in=[line.id for line in lines if not line.quantity]).delete()
    kept = [line for line in lines if line.quantity]
    WmsOrderLine.objects.bulk_update(kept, ["quantity", "reduce_to"])
    needs: dict[str, int] = {}
    for line in kept:
        if left := line.quantity - line.shipped:
            needs[line.item_code] = needs.get(line.item_code, 0) + left
    if needs:
        reservations.reserve(
            row.external_id, [Need(row.warehouse_id, item, left) for item, left in sorted(needs.items())]
        )
    else:
        reservations.release(row.external_id)
    logger.info("wms_order_reduced", order=row.order_id, wms_order=row.id, left=needs)


def close_as_shipped(part: Part) -> None:
    """Reduce a part to the units that it shipped: its WMS sends no more, and nobody wants more."""
    WmsOrderLine.objects.filter(wms_order=part.row, shipped=0).delete()
    WmsOrderLine.objects.filter(wms_order=part.row).update(quantity=F("shipped"), reduce_to=None)
    # Nothing leaves now, so the state keeps its time: when the last shipment left, or when the WMS ended the order.
    this = WmsOrder.objects.filter(id=part.row.id)
    advance(this, Event.FINISHED, to=WmsStatus.SHIPPED, at=F("status_at"))
