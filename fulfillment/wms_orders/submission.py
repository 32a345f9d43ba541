"""Placing a WMS order, exactly once (law 3).

begin   one transaction: the attempt is recorded before the call
look up, place   no transaction: the identity travels along; after a doubtful attempt the order is looked up first
record  one transaction: what the WMS said, only while the order is still being submitted
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from fulfillment import alerts, coverage, jobs, order_states
from fulfillment.models import WmsOrder
from fulfillment.models.states import Outcome
from fulfillment.privacy import erasure
from fulfillment.readiness import GOING_STATUSES
from fulfillment.reductions import withdrawal
from fulfillment.refs import OrderPk, WmsOrderPk, arrival_key, order_key, unknown_order_subject
from fulfillment.wms_order_states import (
    BY_PARCELS,
    ENDED,
    MAY_BE_SENT,
    UNCONFIRMED,
    Event,
    advance,
    before_parcels,
)
from fulfillment.wms_orders import attempts, cancellation
from fulfillment.wms_orders.attempts import Attempt
from inventory import reservations
from ops import idempotency
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from ops.idempotency import GuardState, RetentionWindow
from ops.queue.jobs import wake
from wms.adapters import adapter_for
from wms.adapters.base import Address, Capability, OrderAnswer, OrderLineRequest, OrderRequest
from wms.availability import warehouses
from wms.ids import RemoteOrderId
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


def submit(wms_order_pk: WmsOrderPk) -> None:
    """Place a WMS order, or find out that it is placed.

    Raises Blocked while only a person can know, Throttled while a look-up is too early to trust, and what the adapter
    raises.
    """
    attempt = begin(wms_order_pk)
    if attempt is None:
        return
    with idempotency.guard(RetentionWindow.SUBMISSION, attempt.request.external_id) as guard:
        if guard.state is GuardState.BUSY:
            raise Throttled("another worker is placing this order", wait=timedelta(seconds=5))
        attempt = replace(attempt, doubtful=attempt.doubtful or guard.state is GuardState.DONE)
        found = look_up(attempt) if attempt.doubtful else None
        if found is None and attempt.unwanted and attempt.certain:
            attempts.end_absent(attempt)
        else:
            if found is None and attempt.doubtful:
                _require_free_to_go(attempt.wms_order)
                attempt = without_surplus(attempt)
            record(attempt.wms_order.id, found or place(attempt))


@transaction.atomic
def begin(wms_order_pk: WmsOrderPk) -> Attempt | None:
    """Commit that the order is about to be sent; None when there is nothing to send (any more)."""
    order_pk = WmsOrder.objects.values_list("order_id", flat=True).get(id=wms_order_pk)
    order = order_states.lock(OrderPk(order_pk))
    rows = WmsOrder.objects.select_related("warehouse__connection").annotate(age=Now() - F("attempt_at"))
    row = rows.get(id=wms_order_pk)
    row.order = order
    if row.wms_status not in MAY_BE_SENT:
        return None
    if row.wms_status != WmsStatus.SUBMITTING and (order.cancelled_at or row.remote_id):
        return None
    if row.outcome == Outcome.UNKNOWN:
        raise attempts.undecided(row)
    doubtful = row.wms_status == WmsStatus.SUBMITTING and row.outcome != Outcome.ABSENT
    if not doubtful and not order.cancelled_at:
        warehouses.require_accepting(row.warehouse, also_wake_on=[order_key(order.id)])
    if not doubtful and row.attempt:
        _require_not_held(row)
        if order.surplus and not withdrawal.fit(row):
            order_states.settle(order)
            withdrawal.look_again(order)
            return None
    if not doubtful:
        advance(
            WmsOrder.objects.filter(id=row.id),
            Event.SENT,
            to=WmsStatus.SUBMITTING,
            attempt=F("attempt") + 1,
            attempt_at=Now(),
            outcome=Outcome.IN_FLIGHT,
        )
    return Attempt(
        wms_order=row,
        number=row.attempt if doubtful else row.attempt + 1,
        connection=row.warehouse.connection,
        request=request_of(row),
        age=row.age,
        doubtful=doubtful,
        unwanted=order.cancelled_at is not None or (row.attempt > 0 and withdrawal.nothing_is_wanted_of(row)),
    )


def _require_free_to_go(row: WmsOrder) -> None:
    """What may not be begun may not be repeated either. Raises Blocked."""
    warehouses.require_accepting(row.warehouse)
    _require_not_held(row)


def _require_not_held(row: WmsOrder) -> None:
    """Raises Blocked while Shopify holds back units of it; what it holds of other parts does not matter."""
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
    """A repeated attempt asks for what is still wanted, where the first is known to have come to nothing.

    Where it may have arrived, the very same is asked again, and the WMS is asked for less once it has it.
    """
    row = attempt.wms_order
    if attempt.certain and row.order.surplus:
        row.order = order_states.lock_of(row)
        if attempts.stands(attempt) and not withdrawal.nothing_is_wanted_of(row):
            withdrawal.fit(row)
        return replace(attempt, request=request_of(row))
    return attempt


def request_of(row: WmsOrder) -> OrderRequest:
    """What the WMS is asked: the lines as they were prepared, the address as it was last read."""
    order = row.order
    address = json.loads(order.ship_to) if order.ship_to else {}
    return OrderRequest(
        external_id=row.external_id,
        external_ref=row.external_ref,
        warehouse_code=row.warehouse.wms_warehouse_code,
        lines=tuple(
            OrderLineRequest(line.item_code, line.quantity, str(line.order_line.shopify_line_id))
            for line in row.lines.select_related("order_line").order_by("id")
        ),
        address=Address(**address),
        shipping_method=order.shipping_method,
    )


def look_up(attempt: Attempt) -> OrderAnswer | None:
    """After a doubtful attempt: the order as the WMS has it; None = not there, or the identity makes a repeat safe.

    A refusal to be asked says nothing about the order, which stays in doubt. Raises Blocked when neither look-up nor
    idempotency can tell, Throttled while "not found" is too early to trust, and what the adapter raises.
    """
    idempotent = attempt.can(Capability.IDEMPOTENT_CREATE)
    if not attempt.can(Capability.FIND_ORDER):
        # What is not wanted is not told twice, unless it can be cancelled right after.
        if not idempotent or (attempt.unwanted and not attempt.wms_order.order.cancelled_at):
            attempts.hand_to_a_person(attempt)
        return None
    found = adapter_for(attempt.connection).find_order(attempt.request.external_id)
    # What is to be smaller by now is not sent once more as it was, unless nobody can tell whether it arrived.
    is_wanted_so = not attempt.unwanted and not attempt.wms_order.order.surplus
    if found is None and attempt.unsettled and not (idempotent and is_wanted_so):
        raise Throttled("not found yet: the first request may still be under way", wait=attempt.unsettled)
    return found


def place(attempt: Attempt) -> OrderAnswer:
    """Make the call. Raises what the adapter raises, after what that means for the order was stored."""
    try:
        erasure.require_address(attempt.wms_order.order)
        if attempt.doubtful:
            attempt = attempts.note_another(attempt)
        return adapter_for(attempt.connection).create_order(attempt.request)
    except UnknownOutcome:
        raise
    except Permanent as error:
        if not attempt.certain:
            attempts.hand_to_a_person(attempt)
        attempts.refuse(attempt, str(error))
        raise
    except (Transient, Throttled, Blocked):
        if not attempt.doubtful:
            attempts.take_back(attempt)
        raise


@transaction.atomic
def record(wms_order_pk: WmsOrderPk, answer: OrderAnswer, *, decided_by_id: int | None = None) -> bool:
    """Store that the WMS has the order; False when someone recorded it before."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    order = order_states.lock_of(row)
    row.order = order
    said = answer.status
    known = said not in (*UNCONFIRMED, WmsStatus.UNKNOWN)
    status = before_parcels(said) if known else WmsStatus.ACCEPTED
    ended = status in ENDED
    wished = bool(order.cancelled_at) or (ended and withdrawal.nothing_is_wanted_of(row))
    stands_here = not _stands_elsewhere(row)
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
        at_location_since=Now() if stands_here else None,
    )
    if not recorded:
        return False
    if said in BY_PARCELS:
        jobs.wms_orders.expect_shipment(row, all_of_it=said == WmsStatus.SHIPPED)
    if ended:
        cancellation.ended_by_wms(row, wished=wished)
    else:
        _after_acceptance(row, stands_here=stands_here)
    _is_known_as(row, answer.remote_id)
    logger.info("order_submitted", order=order.id, shop=order.shop_id, wms_order=row.id, status=status)
    return True


def _stands_elsewhere(row: WmsOrder) -> bool:
    """Whether Shopify's work for the order lies at another location than the warehouse's."""
    going = coverage.fulfillment_orders_to_ship(row.order).filter(status__in=GOING_STATUSES)
    return going.exclude(location_id=row.warehouse.shopify_location_id).exists()


def _after_acceptance(row: WmsOrder, *, stands_here: bool) -> None:
    order = row.order
    reservations.confirm(row.external_id)
    if order.surplus:
        withdrawal.follow(order)
    order_states.settle(order)
    if order.cancelled_at:
        jobs.wms_orders.cancel(row)
    if not stands_here:
        jobs.shipments.move(row)


def _is_known_as(row: WmsOrder, remote_id: RemoteOrderId) -> None:
    """Whatever waited for it goes on. Last in its transaction."""
    order = row.order
    if row.outcome_detail and not order_states.refused(order).exists():
        alerts.wms_orders.WMS_REJECTED.close(order.subject)
    connection_pk = row.warehouse.connection.id
    alerts.wms_orders.UNKNOWN_WMS_ORDER.close(unknown_order_subject(connection_pk, remote_id))
    wake(arrival_key(connection_pk, remote_id))
    attempts.is_known(order, row)
