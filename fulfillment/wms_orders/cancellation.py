"""Cancels WMS orders, whether Shopify or the WMS began it. What can be done depends on the phase of the WMS order.

cancellable    not sent yet: it is ended here; sent: the WMS cancels it (if a call is under way, after its answer)
in progress    the WMS is asked; its order_status callback confirms or declines
uncancellable  a return is opened, and a person is alerted
"""

from __future__ import annotations

import structlog
from django.db import transaction
from django.db.models.functions import Coalesce, Now

from fulfillment import alerts, coverage, jobs, order_states
from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import ChangeRequest, OrderState, Outcome, Reason
from fulfillment.reductions import change_requests, surplus_review, wms_order_surplus
from fulfillment.reductions.ending import end_parts
from fulfillment.refs import WmsOrderPk, cancel_key, order_key
from fulfillment.returns import announcements
from fulfillment.wms_order_states import (
    BY_SHIPMENTS,
    NOT_AT_THE_WMS,
    NOT_ENDED,
    CancellationPhase,
    Event,
    advance,
    phase,
    status_before_shipment,
)
from inventory import reservations
from ops.alerting.kinds import close_kinds
from ops.errors import Permanent
from ops.queue.jobs import wake
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import CancelAnswer, Capability
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

_CLOSED_BY_CANCELLATION = (
    alerts.orders.ORDER_HELD_BACK,
    alerts.orders.ORDER_EDITED,
    *alerts.routing.NOT_ROUTED,
    *alerts.wms_orders.ENDED_BY_THE_WMS,
)
"""Alerts whose question is answered once the order is cancelled in Shopify."""


def stop_order(order: Order) -> None:
    """The order was cancelled at Shopify: end the parts that were not sent, and ask the WMSs to cancel the others.

    The order is locked.
    """
    end_parts(order.wms_orders.filter(wms_status__in=NOT_AT_THE_WMS))
    for row in order.wms_orders.filter(NOT_ENDED).select_related("warehouse__connection", "order__shop"):
        first = WmsOrder.objects.filter(id=row.id, cancel_requested_at__isnull=True).update(
            cancel_requested_at=Now(), change_request=_request_for(row)
        )
        if first or (
            row.change_request == ChangeRequest.CANCEL_ASKED and row.wms_status != WmsStatus.CANCEL_REQUESTED
        ):
            # A part in submission is cancelled once its outcome is known. Its job may be a dead letter by now.
            request = (
                jobs.wms_orders.submit if row.wms_status == WmsStatus.SUBMITTING else jobs.wms_orders.cancel
            )
            request(row)
    change_requests.update_summary(order)
    close_kinds(_CLOSED_BY_CANCELLATION, order.subject)
    if not order.wms_orders.filter(NOT_ENDED).exists():
        order_states.set_state(order, OrderState.CANCELLED)
    elif order.state == OrderState.HELD and order.reason != Reason.OUTCOME_UNKNOWN:
        # A person had to decide about units that are not wanted any more. The other parts go on.
        order_states.set_state(order, OrderState.READY)
        order_states.derive_state(order)
    else:
        order_states.derive_state(order)
    wake(order_key(order.id))


def end_unsent(order: Order) -> int:
    """End the WMS orders for which no call was begun; returns how many. The order is locked."""
    return end_parts(order.wms_orders.filter(wms_status=WmsStatus.PENDING))


def end_absent(order: Order, wms_order_pk: WmsOrderPk) -> None:
    """End a part that the WMS never got and that is not wanted any more. The order is locked."""
    end_parts(order.wms_orders.filter(id=wms_order_pk, wms_status=WmsStatus.SUBMITTING))
    order_states.derive_state(order)


