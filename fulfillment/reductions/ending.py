"""Ending parts of an order that no warehouse has, or making them smaller: nothing is called."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.db.models import QuerySet

from fulfillment.models import WmsOrder, WmsOrderLine
from fulfillment.wms_order_states import MAY_BE_SENT, Event, advance
from inventory import reservations
from inventory.reservations import Need
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


def end(rows: QuerySet[WmsOrder]) -> int:
    """End these parts of an order that is locked; returns how many. Their stock is freed at once: part by part, the
    levels of two orders could be locked crosswise."""
    ending = {row.id: row for row in rows.filter(wms_status__in=MAY_BE_SENT)}
    if not ending:
        return 0
    advance(WmsOrder.objects.filter(id__in=ending), Event.GIVEN_UP, to=WmsStatus.CANCELLED)
    reservations.release(*(row.external_id for row in ending.values()))
    for row in ending.values():
        logger.info("wms_order_cancelled", order=row.order_id, wms_order=row.id, was=row.wms_status)
    return len(ending)


def resize(row: WmsOrder, lines: Iterable[WmsOrderLine]) -> None:
    """Store the new quantities of all lines of a part (one of nothing is dropped), and promise no more than is left of
    them. The order is locked."""
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
