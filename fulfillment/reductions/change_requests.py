"""What warehouses were asked of an order after it changed at Shopify, and what they said: in words, for people."""

from __future__ import annotations

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import Wish
from fulfillment.reductions.units_at_work import Part, Units
from fulfillment.wms_order_states import OVER
from wms.vocabulary.statuses import WmsStatus


def answer(status: WmsStatus, reason: str) -> str:
    """A WMS's answer in one phrase: the state that it names, and its reason."""
    word = "" if status == WmsStatus.UNKNOWN else f"it is {status.label.lower()}"
    return ": ".join(filter(None, [word, reason.strip()]))[:2000]


def of_row(row: WmsOrder) -> str:
    """What its WMS was asked, and said; "" when nothing. `row` has its warehouse and connection."""
    asked = row.wish != Wish.NONE
    if not asked:
        return ""
    says = f"the WMS says: {row.wish_answer}" if row.wish_answer else ""
    if not says and row.wish in (Wish.CANCEL_ASKED, Wish.LESS_ASKED):
        says = "no answer yet"
    words = f"{row.warehouse.place} {Wish(row.wish).label}"
    return f"{words}; {says}" if says else words


def note(order: Order) -> None:
    """Write on the order what its warehouses were asked and said, for its page and the list. The order is locked."""
    rows = (
        order.wms_orders.exclude(wms_status__in=OVER)
        .exclude(wish=Wish.NONE)
        .select_related("warehouse__connection")
        .order_by("part")
    )
    words = "; ".join(of_row(row) for row in rows)
    if words != order.wish_words:
        Order.objects.filter(id=order.id).update(wish_words=words)
        order.wish_words = words


def units(counts: Units, part: Part) -> str:
    """Units of a part's lines, as staff call them."""
    names = {line.order_line_id: line.order_line.sku or line.order_line.title for line in part.lines}
    return ", ".join(f"{count} × {names[line]}" for line, count in sorted(counts.items()))
