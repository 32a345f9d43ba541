"""Shopify asks for less than warehouses were given: what was not sent is made smaller, for the rest the WMS is asked.

A reading can come between two steps of Shopify (it makes fulfilment orders anew after edits and moves). So nothing is
asked of a WMS on one reading alone, unless the units were removed or refunded; the alert is raised at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from fulfillment import alerts, jobs, order_states
from fulfillment.models import Order, WmsOrder, WmsOrderLine
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions import (
    change_requests,
    displacement,
    ending,
    surplus,
    surplus_alert,
    units_at_work,
)
from fulfillment.reductions.surplus import Surplus
from fulfillment.reductions.units_at_work import Part, Units, Work
from fulfillment.wms_order_states import (
    MAY_BE_STOPPED,
    NOT_AT_THE_WMS,
    CancellationPhase,
    Event,
    advance,
    phase,
)
from inventory import reservations
from ops.alerting.kinds import close_kinds
from wms.adapters import capabilities_of
from wms.adapters.base import Capability
from wms.vocabulary.statuses import WmsStatus

SECOND_LOOK = timedelta(seconds=5)
"""So long after the first reading that misses units Shopify is read once more, before a WMS is asked."""

FRESH = timedelta(minutes=2)
"""An older reading is no ground to ask a WMS: Shopify is read first, and what it says is followed."""

_MAY_BE_ASKED = (
    ChangeRequest.NONE,
    ChangeRequest.CANCEL_ASKED,
    ChangeRequest.REDUCTION_ASKED,
    ChangeRequest.REDUCTION_AGREED,
    ChangeRequest.REDUCTION_DECLINED,
)


def follow(order: Order, *, goes: bool = True) -> None:
    """Compare a new reading, or news of a WMS, with what warehouses work on. The order is locked; nothing is called.

    `goes`: False when the caller takes back what was not sent, whatever it is.
    """
    if order.ready_at is None or order.cancelled_at:
        return
    work = units_at_work.of(order)
    found, told = surplus.of(work), order.surplus is not None
    _remember(order, found)
    displacement.follow(order, work)
    if _make_unsent_smaller(work, found, goes=goes):
        found = Surplus({part.row.id: found.of(part) for part in _sent(work) if found.of(part)})
    agreed = _agreed(order, work, found)
    _leave_the_rest(work, found, agreed)
    sent = [part for part in _sent(work) if found.of(part) and not part.row.finished_at]
    for part in sent:
        _ask(part, agreed)
    if order.change_summary or any(part.row.change_request != ChangeRequest.NONE for part in work.parts):
        change_requests.note(order)
    if sent:
        surplus_alert.tell(order, work, found)
    elif told and found.units:
        alerts.orders.ORDER_EDITED.close(order.subject)
    elif told:
        # What is wanted again shall be stopped by nobody.
        close_kinds([alerts.orders.ORDER_EDITED, *alerts.cancellations.ONLY_A_PERSON_CAN_STOP], order.subject)


def _sent(work: Work) -> list[Part]:
    return [part for part in work.parts if part.row.wms_status not in NOT_AT_THE_WMS]


def _remember(order: Order, found: Surplus) -> None:
    """Since when these units are too many, by the readings. More of them are a new finding."""
    units = {str(line): count for line, count in found.units.items()}
    before = order.surplus or {}
    if units == before.get("units", {}):
        return
    grown = any(count > before.get("units", {}).get(line, 0) for line, count in units.items())
    since = order.read_at.isoformat() if grown or "since" not in before else before["since"]
    order.surplus = {"since": since, "units": units} if units else None
    Order.objects.filter(id=order.id).update(surplus=order.surplus)
    if units and grown:
        jobs.orders.read_order(order.shop, order.shopify_order_id, delay=SECOND_LOOK)


def _agreed(order: Order, work: Work, found: Surplus) -> Surplus:
    """What a WMS may be asked to leave out: found by two readings, or gone from the order itself."""
    since = order.surplus and datetime.fromisoformat(order.surplus["since"])
    if since and order.read_at > since + SECOND_LOOK / 2:
        return found
    return surplus.no_more_than(work, found, surplus.for_certain(work).units)


def _make_unsent_smaller(work: Work, found: Surplus, *, goes: bool) -> bool:
    """What no warehouse has is made smaller at once, or ended; returns whether anything was.

    Reservations may be changed once in a transaction: what is left to do follows with the next reading.
    """
    stays = NOT_AT_THE_WMS if goes else (WmsStatus.REJECTED,)
    unsent = [part for part in work.parts if part.row.wms_status in stays and found.of(part)]
    if not unsent:
        return False
    over = [part.row.id for part in unsent if found.is_all_of(part)]
    if over:
        ending.end(WmsOrder.objects.filter(id__in=over))
    else:
        shrink(unsent[0], found.of(unsent[0]))
    if len(over or unsent[:1]) < len(unsent):
        order = unsent[0].row.order
        jobs.orders.read_order(order.shop, order.shopify_order_id)
    return True


def shrink(part: Part, less: Units) -> None:
    """Take Shopify units off a part's lines, for good. The order is locked."""
    for line, target in targets(part, less).items():
        line.quantity, line.reduce_to = target, None
    ending.resize(part.row, part.lines)


