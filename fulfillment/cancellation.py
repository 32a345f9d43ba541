"""Cancelling, from both sides, by the phase a WMS order is in.

cancellable    not sent: stopped for certain; sent: cancelled at the WMS (an order in flight right after its answer)
in progress    the WMS is asked; its order_status callback confirms or declines
uncancellable  a return is opened and staff are told
"""

from __future__ import annotations

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from fulfillment import enqueue, order_states, returns
from fulfillment.models import Order, WmsOrder
from fulfillment.states import OrderState, Outcome, Reason
from inventory import reservations
from ops import jobs
from ops.alerts import close_alert, raise_alert
from ops.models import Severity
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import CancelAnswer, Capability
from wms.statuses import CancellationPhase, WmsStatus, phase

logger = structlog.get_logger(__name__)

UNANSWERED = "cancel_unanswered"


def stop(order: Order) -> None:
    """The order was cancelled at Shopify: stop what was not sent, ask for what was. The order is locked."""
    _end(order.wms_orders.filter(wms_status__in=[WmsStatus.PENDING, WmsStatus.REJECTED]))
    for row in order.wms_orders.filter(order_states.NOT_ENDED).select_related(
        "warehouse__connection", "order__shop"
    ):
        first = WmsOrder.objects.filter(id=row.id, cancel_requested_at__isnull=True).update(
            cancel_requested_at=Now()
        )
        if first:
            # One in flight is cancelled once its outcome is known; its job may be a dead letter by now.
            (enqueue.submit if row.wms_status == WmsStatus.SUBMITTING else enqueue.cancel)(row)
    for kind in ("no_warehouse", "order_held_back", "wms_rejected", "wms_cancelled", "custom_line"):
        close_alert(kind, subject=order.subject)
    if not order.wms_orders.filter(order_states.NOT_ENDED).exists():
        order_states.stand(order, OrderState.CANCELLED)
    elif order.state == OrderState.HELD and order.reason != Reason.OUTCOME_UNKNOWN:
        # What a person had to decide was about units that nobody wants any more; what is left goes its way.
        order_states.stand(order, OrderState.READY)
        order_states.settle(order)
    jobs.wake(f"order:{order.id}")


def withdraw_unsent(order: Order) -> int:
    """Take back the WMS orders that no call was begun for; returns how many. The order is locked."""
    return _end(order.wms_orders.filter(wms_status=WmsStatus.PENDING))


def end_absent(order: Order, wms_order_id: int) -> None:
    """The WMS never got this part, and nobody wants it any more: nothing is to be sent. The order is locked."""
    _end(order.wms_orders.filter(id=wms_order_id, wms_status=WmsStatus.SUBMITTING))
    order_states.settle(order)


def _end(rows: QuerySet[WmsOrder]) -> int:
    """End these parts of an order that is locked. Their stock is freed at once: part by part, the levels of two orders
    could be locked crosswise."""
    ending = {row.id: row for row in rows}
    if not ending:
        return 0
    WmsOrder.objects.filter(id__in=ending).update(wms_status=WmsStatus.CANCELLED, status_at=Now())
    reservations.release(*(row.external_id for row in ending.values()))
    for row in ending.values():
        logger.info("wms_order_cancelled", order=row.order_id, wms_order=row.id, was=row.wms_status)
    return len(ending)


def cancel(wms_order_id: int) -> None:
    """Cancel a WMS order at its warehouse, as far as its phase allows. Safe to repeat: the key is the same.

    Raises what the adapter raises.
    """
    row = WmsOrder.objects.select_related("warehouse__connection", "order__shop").get(id=wms_order_id)
    status = WmsStatus(row.wms_status)
    if status == WmsStatus.SUBMITTING or phase(status) == CancellationPhase.CANCELLED:
        return
    if phase(status) == CancellationPhase.UNCANCELLABLE:
        too_late(row.id)
        return
    connection = row.warehouse.connection
    if Capability.CANCEL_ORDER not in capabilities_of(connection):
        _ask_a_person(row)
        return
    answer = adapter_for(connection).cancel_order(
        row.wms_order_id, idempotency_key=f"{row.external_id}:cancel"
    )
    record(row.id, answer)


def _ask_a_person(row: WmsOrder) -> None:
    raise_alert(
        "cancel_by_hand",
        subject=row.order.subject,
        shop=row.order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"Order {row.order.name} must be cancelled in {row.warehouse.connection.slug} by hand",
        meaning="It was cancelled in Shopify, and this WMS cannot be told so by its interface.",
        action=f"Cancel {row.wms_order_id} in the WMS. Its status callback then ends the order here.",
    )


@transaction.atomic
def record(wms_order_id: int, answer: CancelAnswer) -> None:
    """Store what the WMS said to the cancellation."""
    if answer.cancelled or phase(answer.status) == CancellationPhase.CANCELLED:
        confirmed(wms_order_id)
        return
    row = WmsOrder.objects.select_related("order__shop", "warehouse__connection").get(id=wms_order_id)
    order_states.lock(row.order_id)
    if phase(answer.status) == CancellationPhase.UNCANCELLABLE:
        _record_too_late(row, answer.status)
        return
    asked = [WmsStatus.ACCEPTED, WmsStatus.PICKING, WmsStatus.UNKNOWN]
    if phase(answer.status) == CancellationPhase.CANCELLABLE:
        declined(row, reason=answer.reason)
        return
    waits = WmsOrder.objects.filter(id=wms_order_id, wms_status__in=asked).update(
        wms_status=WmsStatus.CANCEL_REQUESTED,
        outcome_detail=answer.reason[:2000],
        **order_states.look_up_later(),
    )
    if waits:
        enqueue.expect_cancellation(row)


