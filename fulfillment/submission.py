"""Placing a WMS order, exactly once (law 3).

begin   one transaction: the attempt is recorded before the call
send    no transaction: the identity travels along; after a doubtful attempt the order is looked up first
record  one transaction: what the WMS said, only while the order is still being submitted
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from fulfillment import cancellation, enqueue, order_states
from fulfillment.models import FulfillmentOrder, Order, WmsOrder
from fulfillment.readiness import GOING_STATUSES
from fulfillment.states import OrderState, Outcome, Reason
from inventory import reservations
from ops import claims, jobs
from ops.alerts import close_alert, raise_alert
from ops.claims import ClaimState, Window
from ops.errors import Blocked, Permanent, Throttled
from ops.models import Severity
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import Address, Capability, OrderAnswer, OrderLineRequest, OrderRequest
from wms.models import Connection
from wms.statuses import WmsStatus

logger = structlog.get_logger(__name__)

SETTLE = timedelta(minutes=2)
"""A WMS without idempotent creation may still be working on a request that timed out: only after this long does
"not found" mean that it is not there."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to place an order, as it was committed before the call."""

    wms_order: WmsOrder
    connection: Connection
    request: OrderRequest
    doubtful: bool
    cancelled: bool


def submit(wms_order_id: int) -> None:
    """Place a WMS order, or find out that it is placed.

    Raises Blocked while only a person can know, and what the adapter raises.
    """
    attempt = begin(wms_order_id)
    if attempt is None:
        return
    with claims.claim(Window.SUBMISSION, attempt.request.external_id) as claim:
        if claim.state is ClaimState.BUSY:
            raise Throttled("another worker is placing this order", wait=timedelta(seconds=5))
        doubtful = attempt.doubtful or claim.state is ClaimState.DONE
        try:
            answer = send(attempt, doubtful=doubtful)
        except Permanent as error:
            refuse(attempt.wms_order.id, str(error))
            raise
        if answer is None:
            cancellation.end_absent(attempt.wms_order.id)
        else:
            record(attempt.wms_order.id, answer)


@transaction.atomic
def begin(wms_order_id: int) -> Attempt | None:
    """Commit that the order is about to be sent; None when there is nothing to send (any more)."""
    order_id = WmsOrder.objects.values_list("order_id", flat=True).get(id=wms_order_id)
    order = order_states.lock(order_id)
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    row.order = order
    if row.wms_status not in (WmsStatus.PENDING, WmsStatus.SUBMITTING, WmsStatus.REJECTED):
        return None
    if row.wms_status != WmsStatus.SUBMITTING and (order.cancelled_at or row.wms_order_id):
        return None
    if row.outcome == Outcome.UNKNOWN:
        raise _undecided(row)
    doubtful = row.wms_status == WmsStatus.SUBMITTING and row.outcome != Outcome.ABSENT
    if not doubtful and row.wms_status != WmsStatus.PENDING and _held_at_shopify(order).exists():
        raise Blocked(
            "the order is on hold at Shopify",
            on=[f"order:{order.id}"],
            recheck=_held_at_shopify(order).exists,
        )
    rows = WmsOrder.objects.filter(id=row.id, wms_status=row.wms_status)
    if not doubtful:
        rows.update(
            wms_status=WmsStatus.SUBMITTING,
            status_at=Now(),
            attempt=F("attempt") + 1,
            attempt_at=Now(),
            outcome=Outcome.IN_FLIGHT,
        )
    cancelled = order.cancelled_at is not None
    return Attempt(row, row.warehouse.connection, request_of(row), doubtful=doubtful, cancelled=cancelled)


def _held_at_shopify(order: Order) -> QuerySet[FulfillmentOrder]:
    return FulfillmentOrder.objects.filter(order=order, status__in=["ON_HOLD", "SCHEDULED"])


def request_of(row: WmsOrder) -> OrderRequest:
    """What the WMS is asked: the lines as they were prepared, the address as it was last read."""
    order = row.order
    address = json.loads(order.ship_to) if order.ship_to else {}
    return OrderRequest(
        external_id=row.external_id,
        external_ref=order.name if row.part == 1 else f"{order.name}-{row.part}",
        warehouse_code=row.warehouse.wms_warehouse_code,
        lines=tuple(
            OrderLineRequest(line.item_code, line.quantity, str(line.order_line.shopify_line_id))
            for line in row.lines.select_related("order_line").order_by("id")
        ),
        address=Address(**address),
        shipping_method=order.shipping_method,
    )


def send(attempt: Attempt, *, doubtful: bool) -> OrderAnswer | None:
    """Make the call; after a doubtful attempt look the order up first, and never try blindly.

    None = the WMS certainly does not have it, and it was cancelled meanwhile: nothing is to be sent.
    Raises Blocked when neither look-up nor idempotency can tell, Throttled while a look-up is too early to trust, and
    what the adapter raises.
    """
    adapter, can = adapter_for(attempt.connection), capabilities_of(attempt.connection)
    if not doubtful:
        return adapter.create_order(attempt.request)
    if Capability.FIND_ORDER in can:
        found = adapter.find_order(attempt.request.external_id)
        if found is not None:
            return found
        if attempt.cancelled or Capability.IDEMPOTENT_CREATE not in can:
            _wait_until_settled(attempt)
        if attempt.cancelled:
            return None
    elif Capability.IDEMPOTENT_CREATE not in can:
        _hand_to_a_person(attempt)
    _note_another_attempt(attempt.wms_order.id)
    return adapter.create_order(attempt.request)


