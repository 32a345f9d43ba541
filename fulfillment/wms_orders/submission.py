"""Places a WMS order exactly once (law 3).

begin              one transaction: the attempt is recorded before the call
look_up            no transaction: if the outcome of an earlier attempt is unknown, the order is looked up first
place_order        no transaction: the request carries the order's identity
record_acceptance  one transaction: the answer of the WMS, only while the order is still being submitted
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from fulfillment import alerts, coverage, jobs, order_states
from fulfillment.models import WmsOrder, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import Outcome, Reason
from fulfillment.privacy import erasure
from fulfillment.readiness import FULFILLABLE_STATUSES
from fulfillment.reductions import surplus_review, wms_order_surplus
from fulfillment.refs import OrderPk, WmsOrderPk, arrival_key, order_key, unknown_order_subject
from fulfillment.wms_order_states import (
    BY_SHIPMENTS,
    ENDED,
    MAY_BE_SENT,
    UNCONFIRMED,
    Event,
    advance,
    lock_with_order,
    status_before_shipment,
)
from fulfillment.wms_orders import attempts, cancellation
from fulfillment.wms_orders.attempts import Attempt
from inventory import reservations
from ops import idempotency
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from ops.idempotency import GuardState, RetentionWindow
from ops.queue.jobs import wake
from wms.adapters import adapter_for
from wms.adapters.base import Capability, OrderAnswer
from wms.availability import warehouses
from wms.ids import RemoteOrderId
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


def submit(wms_order_pk: WmsOrderPk) -> None:
    """Place a WMS order, or find out that it is placed.

    Raises Blocked while only a person can decide, Throttled while it is too early to trust a look-up, and what the
    adapter raises.
    """
    attempt = begin(wms_order_pk)
    if attempt is None:
        return
    with idempotency.guard(RetentionWindow.SUBMISSION, attempt.request.external_id) as guard:
        if guard.state is GuardState.BUSY:
            raise Throttled("another worker is placing this order", wait=timedelta(seconds=5))
        attempt = replace(attempt, outcome_unknown=attempt.outcome_unknown or guard.state is GuardState.DONE)
        found = look_up(attempt) if attempt.outcome_unknown else None
        if found is None and attempt.no_longer_needed and attempt.absence_is_conclusive:
            attempts.end_absent(attempt)
        else:
            if found is None and attempt.outcome_unknown:
                _require_may_be_repeated(attempt.wms_order)
                attempt = without_surplus(attempt)
            record_acceptance(attempt.wms_order.id, found or place_order(attempt))


@transaction.atomic
def begin(wms_order_pk: WmsOrderPk) -> Attempt | None:
    """Commit that the order is about to be sent; None if there is nothing to send (any more).

    Raises Blocked if a person must decide, if the warehouse accepts no work, or if Shopify holds the units back.
    """
    row = lock_with_order(wms_order_pk)
    order = row.order
    is_new = row.wms_status != WmsStatus.SUBMITTING
    if row.wms_status not in MAY_BE_SENT or (is_new and (order.cancelled_at or row.remote_id)):
        return None
    if row.outcome == Outcome.UNKNOWN:
        raise attempts.awaiting_decision(row)
    outcome_unknown = not is_new and row.outcome != Outcome.ABSENT
    if not outcome_unknown and not _begin_new_attempt(row):
        return None
    return Attempt(
        wms_order=row,
        number=row.attempt if outcome_unknown else row.attempt + 1,
        connection=row.warehouse.connection,
        request=attempts.request_of(row),
        age=attempts.age_of_last(row) if outcome_unknown else None,
        outcome_unknown=outcome_unknown,
        no_longer_needed=bool(order.cancelled_at or (row.attempt and wms_order_surplus.is_unwanted(row))),
    )


def _begin_new_attempt(row: WmsOrder) -> bool:
    """Record that a call is about to place the order; False if no units are wanted any more, so that it was ended.

    Raises Blocked if the warehouse accepts no work, or if Shopify holds the units back since an earlier attempt.
    """
    order = row.order
    if not order.cancelled_at:
        warehouses.require_accepting(row.warehouse, also_wake_on=[order_key(order.id)])
    if row.attempt:
        _require_not_on_hold(row)
        if order.surplus and not wms_order_surplus.drop_unwanted(row):
            order_states.derive_state(order)
            wms_order_surplus.request_reading(order)
            return False
    advance(
        WmsOrder.objects.filter(id=row.id),
        Event.SENT,
        to=WmsStatus.SUBMITTING,
        attempt=F("attempt") + 1,
        attempt_at=Now(),
        outcome=Outcome.IN_FLIGHT,
    )
    return True


def _require_may_be_repeated(row: WmsOrder) -> None:
    """A repeat needs what a first attempt needs: an open warehouse, and no hold. Raises Blocked."""
    warehouses.require_accepting(row.warehouse)
    _require_not_on_hold(row)


def _require_not_on_hold(row: WmsOrder) -> None:
    """Raises Blocked while Shopify holds back units of this part. Holds of other parts do not matter."""
    if coverage.held_units(row):
        raise Blocked(
            "the order is on hold at Shopify",
            on=[order_key(OrderPk(row.order_id))],
            recheck=lambda: bool(
                coverage.held_units(WmsOrder.objects.select_related("order").get(id=row.id))
            ),
        )


@transaction.atomic
def without_surplus(attempt: Attempt) -> Attempt:
    """Drop the units that Shopify no longer asks for from a repeated attempt, if the first one certainly failed.

    If the first one may have arrived, the same request is sent again. The WMS is asked for less once it has the order.
    """
    row = attempt.wms_order
    if attempt.absence_is_conclusive and row.order.surplus:
        row.order = order_states.lock_of(row)
        if attempts.is_current(attempt) and not wms_order_surplus.is_unwanted(row):
            wms_order_surplus.drop_unwanted(row)
        return replace(attempt, request=attempts.request_of(row))
    return attempt


def look_up(attempt: Attempt) -> OrderAnswer | None:
    """Look an order up whose last attempt has an unknown outcome; None if it is not there, or if a repeat is safe.

    An order stays in doubt if the WMS refuses the look-up. Raises Blocked if neither a look-up nor an idempotent repeat
    is possible, Throttled while "not found" is too early to trust, and what the adapter raises.
    """
    idempotent = attempt.can(Capability.IDEMPOTENT_CREATE)
    if not attempt.can(Capability.FIND_ORDER):
        # An order that is no longer needed is not sent twice, unless we can cancel it right after.
        if not idempotent or (attempt.no_longer_needed and not attempt.wms_order.order.cancelled_at):
            attempts.escalate(attempt)
        return None
    found = adapter_for(attempt.connection).find_order(attempt.request.external_id)
    # An order that shall be smaller by now is not sent once more in its old size, unless nobody can find out whether
    # it arrived.
    is_wanted_unchanged = not attempt.no_longer_needed and not attempt.wms_order.order.surplus
    if found is None and attempt.settle_time_left and not (idempotent and is_wanted_unchanged):
        raise Throttled(
            "not found yet: the first request may still be under way", wait=attempt.settle_time_left
        )
    return found


def place_order(attempt: Attempt) -> OrderAnswer:
    """Make the call. If it fails, store what that means for the order, and raise the adapter's error."""
    try:
        erasure.require_address(attempt.wms_order.order)
        if attempt.outcome_unknown:
            attempt = attempts.record_repeat(attempt)
        return adapter_for(attempt.connection).create_order(attempt.request)
    except UnknownOutcome:
        raise
    except Permanent as error:
        if not attempt.absence_is_conclusive:
            attempts.escalate(attempt)
        attempts.record_refusal(attempt, str(error))
        raise
    except (Transient, Throttled, Blocked):
        if not attempt.outcome_unknown:
            attempts.mark_not_sent(attempt)
        raise


