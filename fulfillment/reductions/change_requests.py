"""Describes in words what warehouses were asked after a change at Shopify, and what they answered."""

from __future__ import annotations

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions.units_at_work import Part, Units
from fulfillment.wms_order_states import OVER
from wms.vocabulary.statuses import WmsStatus


def answer_text(status: WmsStatus, reason: str) -> str:
    """The answer of a WMS in one phrase: the state that it names, and its reason."""
    word = "" if status == WmsStatus.UNKNOWN else f"it is {status.label.lower()}"
    return ": ".join(filter(None, [word, reason.strip()]))[:2000]


def summary_of(row: WmsOrder) -> str:
    """What one WMS was asked, and what it answered; "" if nothing. `row` has its warehouse and connection loaded."""
    asked = row.change_request != ChangeRequest.NONE
    if not asked:
        return ""
    says = f"the WMS says: {row.change_answer}" if row.change_answer else ""
    if not says and row.change_request in (ChangeRequest.CANCEL_ASKED, ChangeRequest.REDUCTION_ASKED):
        says = "no answer yet"
    words = f"{row.warehouse.place} {ChangeRequest(row.change_request).label}"
    return f"{words}; {says}" if says else words


def update_summary(order: Order) -> None:
    """Store on the order what its warehouses were asked and answered, for its page and the list. The order is
    locked."""
    rows = (
        order.wms_orders.exclude(wms_status__in=OVER)
        .exclude(change_request=ChangeRequest.NONE)
        .select_related("warehouse__connection")
        .order_by("part")
    )
    words = "; ".join(summary_of(row) for row in rows)
    if words != order.change_summary:
        Order.objects.filter(id=order.id).update(change_summary=words)
        order.change_summary = words


def units_text(counts: Units, part: Part) -> str:
    """Units of a part's lines, as staff call them."""
    labels = {line.order_line_id: line.order_line.label for line in part.lines}
    return ", ".join(f"{count} × {labels[line]}" for line, count in sorted(counts.items()))
