"""Cancelling, from both sides, by the phase a WMS order is in.

cancellable    not sent: stopped for certain; sent: cancelled at the WMS (an order in flight right after its answer)
in progress    the WMS is asked; its order_status callback confirms or declines
uncancellable  a return is opened and staff are told
"""

from __future__ import annotations

import structlog
from django.db import transaction
from django.db.models.functions import Coalesce, Now

from fulfillment import coverage, jobs, order_states
from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState, Outcome, Reason, Wish
from fulfillment.reductions import change_requests, withdrawal
from fulfillment.reductions.ending import end
from fulfillment.returns import announcements
from fulfillment.wms_order_states import (
    BY_PARCELS,
    NOT_AT_THE_WMS,
    NOT_ENDED,
    CancellationPhase,
    Event,
    advance,
    before_parcels,
    phase,
)
from inventory import reservations
from ops.alerting.alerts import close_alert, close_kinds, raise_alert
from ops.errors import Permanent
from ops.models import Severity
from ops.queue.jobs import wake
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import CancelAnswer, Capability
from wms.statuses import WmsStatus

logger = structlog.get_logger(__name__)

UNANSWERED = "cancel_unanswered"


def stop(order: Order) -> None:
    """The order was cancelled at Shopify: stop what was not sent, ask for what was. The order is locked."""
    end(order.wms_orders.filter(wms_status__in=NOT_AT_THE_WMS))
    for row in order.wms_orders.filter(NOT_ENDED).select_related("warehouse__connection", "order__shop"):
        first = WmsOrder.objects.filter(id=row.id, cancel_requested_at__isnull=True).update(
            cancel_requested_at=Now(), wish=_wish(row)
        )
        if first or (row.wish == Wish.CANCEL_ASKED and row.wms_status != WmsStatus.CANCEL_REQUESTED):
            # One in flight is cancelled once its outcome is known; its job may be a dead letter by now.
            (jobs.submit if row.wms_status == WmsStatus.SUBMITTING else jobs.cancel)(row)
    change_requests.note(order)
    for kind in (
        "no_warehouse",
        "order_held_back",
        "order_edited",
        "wms_rejected",
        "wms_cancelled",
        "custom_line",
        "product_deleted",
    ):
        close_alert(kind, subject=order.subject)
    if not order.wms_orders.filter(NOT_ENDED).exists():
        order_states.stand(order, OrderState.CANCELLED)
    elif order.state == OrderState.HELD and order.reason != Reason.OUTCOME_UNKNOWN:
        # What a person had to decide was about units that nobody wants any more; what is left goes its way.
        order_states.stand(order, OrderState.READY)
        order_states.settle(order)
    else:
        order_states.settle(order)
    wake(f"order:{order.id}")


def withdraw_unsent(order: Order) -> int:
    """Take back the WMS orders that no call was begun for; returns how many. The order is locked."""
    return end(order.wms_orders.filter(wms_status=WmsStatus.PENDING))


def end_absent(order: Order, wms_order_id: int) -> None:
    """The WMS never got this part, and nobody wants it any more: nothing is to be sent. The order is locked."""
    end(order.wms_orders.filter(id=wms_order_id, wms_status=WmsStatus.SUBMITTING))
    order_states.settle(order)


def cancel(wms_order_id: int) -> None:
    """Cancel a WMS order at its warehouse, as far as its phase allows. Safe to repeat: the key is the same.

    Raises what the adapter raises.
    """
    row = begin(wms_order_id)
    if row is None:
        return
    connection = row.warehouse.connection
    if phase(WmsStatus(row.wms_status)) == CancellationPhase.UNCANCELLABLE:
        too_late(row.id)
    elif Capability.CANCEL_ORDER not in capabilities_of(connection):
        _ask_a_person(row)
    else:
        try:
            answer = adapter_for(connection).cancel_order(
                row.wms_order_id, idempotency_key=f"{row.external_id}:cancel"
            )
        except Permanent as error:
            _refused(row.id, str(error))
            raise
        record(row.id, answer)


@transaction.atomic
def begin(wms_order_id: int) -> WmsOrder | None:
    """Commit that the WMS is about to be asked; None when there is nothing to ask (any more).

    An order that is not cancelled at Shopify is asked about only while nothing that is left of it is wanted.
    """
    rows = WmsOrder.objects.select_related("warehouse__connection")
    row = rows.get(id=wms_order_id)
    row.order = order_states.lock(row.order_id)
    row.refresh_from_db(fields=["wms_status", "wish"])
    if (
        row.wms_status == WmsStatus.SUBMITTING
        or phase(WmsStatus(row.wms_status)) == CancellationPhase.CANCELLED
    ):
        return None
    if not row.order.cancelled_at and not withdrawal.may_be_cancelled(row):
        return None
    WmsOrder.objects.filter(id=row.id).update(
        cancel_requested_at=Coalesce("cancel_requested_at", Now()), wish=_wish(row)
    )
    return row


