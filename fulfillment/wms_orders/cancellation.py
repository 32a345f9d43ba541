"""Cancelling, from both sides, by the phase a WMS order is in.

cancellable    not sent: stopped for certain; sent: cancelled at the WMS (an order in flight right after its answer)
in progress    the WMS is asked; its order_status callback confirms or declines
uncancellable  a return is opened and staff are told
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
from fulfillment.refs import OrderPk, WmsOrderPk, cancel_key, order_key
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
"""What they say is settled when the order is cancelled in Shopify."""


def stop_order(order: Order) -> None:
    """The order was cancelled at Shopify: stop what was not sent, ask for what was. The order is locked."""
    end_parts(order.wms_orders.filter(wms_status__in=NOT_AT_THE_WMS))
    for row in order.wms_orders.filter(NOT_ENDED).select_related("warehouse__connection", "order__shop"):
        first = WmsOrder.objects.filter(id=row.id, cancel_requested_at__isnull=True).update(
            cancel_requested_at=Now(), change_request=_request_for(row)
        )
        if first or (
            row.change_request == ChangeRequest.CANCEL_ASKED and row.wms_status != WmsStatus.CANCEL_REQUESTED
        ):
            # One in flight is cancelled once its outcome is known; its job may be a dead letter by now.
            (jobs.wms_orders.submit if row.wms_status == WmsStatus.SUBMITTING else jobs.wms_orders.cancel)(
                row
            )
    change_requests.update_summary(order)
    close_kinds(_CLOSED_BY_CANCELLATION, order.subject)
    if not order.wms_orders.filter(NOT_ENDED).exists():
        order_states.set_state(order, OrderState.CANCELLED)
    elif order.state == OrderState.HELD and order.reason != Reason.OUTCOME_UNKNOWN:
        # What a person had to decide was about units that nobody wants any more; what is left goes its way.
        order_states.set_state(order, OrderState.READY)
        order_states.derive_state(order)
    else:
        order_states.derive_state(order)
    wake(order_key(order.id))


def end_unsent(order: Order) -> int:
    """Take back the WMS orders that no call was begun for; returns how many. The order is locked."""
    return end_parts(order.wms_orders.filter(wms_status=WmsStatus.PENDING))


def end_absent(order: Order, wms_order_pk: WmsOrderPk) -> None:
    """The WMS never got this part, and nobody wants it any more: nothing is to be sent. The order is locked."""
    end_parts(order.wms_orders.filter(id=wms_order_pk, wms_status=WmsStatus.SUBMITTING))
    order_states.derive_state(order)


def cancel(wms_order_pk: WmsOrderPk) -> None:
    """Cancel a WMS order at its warehouse, as far as its phase allows. Safe to repeat: the key is the same.

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
    """Commit that the WMS is about to be asked; None when there is nothing to ask (any more).

    An order that is not cancelled at Shopify is asked about only while nothing that is left of it is wanted.
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
    """What it is asked from now on: where it is too late, nothing."""
    asked = phase(WmsStatus(row.wms_status)) != CancellationPhase.UNCANCELLABLE
    return ChangeRequest.CANCEL_ASKED if asked else ChangeRequest(row.change_request)


@transaction.atomic
def record_answer(wms_order_pk: WmsOrderPk, answer: CancelAnswer) -> None:
    """Store what the WMS said to the cancellation.

    That it goes on picking (or keeps the order) is a no, and told at once; a word that decides nothing is no answer.
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
    """The WMS answered the wish with an error that no repeat mends: that is a no, too."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    record_declined(row, answer=reason[:2000])
    _update_order(row.order)


def _update_order(order: Order) -> None:
    """The order shows what its warehouses said. It is locked."""
    if order.surplus:
        surplus_review.review(order)
    change_requests.update_summary(order)
    order_states.derive_state(order)


def _record_too_late(row: WmsOrder, answer: CancelAnswer) -> None:
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
    """Tell a person when a WMS that was asked to cancel says neither yes nor no."""
    row = WmsOrder.objects.select_related("order__shop", "warehouse").get(id=wms_order_pk)
    if row.wms_status != WmsStatus.CANCEL_REQUESTED or row.change_request == ChangeRequest.CANCEL_DECLINED:
        return
    alerts.cancellations.cancel_unanswered(row)


@transaction.atomic
def record_ended(
    wms_order_pk: WmsOrderPk, *, ended_as: WmsStatus = WmsStatus.CANCELLED, reason: str = ""
) -> bool:
    """The WMS has ended the order, asked or by itself: free the reservation; False when it had ended before.

    When somebody at Shopify still asks for it, the order is held: a person decides whether it is routed again.
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
    """The WMS order was ended, asked or not: its stock is free, and a person decides unless the merchant wanted it so.

    What is wanted of it (again) goes to a warehouse anew, after a look at Shopify. The order is locked.
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
    """All of what a WMS had called cancelled left: where no other unit lacks, nobody has to decide any more. The order
    is locked, and is settled by the caller."""
    if (order.state, order.reason) != (OrderState.HELD, Reason.WMS_CANCELLED):
        return
    if not coverage.measure(order).uncovered:
        alerts.wms_orders.WMS_CANCELLED.close(order.subject)
        order_states.set_state(order, OrderState.READY)


@transaction.atomic
def handle_too_late(wms_order_pk: WmsOrderPk) -> None:
    """It is packed or shipped: open a return for what goes out, and tell staff. Unless it is wanted again."""
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
    """The WMS was asked and said no: the goods will ship. The order is locked.

    Nobody is alarmed of goods that are wanted again by now.
    """
    WmsOrder.objects.filter(id=row.id).update(
        change_request=ChangeRequest.CANCEL_DECLINED, change_answer=answer
    )
    alerts.cancellations.CANCEL_UNANSWERED.close(row.subject)
    if not row.order.cancelled_at and not row.order.surplus:
        return
    alerts.cancellations.cancel_declined(row, answer=answer)


@transaction.atomic
def route_again(order_pk: OrderPk) -> bool:
    """A person decides that a refused or cancelled order goes to a warehouse anew; False = nothing to decide."""
    order = order_states.lock(order_pk)
    if order.state != OrderState.HELD or order.reason not in (Reason.WMS_REJECTED, Reason.WMS_CANCELLED):
        return False
    end_parts(order_states.refused_parts(order))
    order_states.set_state(order, OrderState.READY)
    close_kinds(alerts.wms_orders.ENDED_BY_THE_WMS, order.subject)
    # By a reading, not straight to routing: Shopify may hold the order back by now.
    jobs.orders.read_order(order.shop, order.shopify_order_id)
    return True