def cancel(wms_order_pk: WmsOrderPk) -> None:
    """Cancel a WMS order at its warehouse, as far as its phase allows. Safe to repeat, because the key stays the same.

    Raises what the adapter raises.
    """
    row = begin(wms_order_pk)
    if row is None:
        return
    connection = row.warehouse.connection
    if phase(WmsStatus(row.wms_status)) == CancellationPhase.UNCANCELLABLE:
        handle_too_late(row.id)
    elif Capability.CANCEL_ORDER not in capabilities_of(connection):
        alerts.cancellations.cancel_by_hand(row)
    else:
        try:
            answer = adapter_for(connection).cancel_order(
                row.remote_id, idempotency_key=cancel_key(row.external_id)
            )
        except Permanent as error:
            _record_refusal(row.id, str(error))
            raise
        record_answer(row.id, answer)


@transaction.atomic
def begin(wms_order_pk: WmsOrderPk) -> WmsOrder | None:
    """Commit that the WMS is about to be asked; None if there is nothing to ask (any more).

    If the order is not cancelled at Shopify, the WMS is asked only while none of the part's remaining units are wanted.
    """
    rows = WmsOrder.objects.select_related("warehouse__connection")
    row = rows.get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["wms_status", "change_request"])
    if (
        row.wms_status == WmsStatus.SUBMITTING
        or phase(WmsStatus(row.wms_status)) == CancellationPhase.CANCELLED
    ):
        return None
    if not row.order.cancelled_at and not wms_order_surplus.may_be_cancelled(row):
        return None
    WmsOrder.objects.filter(id=row.id).update(
        cancel_requested_at=Coalesce("cancel_requested_at", Now()), change_request=_request_for(row)
    )
    return row


def _request_for(row: WmsOrder) -> ChangeRequest:
    """The change request to record: a cancellation, unless it is too late for one."""
    asked = phase(WmsStatus(row.wms_status)) != CancellationPhase.UNCANCELLABLE
    return ChangeRequest.CANCEL_ASKED if asked else ChangeRequest(row.change_request)


@transaction.atomic
def record_answer(wms_order_pk: WmsOrderPk, answer: CancelAnswer) -> None:
    """Store the answer of the WMS to a request to cancel.

    If the WMS continues with the picking, or keeps the order, that is a refusal and is recorded at once. A status that
    decides nothing is no answer.
    """
    if answer.cancelled or phase(answer.status) == CancellationPhase.CANCELLED:
        record_ended(wms_order_pk)
        return
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    if phase(answer.status) == CancellationPhase.UNCANCELLABLE:
        _record_too_late(row, answer)
        return
    waits = advance(
        WmsOrder.objects.filter(id=wms_order_pk),
        Event.ASKED_TO_CANCEL,
        to=WmsStatus.CANCEL_REQUESTED,
        change_answer=change_requests.answer_text(answer.status, answer.reason),
    )
    if answer.status not in (WmsStatus.CANCEL_REQUESTED, WmsStatus.UNKNOWN):
        record_declined(row, answer=change_requests.answer_text(answer.status, answer.reason))
    if waits:
        jobs.wms_orders.expect_cancellation(row)
    _update_order(row.order)