def _wish(row: WmsOrder) -> Wish:
    """What it is asked from now on: where it is too late, nothing."""
    asked = phase(WmsStatus(row.wms_status)) != CancellationPhase.UNCANCELLABLE
    return Wish.CANCEL_ASKED if asked else Wish(row.wish)


def _ask_a_person(row: WmsOrder) -> None:
    raise_alert(
        "cancel_by_hand",
        subject=row.order.subject,
        shop=row.order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"Order {_name(row.order)} must be cancelled in {row.warehouse.connection.slug} by hand",
        meaning=f"{_why(row.order)}, and this WMS cannot be told so by its interface.",
        action=f"Cancel {row.wms_order_id} in the WMS. Its status callback then ends the order here.",
    )


def _name(order: Order) -> str:
    return f"{order.name} of {order.shop.domain}"


def _why(order: Order) -> str:
    return (
        "It was cancelled in Shopify"
        if order.cancelled_at
        else "Shopify asks for nothing any more that is left of it (refunded, fulfilled by others, or moved away)"
    )


@transaction.atomic
def record(wms_order_id: int, answer: CancelAnswer) -> None:
    """Store what the WMS said to the cancellation.

    That it goes on picking (or keeps the order) is a no, and told at once; a word that decides nothing is no answer.
    """
    if answer.cancelled or phase(answer.status) == CancellationPhase.CANCELLED:
        confirmed(wms_order_id)
        return
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    row.order = order_states.lock(row.order_id)
    if phase(answer.status) == CancellationPhase.UNCANCELLABLE:
        _record_too_late(row, answer)
        return
    waits = advance(
        WmsOrder.objects.filter(id=wms_order_id),
        Event.ASKED_TO_CANCEL,
        to=WmsStatus.CANCEL_REQUESTED,
        wish_answer=change_requests.answer(answer.status, answer.reason),
    )
    if answer.status not in (WmsStatus.CANCEL_REQUESTED, WmsStatus.UNKNOWN):
        declined(row, answer=change_requests.answer(answer.status, answer.reason))
    if waits:
        jobs.expect_cancellation(row)
    _stand_with(row.order)


