"""Applies what a WMS reports about the state of an order, so that late and repeated reports change nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from fulfillment import alerts, coverage, jobs, order_states
from fulfillment.models import WmsOrder
from fulfillment.models.states import ChangeRequest, OrderState, ShipmentState
from fulfillment.reductions import change_requests, surplus_review
from fulfillment.refs import WmsOrderPk, arrival_key, unknown_order_subject
from fulfillment.wms_order_states import (
    BY_SHIPMENTS,
    ENDED,
    NOT_ENDED,
    OVER,
    STEPS,
    UNCONFIRMED,
    CancellationPhase,
    Event,
    advance,
    lock_named_by_wms,
    lock_with_order,
    moves,
    named_by_wms,
    phase,
)
from fulfillment.wms_orders import cancellation
from ops.alerting.kinds import close_kinds
from ops.errors import Blocked
from wms.callbacks.events import OrderStatusEvent
from wms.ids import ConnectionPk, RemoteOrderId
from wms.vocabulary.statuses import WmsStatus

SOON_KNOWN = timedelta(minutes=30)
"""Our own call is answered within this time. A callback may overtake the answer, and then names an order that we do not
know yet. Measured by the clock of the WMS."""


_SHOW_NO_STEPS = (OrderState.AT_WAREHOUSE, OrderState.PARTIALLY_SHIPPED)
"""States of an order that are the same at each step of the work in a warehouse."""


def wms_order_of(connection_pk: ConnectionPk, remote_id: RemoteOrderId) -> WmsOrder | None:
    """Our WMS order with the id that a WMS names; None if we know none."""
    return (
        WmsOrder.objects.select_related("order__shop", "warehouse__connection")
        .filter(warehouse__connection_id=connection_pk, remote_id=remote_id)
        .first()
    )


def require_wms_order(
    connection_pk: ConnectionPk, remote_id: RemoteOrderId, *, occurred_at: datetime
) -> WmsOrder:
    """Our WMS order with the id that a WMS names in a callback.

    Raises Blocked if we know none: the callback may have come before our own call returned, so it waits.
    """
    row = wms_order_of(connection_pk, remote_id)
    if row is None:
        _report_unexplained(connection_pk, remote_id, occurred_at=occurred_at)
        raise Blocked(
            f"WMS order {remote_id} is not known (yet)",
            on=[arrival_key(connection_pk, remote_id)],
            recheck=lambda: wms_order_of(connection_pk, remote_id) is None,
        )
    return row


def _report_unexplained(
    connection_pk: ConnectionPk, remote_id: RemoteOrderId, *, occurred_at: datetime
) -> None:
    """Alert a person about a callback for an unknown order, if no submission explains it or it happened long ago."""
    under_way = WmsOrder.objects.filter(
        warehouse__connection_id=connection_pk, wms_status__in=UNCONFIRMED
    ).exists()
    if not under_way or occurred_at < timezone.now() - SOON_KNOWN:
        alerts.wms_orders.unknown_wms_order(
            unknown_order_subject(connection_pk, remote_id), remote_id=remote_id
        )


def apply_callback(connection_pk: ConnectionPk, event: OrderStatusEvent, *, occurred_at: datetime) -> None:
    """Apply an order_status callback. Raises Blocked if the order is not known yet."""
    if _takes_step(connection_pk, event, occurred_at=occurred_at):
        return
    with transaction.atomic():
        row = lock_named_by_wms(connection_pk, event.wms_order_id)
        if row is not None:
            _apply(row, event.wms_status, word=event.status, reason=event.reason, occurred_at=occurred_at)
    if row is None:
        row = require_wms_order(connection_pk, event.wms_order_id, occurred_at=occurred_at)
        apply_status(row, event.wms_status, word=event.status, reason=event.reason, occurred_at=occurred_at)


def _takes_step(connection_pk: ConnectionPk, event: OrderStatusEvent, *, occurred_at: datetime) -> bool:
    """Apply a step of the work from which nothing else follows, with one statement. If this is something else, or is no
    news, returns False and changes nothing. That the WMS has the order is known before its callbacks are applied."""
    if event.wms_status not in STEPS[1:]:
        return False
    rows = named_by_wms(connection_pk, event.wms_order_id, order_states=_SHOW_NO_STEPS)
    moved = advance(
        rows.filter(cancel_requested_at__isnull=True),
        Event.PROGRESSED,
        to=event.wms_status,
        at=occurred_at,
    )
    return bool(moved)


@transaction.atomic
def apply_status(
    row: WmsOrder, status: WmsStatus, *, word: str, reason: str = "", occurred_at: datetime
) -> None:
    """Apply a status that the WMS reported, in a callback or in its answer to a look-up. `word` is the WMS's own word.

    `occurred_at` is the earliest time at which the status applied. States only move forward, in whatever order the
    reports arrive.
    """
    row = lock_with_order(row.id)
    _apply(row, status, word=word, reason=reason, occurred_at=occurred_at)


def _apply(row: WmsOrder, status: WmsStatus, *, word: str, reason: str, occurred_at: datetime) -> None:
    """Apply a status to a WMS order that is locked with its order."""
    if status == WmsStatus.UNKNOWN:
        alerts.wms_orders.unknown_wms_status(row.warehouse.connection, word=word)
    elif status in ENDED:
        cancellation.record_ended(row.id, ended_as=status, reason=reason)
    elif status in BY_SHIPMENTS:
        # Shipment callbacks say what was sent, and only they set the state. A lost one must be noticed.
        jobs.wms_orders.expect_shipment(row, all_of_it=status == WmsStatus.SHIPPED)
        if status == WmsStatus.SHIPPED:
            _record_finished(row, at=occurred_at)
    else:
        _advance_status(row, status, reason=reason, occurred_at=occurred_at)


def _record_finished(row: WmsOrder, *, at: datetime) -> None:
    """The WMS sends nothing more of the order, so units that Shopify no longer asks for are not waited for."""
    order = row.order
    rows = WmsOrder.objects.filter(NOT_ENDED, id=row.id, finished_at__isnull=True)
    if rows.update(finished_at=at) and order.surplus:
        surplus_review.review(order)
        order_states.derive_state(order)


def _advance_status(row: WmsOrder, status: WmsStatus, *, reason: str, occurred_at: datetime) -> None:
    """Move a WMS order to a step of the work, or take the step as the answer to a request to cancel."""
    if row.wms_status == WmsStatus.CANCEL_REQUESTED:
        if not _take_as_answer(row, status, reason=reason, occurred_at=occurred_at):
            return
        order_states.derive_state(row.order)
    else:
        if status in STEPS and moves(row, Event.PROGRESSED, to=status):
            advance(WmsOrder.objects.filter(id=row.id), Event.PROGRESSED, to=status, at=occurred_at)
        if row.order.state not in _SHOW_NO_STEPS:
            order_states.derive_state(row.order)
    if row.cancel_requested_at and phase(status) == CancellationPhase.UNCANCELLABLE:
        cancellation.handle_too_late(row.id)


def _take_as_answer(row: WmsOrder, status: WmsStatus, *, reason: str, occurred_at: datetime) -> bool:
    """Take a step as the answer to a request to cancel; False if it answers nothing."""
    if status == WmsStatus.CANCEL_REQUESTED:
        return False
    if row.cancel_requested_at and occurred_at < row.cancel_requested_at:
        return False
    if phase(status) == CancellationPhase.CANCELLABLE:
        # The WMS has not decided yet: the request stays open, and staff are alerted if no answer comes.
        WmsOrder.objects.filter(id=row.id, change_request=ChangeRequest.CANCEL_DECLINED).update(
            change_request=ChangeRequest.CANCEL_ASKED
        )
        return False
    advance(WmsOrder.objects.filter(id=row.id), Event.NOT_CANCELLED, to=status, at=occurred_at)
    answer = change_requests.answer_text(status, reason)
    if phase(status) == CancellationPhase.IN_PROGRESS:
        cancellation.record_declined(row, answer=answer)
    else:
        WmsOrder.objects.filter(id=row.id).update(
            change_request=ChangeRequest.CANCEL_DECLINED, change_answer=answer
        )
    if row.order.surplus:
        surplus_review.review(row.order)
    change_requests.update_summary(row.order)
    return True


@transaction.atomic
def check_shipment(wms_order_pk: WmsOrderPk, *, all_of_it: bool) -> None:
    """Alert a person if the WMS reported «shipped», and no shipment came, or not of all units.

    Nobody is alerted if a held shipment, which has its own alert, may have the units, or if somebody fulfilled them in
    Shopify. Units of a cancelled order that nobody reports are missed in any case: they left, and must come back.
    """
    row = lock_with_order(wms_order_pk)
    reported = OVER if all_of_it else (*OVER, WmsStatus.PARTIALLY_SHIPPED)
    if row.remainder_unwanted or row.wms_status in reported:
        return
    uncounted = Q(lines=None) | Q(lines__quantity__gt=F("lines__counted"))
    if row.shipments.filter(uncounted, state=ShipmentState.HELD).exists():
        return
    if row.order.cancelled_at is None and not coverage.fulfillable_units(row.order):
        close_kinds(alerts.shipments.REPORT_MISSING, row.subject)
        return
    if row.wms_status == WmsStatus.PARTIALLY_SHIPPED:
        _report_remainder_missing(row)
        return
    alerts.shipments.shipment_missing(row)


def _report_remainder_missing(row: WmsOrder) -> None:
    """Alert a person about the units that no shipment has, with both numbers."""
    units = row.lines.aggregate(asked=Sum("quantity"), shipped=Sum("shipped"))
    alerts.shipments.shipment_incomplete(row, shipped=units["shipped"], asked=units["asked"])


def record_shipped(row: WmsOrder, *, shipped_at: datetime | None, is_missed: bool = True) -> bool:
    """Record that shipments of all units of the order came; returns whether its state changed. The order is locked.

    `is_missed`: an alert may be open that says that they did not come.
    """
    rows = WmsOrder.objects.filter(id=row.id)
    moved = advance(rows, Event.SHIPMENT, to=WmsStatus.SHIPPED, at=shipped_at)
    if is_missed:
        close_kinds(alerts.shipments.REPORT_MISSING, row.subject)
    return bool(moved)


def record_partly_shipped(row: WmsOrder, *, shipped_at: datetime | None, is_missed: bool = True) -> bool:
    """Record that a shipment of some units of the order came; returns whether its state changed. The order is locked.

    If the WMS had ended the order by itself, it stays ended: a person decides about the remainder. `is_missed` is
    explained at `record_shipped`.
    """
    rows = WmsOrder.objects.filter(id=row.id).exclude(wms_status__in=ENDED, cancel_requested_at__isnull=True)
    moved = advance(rows, Event.SHIPMENT, to=WmsStatus.PARTIALLY_SHIPPED, at=shipped_at)
    if is_missed:
        alerts.shipments.SHIPMENT_MISSING.close(row.subject)
    return bool(moved)
