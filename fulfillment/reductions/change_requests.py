"""What warehouses were asked of an order after it changed at Shopify, and what they said: in words, for people."""

from __future__ import annotations

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions.units_at_work import Part, Units
from fulfillment.wms_order_states import OVER
from wms.vocabulary.statuses import WmsStatus


def answer_text(status: WmsStatus, reason: str) -> str:
    """A WMS's answer in one phrase: the state that it names, and its reason."""
    word = "" if status == WmsStatus.UNKNOWN else f"it is {status.label.lower()}"
    return ": ".join(filter(None, [word, reason.strip()]))[:2000]


def summary_of(row: WmsOrder) -> str:
    """What its WMS was asked, and said; "" when nothing. `row` has its warehouse and connection."""
    asked = row.change_request != ChangeRequest.NONE
    if not asked:
        return ""
    says = f"the WMS says: {row.change_answer}" if row.change_answer else ""
    if not says and row.change_request in (ChangeRequest.CANCEL_ASKED, ChangeRequest.REDUCTION_ASKED):
        says = "no answer yet"
    words = f"{row.warehouse.place} {ChangeRequest(row.change_request).label}"
    return f"{words}; {says}" if says else words


def update_summary(order: Order) -> None:
    """Write on the order what its warehouses were asked and said, for its page and the list. The order is locked."""
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