def _record_too_late(row: WmsOrder, said: WmsStatus) -> None:
    by_parcels = [str(status) for status in order_states.SHIPPED]
    WmsOrder.objects.filter(id=row.id).exclude(wms_status__in=by_parcels).update(
        wms_status=order_states.before_parcels(said), status_at=Now(), **order_states.look_up_later()
    )
    if said in order_states.SHIPPED:
        enqueue.expect_shipment(row, all_of_it=said == WmsStatus.SHIPPED)
    too_late(row.id)


@transaction.atomic
def check_answer(wms_order_id: int) -> None:
    """Tell a person when a WMS that was asked to cancel says neither yes nor no."""
    row = WmsOrder.objects.select_related("order", "warehouse").get(id=wms_order_id)
    if row.wms_status != WmsStatus.CANCEL_REQUESTED:
        return
    raise_alert(
        UNANSWERED,
        subject=row.external_id,
        severity=Severity.CRITICAL,
        title=f"{row.warehouse.name} has not said whether it cancels order {row.order.name}",
        meaning="It was asked an hour ago, while it picked the order. The parcel may go out although the order was "
        "cancelled in Shopify.",
        action=f"Ask the warehouse, and have the WMS report the state of {row.wms_order_id}.",
    )


@transaction.atomic
def confirmed(wms_order_id: int, *, ended_as: WmsStatus = WmsStatus.CANCELLED, reason: str = "") -> bool:
    """The WMS has ended the order, asked or by itself: free the reservation; False when it had ended before.

    When nobody at Shopify cancelled it, the order is held: a person decides whether it is routed again.
    """
    row = WmsOrder.objects.select_related("order__shop", "warehouse").get(id=wms_order_id)
    order = order_states.lock(row.order_id)
    ended = (
        WmsOrder.objects.filter(order_states.NOT_ENDED, id=row.id)
        .exclude(wms_status=WmsStatus.SHIPPED)
        .update(wms_status=ended_as, status_at=Now(), outcome=Outcome.CONFIRMED, outcome_detail=reason[:2000])
    )
    if not ended:
        return False
    close_alert("cancel_by_hand", subject=order.subject)
    close_alert(UNANSWERED, subject=row.external_id)
    ended_by_wms(order, row, reason=reason)
    logger.info("wms_order_cancelled", order=order.id, wms_order=row.id, asked=bool(order.cancelled_at))
    return True


def ended_by_wms(order: Order, row: WmsOrder, *, reason: str = "") -> None:
    """The WMS order was ended, asked or not: its stock is free, and a person decides unless Shopify cancelled it."""
    reservations.release(row.external_id)
    if order.cancelled_at:
        order_states.settle(order)
        return
    order_states.stand(order, OrderState.HELD, Reason.WMS_CANCELLED, reason or row.external_id)
    raise_alert(
        "wms_cancelled",
        subject=order.subject,
        shop=order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"{row.warehouse.name} cancelled order {order.name}",
        meaning=f"The customer has paid and nothing will be sent. {reason}".strip(),
        action="Ask the warehouse why. Then choose «Route again» on the order, or cancel it in Shopify.",
    )


@transaction.atomic
def too_late(wms_order_id: int) -> None:
    """It is packed or shipped: open a return for what goes out, and tell staff."""
    row = WmsOrder.objects.select_related("order__shop", "warehouse__connection").get(id=wms_order_id)
    order_states.lock(row.order_id)
    close_alert(UNANSWERED, subject=row.external_id)
    opened = returns.open_return(row, reason="order cancelled after packing")
    if not opened:
        return
    raise_alert(
        "cancel_too_late",
        subject=row.order.subject,
        shop=row.order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"Order {row.order.name} was cancelled too late: it is {row.get_wms_status_display()}",
        meaning="The parcel goes out. A return was announced to the warehouse.",
        action="Try to stop the parcel at the warehouse. Else tell the customer that it will arrive and may be "
        "sent back.",
    )


def declined(row: WmsOrder, *, reason: str) -> None:
    """The WMS was asked and goes on picking: the goods will ship. The order is locked."""
    close_alert(UNANSWERED, subject=row.external_id)
    raise_alert(
        "cancel_declined",
        subject=row.order.subject,
        shop=row.order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"The warehouse declined to cancel order {row.order.name}",
        meaning=f"It will be shipped although it was cancelled in Shopify. {reason}".strip(),
        action="Speak with the warehouse. A return will be opened once it is packed.",
    )


@transaction.atomic
def route_again(order_id: int) -> bool:
    """A person decides that a refused or cancelled order goes to a warehouse anew; False = nothing to decide."""
    order = order_states.lock(order_id)
    if order.state != OrderState.HELD or order.reason not in (Reason.WMS_REJECTED, Reason.WMS_CANCELLED):
        return False
    _end(order_states.refused(order))
    order_states.stand(order, OrderState.READY)
    for kind in ("wms_rejected", "wms_cancelled"):
        close_alert(kind, subject=order.subject)
    # By a reading, not straight to routing: Shopify may hold the order back by now.
    enqueue.read(order.shop, order.shopify_order_id)
    return True