@transaction.atomic
def _refused(wms_order_id: int, reason: str) -> None:
    """The WMS answered the wish with an error that no repeat mends: that is a no, too."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    row.order = order_states.lock(row.order_id)
    declined(row, answer=reason[:2000])
    _stand_with(row.order)


def _stand_with(order: Order) -> None:
    """The order shows what its warehouses said. It is locked."""
    if order.surplus:
        withdrawal.follow(order)
    change_requests.note(order)
    order_states.settle(order)


def _record_too_late(row: WmsOrder, answer: CancelAnswer) -> None:
    this = WmsOrder.objects.filter(id=row.id)
    this.update(wish=Wish.CANCEL_DECLINED, wish_answer=change_requests.answer(answer.status, answer.reason))
    advance(this, Event.TOO_LATE, to=before_parcels(answer.status))
    if answer.status in BY_PARCELS:
        jobs.expect_shipment(row, all_of_it=answer.status == WmsStatus.SHIPPED)
    too_late(row.id)
    _stand_with(row.order)


@transaction.atomic
def check_answer(wms_order_id: int) -> None:
    """Tell a person when a WMS that was asked to cancel says neither yes nor no."""
    row = WmsOrder.objects.select_related("order__shop", "warehouse").get(id=wms_order_id)
    if row.wms_status != WmsStatus.CANCEL_REQUESTED or row.wish == Wish.CANCEL_DECLINED:
        return
    raise_alert(
        UNANSWERED,
        subject=row.external_id,
        severity=Severity.CRITICAL,
        title=f"{row.warehouse.place} has not said whether it cancels order {_name(row.order)}",
        meaning=f"It was asked an hour ago. The parcel may go out. {_why(row.order)}.",
        action=f"Ask the warehouse, and have the WMS report the state of {row.wms_order_id}.",
    )


@transaction.atomic
def confirmed(wms_order_id: int, *, ended_as: WmsStatus = WmsStatus.CANCELLED, reason: str = "") -> bool:
    """The WMS has ended the order, asked or by itself: free the reservation; False when it had ended before.

    When somebody at Shopify still asks for it, the order is held: a person decides whether it is routed again.
    """
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    row.order = order_states.lock(row.order_id)
    row.refresh_from_db(fields=["wms_status", "wish", "cancel_requested_at"])
    wished = bool(row.order.cancelled_at or row.cancel_requested_at) or withdrawal.nothing_is_wanted_of(row)
    ended = advance(
        WmsOrder.objects.filter(id=row.id),
        Event.ENDED_BY_WMS,
        to=ended_as,
        outcome=Outcome.CONFIRMED,
        outcome_detail=reason[:2000],
    )
    if not ended:
        return False
    ended_by_wms(row, wished=wished, reason=reason)
    logger.info("wms_order_cancelled", order=row.order_id, wms_order=row.id, asked=wished)
    return True


def ended_by_wms(row: WmsOrder, *, wished: bool, reason: str = "") -> None:
    """The WMS order was ended, asked or not: its stock is free, and a person decides unless the merchant wanted it so.

    What is wanted of it (again) goes to a warehouse anew, after a look at Shopify. The order is locked.
    """
    order = row.order
    close_kinds(order_states.ASKED_IN_VAIN, subject=order.subject)
    close_kinds([UNANSWERED, "shipment_missing", "shipment_incomplete"], subject=row.external_id)
    reservations.release(row.external_id)
    change_requests.note(order)
    if wished:
        withdrawal.after_end(row)
        return
    order_states.stand(order, OrderState.HELD, Reason.WMS_CANCELLED, reason or row.external_id)
    rest = "The rest of it" if row.lines.filter(shipped__gt=0).exists() else "It"
    raise_alert(
        "wms_cancelled",
        subject=order.subject,
        shop=order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"{row.warehouse.place} cancelled order {_name(order)}",
        meaning=f"The customer has paid. {rest} will not be sent. {reason}".strip(),
        action="Ask the warehouse why. Then choose «Route again» on the order, or cancel or refund it in Shopify.",
    )


def left_all_the_same(order: Order) -> None:
    """All of what a WMS had called cancelled left: where no other unit lacks, nobody has to decide any more. The order
    is locked, and is settled by the caller."""
    if (order.state, order.reason) != (OrderState.HELD, Reason.WMS_CANCELLED):
        return
    if not coverage.measure(order).uncovered:
        close_alert("wms_cancelled", subject=order.subject)
        order_states.stand(order, OrderState.READY)


@transaction.atomic
def too_late(wms_order_id: int) -> None:
    """It is packed or shipped: open a return for what goes out, and tell staff. Unless it is wanted again."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    row.order = order_states.lock(row.order_id)
    close_alert(UNANSWERED, subject=row.external_id)
    if not row.order.cancelled_at and not withdrawal.is_refunded(row):
        return
    items = None if row.order.cancelled_at else withdrawal.items_left(row)
    opened = announcements.open_return(row, reason="order cancelled after packing", items=items)
    if not opened:
        return
    close_kinds(order_states.ASKED_IN_VAIN, subject=row.order.subject)
    raise_alert(
        "cancel_too_late",
        subject=row.order.subject,
        shop=row.order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"Order {_name(row.order)} was {'cancelled' if row.order.cancelled_at else 'refunded'} too late: "
        f"it is {row.get_wms_status_display().lower()}",
        meaning="The parcel goes out. A return was announced to the warehouse.",
        action="Try to stop the parcel at the warehouse. Else tell the customer that it will arrive and may be "
        "sent back.",
    )


def declined(row: WmsOrder, *, answer: str) -> None:
    """The WMS was asked and said no: the goods will ship. The order is locked.

    Nobody is alarmed of goods that are wanted again by now.
    """
    WmsOrder.objects.filter(id=row.id).update(wish=Wish.CANCEL_DECLINED, wish_answer=answer)
    close_alert(UNANSWERED, subject=row.external_id)
    if not row.order.cancelled_at and not row.order.surplus:
        return
    raise_alert(
        "cancel_declined",
        subject=row.order.subject,
        shop=row.order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"{row.warehouse.place} declined to cancel order {_name(row.order)}",
        meaning=f"It will be shipped all the same. {_why(row.order)}. The WMS says: {answer or 'no'}",
        action="Speak with the warehouse: only there it can be stopped. A return will be opened once it is packed. "
        "Should it be cancelled after all, this closes by itself.",
    )


@transaction.atomic
def route_again(order_id: int) -> bool:
    """A person decides that a refused or cancelled order goes to a warehouse anew; False = nothing to decide."""
    order = order_states.lock(order_id)
    if order.state != OrderState.HELD or order.reason not in (Reason.WMS_REJECTED, Reason.WMS_CANCELLED):
        return False
    end(order_states.refused(order))
    order_states.stand(order, OrderState.READY)
    for kind in ("wms_rejected", "wms_cancelled"):
        close_alert(kind, subject=order.subject)
    # By a reading, not straight to routing: Shopify may hold the order back by now.
    jobs.read_order(order.shop, order.shopify_order_id)
    return True
