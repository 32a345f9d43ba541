"""Placing a WMS order, exactly once (law 3).

begin   one transaction: the attempt is recorded before the call
look up, place   no transaction: the identity travels along; after a doubtful attempt the order is looked up first
record  one transaction: what the WMS said, only while the order is still being submitted
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from fulfillment import cancellation, enqueue, order_states
from fulfillment.models import FulfillmentOrder, Order, WmsOrder
from fulfillment.readiness import GOING_STATUSES
from fulfillment.states import OrderState, Outcome, Reason
from inventory import reservations
from ops import claims, jobs
from ops.alerts import close_alert, raise_alert
from ops.claims import ClaimState, Window
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
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
    """One attempt to place an order, as it was committed before the call. `age`: of the one before it."""

    wms_order: WmsOrder
    connection: Connection
    request: OrderRequest
    age: timedelta | None
    doubtful: bool
    cancelled: bool

    def can(self, capability: Capability) -> bool:
        """Whether the WMS is able to do this."""
        return capability in capabilities_of(self.connection)

    @property
    def unsettled(self) -> timedelta:
        """How long a request of before may still be under way."""
        return max(SETTLE - self.age, timedelta(0)) if self.doubtful and self.age else timedelta(0)

    @property
    def certain(self) -> bool:
        """Whether an order that was not found is not there."""
        return not self.doubtful or (self.can(Capability.FIND_ORDER) and not self.unsettled)


def submit(wms_order_id: int) -> None:
    """Place a WMS order, or find out that it is placed.

    Raises Blocked while only a person can know, Throttled while a look-up is too early to trust, and what the adapter
    raises.
    """
    attempt = begin(wms_order_id)
    if attempt is None:
        return
    with claims.claim(Window.SUBMISSION, attempt.request.external_id) as claim:
        if claim.state is ClaimState.BUSY:
            raise Throttled("another worker is placing this order", wait=timedelta(seconds=5))
        attempt = replace(attempt, doubtful=attempt.doubtful or claim.state is ClaimState.DONE)
        found = look_up(attempt) if attempt.doubtful else None
        if found is None and attempt.cancelled and attempt.certain:
            cancellation.end_absent(attempt.wms_order.id)
        else:
            record(attempt.wms_order.id, found or place(attempt))


@transaction.atomic
def begin(wms_order_id: int) -> Attempt | None:
    """Commit that the order is about to be sent; None when there is nothing to send (any more)."""
    order_id = WmsOrder.objects.values_list("order_id", flat=True).get(id=wms_order_id)
    order = order_states.lock(order_id)
    rows = WmsOrder.objects.select_related("warehouse__connection").annotate(age=Now() - F("attempt_at"))
    row = rows.get(id=wms_order_id)
    row.order = order
    if row.wms_status not in (WmsStatus.PENDING, WmsStatus.SUBMITTING, WmsStatus.REJECTED):
        return None
    if row.wms_status != WmsStatus.SUBMITTING and (order.cancelled_at or row.wms_order_id):
        return None
    if row.outcome == Outcome.UNKNOWN:
        raise _undecided(row)
    doubtful = row.wms_status == WmsStatus.SUBMITTING and row.outcome != Outcome.ABSENT
    if not doubtful and row.attempt and _held_at_shopify(order).exists():
        raise Blocked(
            "the order is on hold at Shopify",
            on=[f"order:{order.id}"],
            recheck=_held_at_shopify(order).exists,
        )
    if not doubtful:
        WmsOrder.objects.filter(id=row.id, wms_status=row.wms_status).update(
            wms_status=WmsStatus.SUBMITTING,
            status_at=Now(),
            attempt=F("attempt") + 1,
            attempt_at=Now(),
            outcome=Outcome.IN_FLIGHT,
        )
    cancelled = order.cancelled_at is not None
    return Attempt(row, row.warehouse.connection, request_of(row), row.age, doubtful, cancelled)


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


def look_up(attempt: Attempt) -> OrderAnswer | None:
    """After a doubtful attempt: the order as the WMS has it; None = not there, or the identity makes a repeat safe.

    A refusal to be asked says nothing about the order, which stays in doubt. Raises Blocked when neither look-up nor
    idempotency can tell, Throttled while "not found" is too early to trust, and what the adapter raises.
    """
    idempotent = attempt.can(Capability.IDEMPOTENT_CREATE)
    if not attempt.can(Capability.FIND_ORDER):
        if not idempotent:
            _hand_to_a_person(attempt)
        return None
    found = adapter_for(attempt.connection).find_order(attempt.request.external_id)
    if found is None and attempt.unsettled and (attempt.cancelled or not idempotent):
        raise Throttled("not found yet: the first request may still be under way", wait=attempt.unsettled)
    return found


def place(attempt: Attempt) -> OrderAnswer:
    """Make the call. Raises what the adapter raises, after what that means for the order was stored."""
    if attempt.doubtful:
        _note_another_attempt(attempt.wms_order.id)
    try:
        return adapter_for(attempt.connection).create_order(attempt.request)
    except UnknownOutcome:
        raise
    except Permanent as error:
        if not attempt.certain:
            _hand_to_a_person(attempt)
        refuse(attempt.wms_order.id, str(error))
        raise
    except (Transient, Throttled, Blocked):
        if not attempt.doubtful:
            take_back(attempt.wms_order.id)
        raise


def _note_another_attempt(wms_order_id: int) -> None:
    WmsOrder.objects.filter(id=wms_order_id, wms_status=WmsStatus.SUBMITTING).update(
        attempt=F("attempt") + 1, attempt_at=Now(), outcome=Outcome.IN_FLIGHT
    )


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
def take_back(wms_order_id: int) -> None:
    """Nothing was sent: the order is to be submitted as before, or ended when it was cancelled meanwhile."""
    row = WmsOrder.objects.get(id=wms_order_id)
    if order_states.lock(row.order_id).cancelled_at:
        cancellation.end_absent(row.id)
        return
    WmsOrder.objects.filter(id=row.id, wms_status=WmsStatus.SUBMITTING).update(
        wms_status=WmsStatus.PENDING, status_at=Now(), outcome=Outcome.NONE
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
    if order.state == OrderState.HELD and order.reason in (Reason.WMS_REJECTED, Reason.OUTCOME_UNKNOWN):
        order_states.stand(order, OrderState.READY)
    if status in order_states.ENDED:
        cancellation.ended_by_wms(order, row)
    else:
        reservations.confirm(row.external_id)
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
