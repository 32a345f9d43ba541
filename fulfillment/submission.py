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

from fulfillment import cancellation, enqueue, erasure, order_states
from fulfillment.models import FulfillmentOrder, Order, WmsOrder
from fulfillment.readiness import GOING_STATUSES
from fulfillment.states import OrderState, Outcome, Reason
from inventory import reservations
from ops import claims, jobs
from ops.alerts import close_alert, raise_alert
from ops.claims import ClaimState, Window
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from ops.models import Severity
from wms import warehouses
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
    """One attempt to place an order, as it was committed before the call. `age`: of the one before it.

    `number`: its fencing token. Once a later attempt is recorded, what this one learned means nothing (but that the WMS
    has the order: that stays true).
    """

    wms_order: WmsOrder
    number: int
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
            end_absent(attempt)
        else:
            if found is None and attempt.doubtful:
                warehouses.require_open(attempt.wms_order.warehouse)
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
    if not doubtful and not order.cancelled_at:
        warehouses.require_open(row.warehouse, or_on=f"order:{order.id}")
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
    return Attempt(
        wms_order=row,
        number=row.attempt if doubtful else row.attempt + 1,
        connection=row.warehouse.connection,
        request=request_of(row),
        age=row.age,
        doubtful=doubtful,
        cancelled=cancelled,
    )


def _standing(attempt: Attempt) -> QuerySet[WmsOrder]:
    """The WMS order as long as it is being submitted and no later attempt was recorded."""
    return WmsOrder.objects.filter(
        id=attempt.wms_order.id, wms_status=WmsStatus.SUBMITTING, attempt=attempt.number
    )


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
    try:
        erasure.require_address(attempt.wms_order.order)
        if attempt.doubtful:
            attempt = _note_another(attempt)
        return adapter_for(attempt.connection).create_order(attempt.request)
    except UnknownOutcome:
        raise
    except Permanent as error:
        if not attempt.certain:
            _hand_to_a_person(attempt)
        refuse(attempt, str(error))
        raise
    except (Transient, Throttled, Blocked):
        if not attempt.doubtful:
            take_back(attempt)
        raise


def _note_another(attempt: Attempt) -> Attempt:
    noted = _standing(attempt).update(attempt=F("attempt") + 1, attempt_at=Now(), outcome=Outcome.IN_FLIGHT)
    if not noted:
        raise _superseded()
    return replace(attempt, number=attempt.number + 1)


def _superseded() -> Transient:
    return Transient("another worker is placing this order, or has placed it")


def _hand_to_a_person(attempt: Attempt) -> None:
    row = attempt.wms_order
    with transaction.atomic():
        order = order_states.lock(row.order_id)
        if not _standing(attempt).update(outcome=Outcome.UNKNOWN):
            raise _superseded()
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
def end_absent(attempt: Attempt) -> None:
    """The order was cancelled and is not there: it is ended, unless a later attempt places it."""
    order_id = attempt.wms_order.order_id
    order_states.lock(order_id)
    if _standing(attempt).exists():
        cancellation.end_absent(attempt.wms_order.id)
        _is_known(order_states.lock(order_id), attempt.wms_order)


@transaction.atomic
def take_back(attempt: Attempt) -> None:
    """Nothing was sent: the order is to be submitted as before, or ended when it was cancelled meanwhile."""
    order = order_states.lock(attempt.wms_order.order_id)
    if order.cancelled_at:
        end_absent(attempt)
    elif _standing(attempt).update(wms_status=WmsStatus.PENDING, status_at=Now(), outcome=Outcome.NONE):
        _is_known(order, attempt.wms_order)


@transaction.atomic
def refuse(attempt: Attempt, reason: str) -> None:
    """The WMS said no: nothing was created there. The stock stays reserved until a person decides."""
    row = attempt.wms_order
    order = order_states.lock(row.order_id)
    refused = _standing(attempt).update(
        wms_status=WmsStatus.REJECTED, status_at=Now(), outcome=Outcome.REFUSED, outcome_detail=reason[:2000]
    )
    if not refused:
        return
    if order.cancelled_at:
        reservations.release(row.external_id)
        order_states.settle(order)
    else:
        _hold_refused(order, reason)
    _is_known(order, row)


def _hold_refused(order: Order, reason: str) -> None:
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


def _is_known(order: Order, row: WmsOrder) -> None:
    """Whether the WMS has it is known by now, so no person is asked (any more). Last in its transaction."""
    _release_unless_in_question(order)
    if close_alert("outcome_unknown", subject=row.external_id):
        jobs.wake(decision_key(row))


def _release_unless_in_question(order: Order) -> None:
    if order.state != OrderState.HELD or order.reason != Reason.OUTCOME_UNKNOWN:
        return
    if not order.wms_orders.filter(wms_status=WmsStatus.SUBMITTING, outcome=Outcome.UNKNOWN).exists():
        order_states.stand(order, OrderState.READY)


@transaction.atomic
def record(wms_order_id: int, answer: OrderAnswer, *, decided_by_id: int | None = None) -> bool:
    """Store that the WMS has the order; False when someone recorded it before."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    order = order_states.lock(row.order_id)
    row.order = order
    said = answer.status
    known = said not in (WmsStatus.PENDING, WmsStatus.UNKNOWN)
    status = order_states.before_parcels(said) if known else WmsStatus.ACCEPTED
    recorded = WmsOrder.objects.filter(id=row.id, wms_status=WmsStatus.SUBMITTING).update(
        wms_status=status,
        status_at=Now(),
        wms_order_id=answer.wms_order_id,
        accepted_at=Now(),
        outcome=Outcome.CONFIRMED,
        outcome_detail="",
        decided_by_id=decided_by_id,
        **order_states.look_up_later(),
    )
    if not recorded:
        return False
    if said in order_states.SHIPPED:
        enqueue.expect_shipment(row, all_of_it=said == WmsStatus.SHIPPED)
    _after_acceptance(row, status=status, wms_order_id=answer.wms_order_id)
    logger.info("order_submitted", order=order.id, shop=order.shop_id, wms_order=row.id, status=status)
    return True


def _after_acceptance(row: WmsOrder, *, status: WmsStatus, wms_order_id: str) -> None:
    order = row.order
    if order.state == OrderState.HELD and order.reason == Reason.WMS_REJECTED:
        order_states.stand(order, OrderState.READY)
    _release_unless_in_question(order)
    if status in order_states.ENDED:
        cancellation.ended_by_wms(order, row)
    else:
        reservations.confirm(row.external_id)
        order_states.settle(order)
    close_alert("wms_rejected", subject=order.subject)
    if order.cancelled_at:
        enqueue.cancel(row)
    elsewhere = FulfillmentOrder.objects.filter(order=order, status__in=GOING_STATUSES).exclude(
        location_id=row.warehouse.shopify_location_id
    )
    if elsewhere.exists():
        enqueue.move(row)
    jobs.wake(arrival_key(row.warehouse.connection_id, wms_order_id))
    _is_known(order, row)


def arrival_key(connection_id: int, wms_order_id: str) -> str:
    """The park key of callbacks about a WMS order that we do not know yet: they may come before our call returns."""
    return f"wms_order:{connection_id}:{wms_order_id}"