def _note_another_attempt(wms_order_id: int) -> None:
    WmsOrder.objects.filter(id=wms_order_id, wms_status=WmsStatus.SUBMITTING).update(
        attempt=F("attempt") + 1, attempt_at=Now(), outcome=Outcome.IN_FLIGHT
    )


def _wait_until_settled(attempt: Attempt) -> None:
    tried_at = attempt.wms_order.attempt_at
    left = SETTLE - (timezone.now() - tried_at) if tried_at else timedelta(0)
    if left > timedelta(0):
        raise Throttled("not found yet: the first request may still be under way", wait=left)


def _hand_to_a_person(attempt: Attempt) -> None:
    row = attempt.wms_order
    with transaction.atomic():
        order = order_states.lock(row.order_id)
        WmsOrder.objects.filter(id=row.id, wms_status=WmsStatus.SUBMITTING).update(outcome=Outcome.UNKNOWN)
        order_states.stand(
            order, OrderState.HELD, Reason.OUTCOME_UNKNOWN, f"{attempt.connection.slug}, {row.external_id}"
        )
        raise_alert(
            "outcome_unknown",
            subject=row.external_id,
            severity=Severity.CRITICAL,
            title=f"Does {attempt.connection.slug} have order {order.name}?",
            meaning="The answer to our request was lost, and this WMS can neither be asked nor told twice safely.",
            action="Look for it in the WMS. Then open the WMS order in the admin and say «It is there as …» or "
            "«It is not there».",
        )
    raise _undecided(row)


def decision_key(row: WmsOrder) -> str:
    """The park key of a submission whose outcome only a person can tell."""
    return f"decision:{row.external_id}"


def _undecided(row: WmsOrder) -> Blocked:
    undecided = WmsOrder.objects.filter(id=row.id, outcome=Outcome.UNKNOWN)
    return Blocked(
        "a person must say whether the WMS has it", on=[decision_key(row)], recheck=partial(undecided.exists)
    )


@transaction.atomic
def refuse(wms_order_id: int, reason: str) -> None:
    """The WMS said no: nothing was created there. The stock stays reserved until a person decides."""
    row = WmsOrder.objects.select_related("order__shop").get(id=wms_order_id)
    order = order_states.lock(row.order_id)
    refused = WmsOrder.objects.filter(id=row.id, wms_status=WmsStatus.SUBMITTING).update(
        wms_status=WmsStatus.REJECTED, status_at=Now(), outcome=Outcome.REFUSED, outcome_detail=reason[:2000]
    )
    if not refused:
        return
    if order.cancelled_at:
        reservations.release(row.external_id)
        order_states.settle(order)
        return
    order_states.stand(order, OrderState.HELD, Reason.WMS_REJECTED, reason[:2000])
    raise_alert(
        "wms_rejected",
        subject=order.subject,
        severity=Severity.CRITICAL,
        title=f"The WMS refused order {order.name}",
        meaning=f"It was not placed. The WMS says: {reason[:500]}",
        action="Fix what it names, then replay the dead letter «fulfillment.submit» (same warehouse), or choose "
        "«Route again» on the order.",
    )


@transaction.atomic
def record(wms_order_id: int, answer: OrderAnswer, *, decided_by_id: int | None = None) -> bool:
    """Store that the WMS has the order; False when someone recorded it before."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    order = order_states.lock(row.order_id)
    row.order = order
    status = (
        answer.status if answer.status not in (WmsStatus.PENDING, WmsStatus.UNKNOWN) else WmsStatus.ACCEPTED
    )
    recorded = WmsOrder.objects.filter(id=row.id, wms_status=WmsStatus.SUBMITTING).update(
        wms_status=status,
        status_at=Now(),
        wms_order_id=answer.wms_order_id,
        accepted_at=Now(),
        outcome=Outcome.CONFIRMED,
        outcome_detail="",
        decided_by_id=decided_by_id,
    )
    if not recorded:
        return False
    _after_acceptance(row, status=status, wms_order_id=answer.wms_order_id)
    logger.info("order_submitted", order=order.id, shop=order.shop_id, wms_order=row.id, status=status)
    return True


def _after_acceptance(row: WmsOrder, *, status: WmsStatus, wms_order_id: str) -> None:
    order = row.order
    if status in order_states.ENDED:
        reservations.release(row.external_id)
    else:
        reservations.confirm(row.external_id)
    if order.state == OrderState.HELD and order.reason in (Reason.WMS_REJECTED, Reason.OUTCOME_UNKNOWN):
        order_states.stand(order, OrderState.READY)
    order_states.settle(order)
    close_alert("wms_rejected", subject=order.subject)
    close_alert("outcome_unknown", subject=row.external_id)
    if order.cancelled_at:
        enqueue.cancel(row)
    elsewhere = FulfillmentOrder.objects.filter(order=order, status__in=GOING_STATUSES).exclude(
        location_id=row.warehouse.shopify_location_id
    )
    if elsewhere.exists():
        enqueue.move(row)
    jobs.wake(arrival_key(row.warehouse.connection_id, wms_order_id))


def arrival_key(connection_id: int, wms_order_id: str) -> str:
    """The park key of callbacks about a WMS order that we do not know yet: they may come before our call returns."""
    return f"wms_order:{connection_id}:{wms_order_id}"