def targets(part: Part, less: Units) -> dict[WmsOrderLine, int]:
    """What each line of a part is to be, in WMS item units, when it sends so many Shopify units less."""
    given = part.given()
    return {
        row: max(row.shipped, (given[row.order_line_id] - less.get(row.order_line_id, 0)) * row.per_unit)
        if row.order_line_id in less
        else row.quantity
        for row in part.lines
    }


def _ask(part: Part, agreed: Surplus) -> None:
    row = part.row
    if not agreed.of(part) or row.change_request not in _MAY_BE_ASKED:
        return
    can = capabilities_of(row.warehouse.connection)
    if agreed.is_all_of(part):
        too_late = phase(WmsStatus(row.wms_status)) == CancellationPhase.UNCANCELLABLE
        if row.wms_status in MAY_BE_STOPPED or (
            too_late and row.cancel_requested_at is None and is_refunded(row)
        ):
            jobs.wms_orders.cancel(row)
    elif can_be_reduced(row) and Capability.UPDATE_ORDER in can:
        jobs.wms_orders.reduce(row)


def can_be_reduced(row: WmsOrder) -> bool:
    """Whether its WMS may be asked to send less: by its last word nobody touched the goods."""
    return row.wms_status == WmsStatus.ACCEPTED and row.change_request in (
        ChangeRequest.NONE,
        ChangeRequest.REDUCTION_ASKED,
        ChangeRequest.REDUCTION_AGREED,
    )


def _leave_the_rest(work: Work, found: Surplus, agreed: Surplus) -> None:
    """Of what was shipped in part, and of which nothing more is wanted, nothing more is promised either."""
    released = []
    for part in work.parts:
        row = part.row
        reported = row.wms_status == WmsStatus.PARTIALLY_SHIPPED
        if not reported and not (row.finished_at and row.wms_status not in NOT_AT_THE_WMS):
            continue
        unwanted = found.is_all_of(part) and (agreed.is_all_of(part) or row.finished_at is not None)
        if not reported:
            # It left without a report. Refunded, it is for a person; fulfilled by others, nobody waits for it.
            unwanted = unwanted and not surplus.for_certain(work).of(part)
        elif unwanted and row.finished_at:
            _finish(part)
        if unwanted != row.remainder_unwanted:
            WmsOrder.objects.filter(id=row.id).update(remainder_unwanted=unwanted)
            if not unwanted and row.finished_at:
                jobs.wms_orders.expect_shipment(row, all_of_it=True)
        if unwanted:
            close_kinds(alerts.shipments.REPORT_MISSING, row.subject)
            released.append(row.external_id)
    if released:
        reservations.release(*released)