@transaction.atomic
def _record_refusal(wms_order_pk: WmsOrderPk, reason: str) -> None:
    """The WMS answered with an error that a repeat cannot mend. That is a refusal, too."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    record_declined(row, answer=reason[:2000])
    _update_order(row.order)


def _update_order(order: Order) -> None:
    """Bring a locked order up to date with what its warehouses answered."""
    if order.surplus:
        surplus_review.review(order)
    change_requests.update_summary(order)
    order_states.derive_state(order)


def _record_too_late(row: WmsOrder, answer: CancelAnswer) -> None:
    """Record an answer by which it is too late to cancel, and open a return for the goods."""
    this = WmsOrder.objects.filter(id=row.id)
    this.update(
        change_request=ChangeRequest.CANCEL_DECLINED,
        change_answer=change_requests.answer_text(answer.status, answer.reason),
    )
    advance(this, Event.TOO_LATE, to=status_before_shipment(answer.status))
    if answer.status in BY_SHIPMENTS:
        jobs.wms_orders.expect_shipment(row, all_of_it=answer.status == WmsStatus.SHIPPED)
    handle_too_late(row.id)
    _update_order(row.order)


@transaction.atomic
def check_answer(wms_order_pk: WmsOrderPk) -> None:
    """Alert a person if a WMS that was asked to cancel has given no answer."""
    row = WmsOrder.objects.select_related("order__shop", "warehouse").get(id=wms_order_pk)
    if row.wms_status != WmsStatus.CANCEL_REQUESTED or row.change_request == ChangeRequest.CANCEL_DECLINED:
        return
    alerts.cancellations.cancel_unanswered(row)


@transaction.atomic
def record_ended(
    wms_order_pk: WmsOrderPk, *, ended_as: WmsStatus = WmsStatus.CANCELLED, reason: str = ""
) -> bool:
    """Record that the WMS ended the order, asked or by itself; False if it had ended before.

    The reservation is released. If Shopify still asks for the units, the order is held, and a person decides whether
    they are routed again.
    """
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["wms_status", "change_request", "cancel_requested_at"])
    intended = bool(row.order.cancelled_at or row.cancel_requested_at) or wms_order_surplus.is_unwanted(row)
    ended = advance(
        WmsOrder.objects.filter(id=row.id),
        Event.ENDED_BY_WMS,
        to=ended_as,
        outcome=Outcome.CONFIRMED,
        outcome_detail=reason[:2000],
    )
    if not ended:
        return False
    ended_by_wms(row, intended=intended, reason=reason)
    logger.info("wms_order_cancelled", order=row.order_id, wms_order=row.id, asked=intended)
    return True


def ended_by_wms(row: WmsOrder, *, intended: bool, reason: str = "") -> None:
    """Release the stock of a WMS order that ended, and hold the order for a person unless the end was intended.

    After an intended end Shopify is read, and units that are wanted (again) go to a warehouse anew. The order is
    locked.
    """
    order = row.order
    close_kinds(alerts.cancellations.ONLY_A_PERSON_CAN_STOP, order.subject)
    close_kinds([alerts.cancellations.CANCEL_UNANSWERED, *alerts.shipments.REPORT_MISSING], row.subject)
    reservations.release(row.external_id)
    change_requests.update_summary(order)
    if intended:
        wms_order_surplus.after_intended_end(row)
        return
    order_states.set_state(order, OrderState.HELD, Reason.WMS_CANCELLED, reason or row.external_id)
    partly_shipped = row.lines.filter(shipped__gt=0).exists()
    alerts.wms_orders.wms_cancelled(row, order, partly_shipped=partly_shipped, reason=reason)


def release_if_all_shipped(order: Order) -> None:
    """All goods of a WMS order left that the WMS had reported as cancelled: end the hold, unless other units are
    uncovered.

    The order is locked, and the caller derives its state.
    """
    if (order.state, order.reason) != (OrderState.HELD, Reason.WMS_CANCELLED):
        return
    if not coverage.measure(order).uncovered:
        alerts.wms_orders.WMS_CANCELLED.close(order.subject)
        order_states.set_state(order, OrderState.READY)


@transaction.atomic
def handle_too_late(wms_order_pk: WmsOrderPk) -> None:
    """The WMS order is packed or shipped: open a return for its goods and alert staff, unless the goods are wanted
    again."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    alerts.cancellations.CANCEL_UNANSWERED.close(row.subject)
    if not row.order.cancelled_at and not wms_order_surplus.is_refunded(row):
        return
    items = None if row.order.cancelled_at else wms_order_surplus.items_left(row)
    opened = announcements.open_return(row, reason="order cancelled after packing", items=items)
    if not opened:
        return
    close_kinds(alerts.cancellations.ONLY_A_PERSON_CAN_STOP, row.order.subject)
    alerts.cancellations.cancel_too_late(row)


def record_declined(row: WmsOrder, *, answer: str) -> None:
    """The WMS declined to cancel, so the goods will ship. The order is locked.

    If the goods are wanted again by now, nobody is alerted.
    """
    WmsOrder.objects.filter(id=row.id).update(
        change_request=ChangeRequest.CANCEL_DECLINED, change_answer=answer
    )
    alerts.cancellations.CANCEL_UNANSWERED.close(row.subject)
    if not row.order.cancelled_at and not row.order.surplus:
        return
    alerts.cancellations.cancel_declined(row, answer=answer)
