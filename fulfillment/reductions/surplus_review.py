"""When Shopify asks for less than warehouses were given, unsent parts get smaller and WMSs are asked to send less.

A reading can fall between two steps of Shopify, which makes fulfilment orders anew after edits and moves. So a WMS is
asked for a change only after two readings, unless the units were removed or refunded. The alert is raised at once.
"""

from __future__ import annotations

from fulfillment import alerts, jobs
from fulfillment.models import Order, WmsOrder
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions import change_requests, ending, moved_work, surplus, surplus_alert, units_at_work
from fulfillment.reductions.surplus import Surplus
from fulfillment.reductions.units_at_work import Part, Work
from fulfillment.reductions.wms_order_surplus import can_be_reduced, is_refunded, request_reading
from fulfillment.wms_order_states import MAY_BE_CANCELLED, NOT_AT_THE_WMS, CancellationPhase, phase
from inventory import reservations
from ops.alerting.kinds import close_kinds
from wms.adapters import capabilities_of
from wms.adapters.base import Capability
from wms.vocabulary.statuses import WmsStatus

_MAY_BE_ASKED = (
    ChangeRequest.NONE,
    ChangeRequest.CANCEL_ASKED,
    ChangeRequest.REDUCTION_ASKED,
    ChangeRequest.REDUCTION_AGREED,
    ChangeRequest.REDUCTION_DECLINED,
)


def review(order: Order, *, keep_unsent: bool = True) -> None:
    """Compare what warehouses work on with a new reading, or after news of a WMS. The order is locked.

    Nothing is called: what a WMS is to be asked becomes a job. `keep_unsent`: False if the caller ends all parts that
    were not sent anyway.
    """
    if order.ready_at is None or order.cancelled_at:
        return
    work = units_at_work.read(order)
    found, had_surplus = surplus.measure(work), order.surplus is not None
    _store_surplus(order, found)
    moved_work.review(order, work)
    if _reduce_unsent(work, found, keep_unsent=keep_unsent):
        found = Surplus({part.row.id: found.units_of(part) for part in _sent(work) if found.units_of(part)})
    confirmed = surplus.confirmed(order, work, found)
    _drop_unwanted_remainders(work, found, confirmed)
    sent = [part for part in _sent(work) if found.units_of(part) and not part.row.finished_at]
    for part in sent:
        _request_change(part, confirmed)
    if order.change_summary or any(part.row.change_request != ChangeRequest.NONE for part in work.parts):
        change_requests.update_summary(order)
    if sent:
        surplus_alert.update(order, work, found)
    elif had_surplus and found.units:
        alerts.orders.ORDER_EDITED.close(order.subject)
    elif had_surplus:
        # The units are wanted again, so nobody shall stop them any more.
        close_kinds([alerts.orders.ORDER_EDITED, *alerts.cancellations.ONLY_A_PERSON_CAN_STOP], order.subject)


def is_due(order: Order, rows: OrderRows) -> bool:
    """Whether `review` may change anything after a new reading, which `rows` show. Pure.

    As long as there is a surplus, each reading counts: the second one confirms what the first one showed.
    """
    if order.ready_at is None or order.cancelled_at:
        return False
    if order.surplus is not None or order.change_summary:
        return True
    work = units_at_work.of(rows)
    asked = any(
        part.row.change_request != ChangeRequest.NONE or part.row.remainder_unwanted for part in work.parts
    )
    return asked or bool(surplus.measure(work)) or moved_work.is_due(work)


def _sent(work: Work) -> list[Part]:
    return [part for part in work.parts if part.row.wms_status not in NOT_AT_THE_WMS]


def _store_surplus(order: Order, found: Surplus) -> None:
    """Store the surplus on the order with the time of the reading that first showed it.

    More units than before are a new finding: their time begins anew, and Shopify is read once more soon.
    """
    units = {str(line): count for line, count in found.units.items()}
    before = order.surplus or {}
    if units == before.get("units", {}):
        return
    grown = any(count > before.get("units", {}).get(line, 0) for line, count in units.items())
    since = order.read_at.isoformat() if grown or "since" not in before else before["since"]
    order.surplus = {"since": since, "units": units} if units else None
    Order.objects.filter(id=order.id).update(surplus=order.surplus)
    if units and grown:
        jobs.orders.read_order(order.shop, order.shopify_order_id, delay=surplus.SECOND_LOOK)


def _reduce_unsent(work: Work, found: Surplus, *, keep_unsent: bool) -> bool:
    """Make parts smaller that no WMS has, or end them; returns whether any was changed.

    Reservations may be changed once in a transaction, so only one part is made smaller. The next reading does the rest.
    """
    stays = NOT_AT_THE_WMS if keep_unsent else (WmsStatus.REJECTED,)
    unsent = [part for part in work.parts if part.row.wms_status in stays and found.units_of(part)]
    if not unsent:
        return False
    over = [part.row.id for part in unsent if found.is_all_of(part)]
    if over:
        ending.end_parts(WmsOrder.objects.filter(id__in=over))
    else:
        ending.reduce_part(unsent[0], found.units_of(unsent[0]))
    if len(over or unsent[:1]) < len(unsent):
        request_reading(unsent[0].row.order)
    return True


def _request_change(part: Part, confirmed: Surplus) -> None:
    """Request the call that fits a part: cancel it if nothing of it is wanted, else reduce it. No call if none fits.

    A part that is packed or further is cancelled only if it was refunded: the job then announces a return.
    """
    row = part.row
    if not confirmed.units_of(part) or row.change_request not in _MAY_BE_ASKED:
        return
    can = capabilities_of(row.warehouse.connection)
    if confirmed.is_all_of(part):
        too_late = phase(WmsStatus(row.wms_status)) == CancellationPhase.UNCANCELLABLE
        if row.wms_status in MAY_BE_CANCELLED or (
            too_late and row.cancel_requested_at is None and is_refunded(row)
        ):
            jobs.wms_orders.cancel(row)
    elif can_be_reduced(row) and Capability.UPDATE_ORDER in can:
        jobs.wms_orders.reduce(row)


def _drop_unwanted_remainders(work: Work, found: Surplus, confirmed: Surplus) -> None:
    """Stop waiting for units of partly shipped or finished parts that nobody wants, and release their stock."""
    released = []
    for part in work.parts:
        row = part.row
        reported = row.wms_status == WmsStatus.PARTIALLY_SHIPPED
        if not reported and not (row.finished_at and row.wms_status not in NOT_AT_THE_WMS):
            continue
        unwanted = found.is_all_of(part) and (confirmed.is_all_of(part) or row.finished_at is not None)
        if not reported:
            # The goods left, but no shipment was reported. If they were refunded, a person has to act; if somebody
            # else fulfilled them, nobody waits for the report.
            unwanted = unwanted and not surplus.removed_or_refunded(work).units_of(part)
        elif unwanted and row.finished_at:
            ending.close_as_shipped(part)
        _store_remainder(part, unwanted=unwanted)
        if unwanted:
            released.append(row.external_id)
    if released:
        reservations.release(*released)


def _store_remainder(part: Part, *, unwanted: bool) -> None:
    """Store whether the units that a part did not ship are unwanted; expect their shipment if they are wanted again."""
    row = part.row
    if unwanted != row.remainder_unwanted:
        WmsOrder.objects.filter(id=row.id).update(remainder_unwanted=unwanted)
        if not unwanted and row.finished_at:
            jobs.wms_orders.expect_shipment(row, all_of_it=True)
    if unwanted:
        close_kinds(alerts.shipments.REPORT_MISSING, row.subject)