def _finish(part: Part) -> None:
    """The WMS sends no more of it and nobody wants more: it was what was shipped."""
    WmsOrderLine.objects.filter(wms_order=part.row, shipped=0).delete()
    WmsOrderLine.objects.filter(wms_order=part.row).update(quantity=F("shipped"), reduce_to=None)
    # Nothing leaves by this: it stands there since its last parcel left, or since the WMS ended the rest.
    this = WmsOrder.objects.filter(id=part.row.id)
    advance(this, Event.NO_MORE_TO_COME, to=WmsStatus.SHIPPED, at=F("status_at"))


def _with_surplus(row: WmsOrder) -> tuple[Part, Surplus, Work] | None:
    work = units_at_work.of(row.order)
    part = next((part for part in work.parts if part.row.id == row.id), None)
    return (part, surplus.of(work), work) if part else None


def nothing_is_wanted_of(row: WmsOrder) -> bool:
    """Whether Shopify asks for nothing of what a WMS order is still to send. Its order is locked."""
    seen = _with_surplus(row)
    return seen is not None and seen[1].is_all_of(seen[0])


def is_refunded(row: WmsOrder) -> bool:
    """Whether the customer was given back all that a WMS order is still to send, or it was taken off the order."""
    seen = _with_surplus(row)
    return seen is not None and surplus.for_certain(seen[2]).is_all_of(seen[0])


def items_left(row: WmsOrder) -> dict[str, int]:
    """WMS items of the Shopify units that a WMS order is still to send, by item code: of a kit all of them."""
    part = Part(row, tuple(row.lines.all()))
    left, items = part.left(), dict[str, int]()
    for line in part.lines:
        if units := left.get(line.order_line_id, 0) * line.per_unit:
            items[line.item_code] = items.get(line.item_code, 0) + units
    return items


def may_be_cancelled(row: WmsOrder) -> bool:
    """Whether nothing of it is wanted by a reading that is fresh; else it is read, and that is followed."""
    seen = _with_surplus(row) if is_fresh(row.order) else None
    return seen is not None and _agreed(row.order, seen[2], seen[1]).is_all_of(seen[0])


def to_leave_out(row: WmsOrder) -> tuple[Part, Units] | None:
    """A part and what its WMS is to be asked to leave out of it now, by a fresh reading; None when nothing."""
    seen = _with_surplus(row) if is_fresh(row.order) else None
    if seen is None:
        return None
    part, found, work = seen
    agreed = _agreed(row.order, work, found)
    if not agreed.of(part) or agreed.is_all_of(part):
        return None
    return part, agreed.of(part)


def is_fresh(order: Order) -> bool:
    """Whether it was read at Shopify a moment ago; else it will be."""
    fresh = order.read_at > timezone.now() - FRESH
    if not fresh:
        jobs.orders.read_order(order.shop, order.shopify_order_id)
    return fresh


def fit(row: WmsOrder) -> bool:
    """Before an order is sent that was sent in vain before: only what is still asked for is left in it.

    False when nothing is: then it is ended. Its order is locked.
    """
    seen = _with_surplus(row)
    less = seen[1].of(seen[0]) if seen else {}
    if not seen or not less:
        return True
    if seen[1].is_all_of(seen[0]):
        ending.end(WmsOrder.objects.filter(id=row.id))
        return False
    shrink(seen[0], less)
    return True


def after_end(row: WmsOrder) -> None:
    """A WMS order ended as the merchant wanted: what was shipped of it was all of it. The order is locked.

    Where it stands without the rest, and whether something is wanted again, says a look at Shopify.
    """
    if row.lines.filter(shipped__gt=0).exists():
        part = Part(row, tuple(row.lines.all()))
        _finish(part)
    order_states.settle(row.order)
    if not row.order.cancelled_at:
        alerts.orders.ORDER_EDITED.close(row.order.subject)
        look_again(row.order)


def look_again(order: Order) -> None:
    """Have the order read: where it stands after an answer of a WMS, and what is wanted again by then."""
    jobs.orders.read_order(order.shop, order.shopify_order_id)
