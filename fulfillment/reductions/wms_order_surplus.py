"""The surplus of one WMS order: whether Shopify still asks for its units, and what follows before and after a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from fulfillment import alerts, jobs, order_states
from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions import ending, surplus, units_at_work
from fulfillment.reductions.surplus import Surplus
from fulfillment.reductions.units_at_work import Part, Units, Work
from wms.vocabulary.statuses import WmsStatus

FRESH = timedelta(minutes=2)
"""We ask a WMS for a change only if the last reading is not older than this. Otherwise Shopify is read first."""


@dataclass(frozen=True)
class _Measured:
    """One part of an order, the surplus of the whole order, and the work from which it was measured."""

    part: Part
    surplus: Surplus
    work: Work


def _measure(row: WmsOrder) -> _Measured | None:
    """Measure the surplus of the order of this row; None if the row is over, so that it has no work left."""
    work = units_at_work.read(row.order)
    part = next((part for part in work.parts if part.row.id == row.id), None)
    return _Measured(part, surplus.measure(work), work) if part else None


def is_unwanted(row: WmsOrder) -> bool:
    """Whether Shopify asks for none of the units that a WMS order still has to send. Its order is locked."""
    found = _measure(row)
    return found is not None and found.surplus.is_all_of(found.part)


def is_refunded(row: WmsOrder) -> bool:
    """Whether all units that a WMS order still has to send were refunded or removed from the order."""
    found = _measure(row)
    return found is not None and surplus.removed_or_refunded(found.work).is_all_of(found.part)


def items_left(row: WmsOrder) -> dict[str, int]:
    """WMS item units that a WMS order still has to send, by item code; of an incomplete kit all items count."""
    part = Part(row, tuple(row.lines.all()))
    left, items = part.left(), dict[str, int]()
    for line in part.lines:
        if units := left.get(line.order_line_id, 0) * line.per_unit:
            items[line.item_code] = items.get(line.item_code, 0) + units
    return items


def can_be_reduced(row: WmsOrder) -> bool:
    """Whether we may ask the WMS to send less: by its last report nobody has touched the goods."""
    return row.wms_status == WmsStatus.ACCEPTED and row.change_request in (
        ChangeRequest.NONE,
        ChangeRequest.REDUCTION_ASKED,
        ChangeRequest.REDUCTION_AGREED,
    )


def may_be_cancelled(row: WmsOrder) -> bool:
    """Whether a fresh reading confirms that none of its units are wanted. Requests a reading if there is none."""
    found = _measure(row) if is_fresh(row.order) else None
    return found is not None and surplus.confirmed(row.order, found.work, found.surplus).is_all_of(found.part)


def units_to_leave_out(row: WmsOrder) -> tuple[Part, Units] | None:
    """The part, and the units that its WMS shall leave out by a fresh reading.

    None if there are none, or if all units are unwanted: then the WMS order is cancelled instead.
    """
    found = _measure(row) if is_fresh(row.order) else None
    if found is None:
        return None
    confirmed = surplus.confirmed(row.order, found.work, found.surplus)
    if not confirmed.units_of(found.part) or confirmed.is_all_of(found.part):
        return None
    return found.part, confirmed.units_of(found.part)


def is_fresh(order: Order) -> bool:
    """Whether the order was read at Shopify a moment ago. If not, this requests a reading."""
    fresh = order.read_at > timezone.now() - FRESH
    if not fresh:
        request_reading(order)
    return fresh


def drop_unwanted(row: WmsOrder) -> bool:
    """Drop the units that nobody asks for any more, before a WMS order that failed is sent once more.

    Returns False if no units are left: then the WMS order is ended. Its order is locked.
    """
    found = _measure(row)
    less = found.surplus.units_of(found.part) if found else {}
    if not found or not less:
        return True
    if found.surplus.is_all_of(found.part):
        ending.end_parts(WmsOrder.objects.filter(id=row.id))
        return False
    ending.reduce_part(found.part, less)
    return True


def after_intended_end(row: WmsOrder) -> None:
    """A WMS order ended as the merchant wanted, so the units that it shipped were all of it. The order is locked.

    The order is read again: by now something may be wanted again, and its state depends on what is left.
    """
    if row.lines.filter(shipped__gt=0).exists():
        ending.close_as_shipped(Part(row, tuple(row.lines.all())))
    order_states.derive_state(row.order)
    if not row.order.cancelled_at:
        alerts.orders.ORDER_EDITED.close(row.order.subject)
        request_reading(row.order)


def request_reading(order: Order) -> None:
    """Have the order read at Shopify: after the answer of a WMS its state may differ, and units may be wanted again."""
    jobs.orders.read_order(order.shop, order.shopify_order_id)