@transaction.atomic
def record_acceptance(
    wms_order_pk: WmsOrderPk, answer: OrderAnswer, *, decided_by_id: int | None = None
) -> bool:
    """Store that the WMS has the order; False if that was recorded before."""
    row = lock_with_order(wms_order_pk)
    order = row.order
    reported = answer.status
    known = reported not in (*UNCONFIRMED, WmsStatus.UNKNOWN)
    status = status_before_shipment(reported) if known else WmsStatus.ACCEPTED
    ended = status in ENDED
    intended = bool(order.cancelled_at) or (ended and wms_order_surplus.is_unwanted(row))
    rows = order_rows.read(order)
    at_location = not _work_is_elsewhere(row, rows)
    recorded = advance(
        WmsOrder.objects.filter(id=row.id),
        Event.FOUND,
        to=status,
        remote_id=answer.remote_id,
        accepted_at=Now(),
        lag=order_states.lag_of_part(),
        outcome=Outcome.CONFIRMED,
        outcome_detail="",
        decided_by_id=decided_by_id,
        at_location_since=Now() if at_location else None,
    )
    if not recorded:
        return False
    if reported in BY_SHIPMENTS:
        jobs.wms_orders.expect_shipment(row, all_of_it=reported == WmsStatus.SHIPPED)
    if ended:
        cancellation.ended_by_wms(row, intended=intended)
    else:
        _after_acceptance(row, rows, status=status, at_location=at_location)
    _release_waiting_work(row, answer.remote_id)
    logger.info("order_submitted", order=order.id, shop=order.shop_id, wms_order=row.id, status=status)
    return True


def _work_is_elsewhere(row: WmsOrder, rows: OrderRows) -> bool:
    """Whether Shopify asks for units of the order from another location than the warehouse's."""
    return any(
        work.status in FULFILLABLE_STATUSES and work.location_id != row.warehouse.shopify_location_id
        for work in rows.fulfillment_orders
        if coverage.is_to_ship(work)
    )


def _after_acceptance(row: WmsOrder, rows: OrderRows, *, status: WmsStatus, at_location: bool) -> None:
    """Confirm the reservation, and catch up on what changed during the submission: a surplus, a cancellation, a
    move."""
    order = row.order
    reservations.confirm(row.external_id)
    if order.surplus:
        surplus_review.review(order)
    statuses = [status, *(part.wms_status for part in rows.wms_orders if part.id != row.id)]
    changed = order.surplus or rows.sent or any(part.remainder_unwanted for part in rows.wms_orders)
    order_states.derive_state(order, unshipped=() if changed else statuses)
    if order.cancelled_at:
        jobs.wms_orders.cancel(row)
    if not at_location:
        jobs.shipments.move(row)


def _release_waiting_work(row: WmsOrder, remote_id: RemoteOrderId) -> None:
    """Close the alerts about the unknown order, and wake the callbacks that came before it. Last in its transaction."""
    order = row.order
    if row.outcome_detail and not order_states.refused_parts(order).exists():
        alerts.wms_orders.WMS_REJECTED.close(order.subject)
    connection_pk = row.warehouse.connection.id
    alerts.wms_orders.UNKNOWN_WMS_ORDER.close(unknown_order_subject(connection_pk, remote_id))
    wake(arrival_key(connection_pk, remote_id))
    if row.outcome == Outcome.UNKNOWN or order.reason == Reason.OUTCOME_UNKNOWN:
        attempts.outcome_is_known(order, row)
    else:
        attempts.release_hold_if_decided(order)
