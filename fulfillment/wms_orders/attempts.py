"""One attempt to place an order: what it knows, its fencing token, and every way in which it ends without an order."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from fulfillment import alerts, jobs, order_states
from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState, Outcome, Reason
from fulfillment.reductions import ending, wms_order_surplus
from fulfillment.refs import decision_key
from fulfillment.wms_order_states import Event, advance
from fulfillment.wms_orders import cancellation
from inventory import reservations
from ops.errors import Blocked, Transient
from ops.queue.jobs import wake
from wms.adapters import capabilities_of
from wms.adapters.base import Address, Capability, OrderLineRequest, OrderRequest
from wms.models import Connection
from wms.vocabulary.statuses import WmsStatus

SETTLE_TIME = timedelta(seconds=settings.WMS_SETTLE_SECONDS)
"""A WMS without idempotent creation may still process a request that timed out. Only after this long does "not found"
mean that the order is not there."""


_LINES = """
SELECT line.item_code, line.quantity, sold.shopify_line_id
FROM fulfillment_wmsorderline AS line JOIN order_line_items AS sold ON sold.id = line.order_line_id
WHERE line.wms_order_id = %s ORDER BY line.id
"""


@dataclass(frozen=True)
class Attempt:
    """One attempt to place an order, as it was committed before the call. `age` is that of the attempt before it, if
    that has an unknown outcome.

    `outcome_unknown`: an earlier attempt may have placed the order. `no_longer_needed`: the order shall not be placed,
    unless it is there already. `number`: the fencing token. Once a later attempt is recorded, the findings of this one
    no longer count, except that the WMS has the order, because that stays true.
    """

    wms_order: WmsOrder
    number: int
    connection: Connection
    request: OrderRequest
    age: timedelta | None
    outcome_unknown: bool
    no_longer_needed: bool

    def can(self, capability: Capability) -> bool:
        """Whether the WMS has this capability."""
        return capability in capabilities_of(self.connection)

    @property
    def settle_time_left(self) -> timedelta:
        """How long an earlier request may still arrive."""
        return (
            max(SETTLE_TIME - self.age, timedelta(0)) if self.outcome_unknown and self.age else timedelta(0)
        )

    @property
    def absence_is_conclusive(self) -> bool:
        """Whether an order that was not found is certainly not there."""
        return not self.outcome_unknown or (self.can(Capability.FIND_ORDER) and not self.settle_time_left)


def request_of(row: WmsOrder) -> OrderRequest:
    """The request to the WMS: the lines as they were routed, and the address as it was last read."""
    order = row.order
    address = json.loads(order.ship_to) if order.ship_to else {}
    with connection.cursor() as cursor:
        cursor.execute(_LINES, [row.id])
        lines = cursor.fetchall()
    return OrderRequest(
        external_id=row.external_id,
        external_ref=row.external_ref,
        warehouse_code=row.warehouse.wms_warehouse_code,
        lines=tuple(OrderLineRequest(item, units, str(line_id)) for item, units, line_id in lines),
        address=Address(**address),
        shipping_method=order.shipping_method,
    )


def age_of_last(row: WmsOrder) -> timedelta | None:
    """How long ago the last attempt to place a WMS order was recorded, by the clock of the database."""
    ages = WmsOrder.objects.annotate(age=Now() - F("attempt_at")).values_list("age", flat=True)
    found: timedelta | None = ages.get(id=row.id)
    return found


def _current(attempt: Attempt) -> QuerySet[WmsOrder]:
    """The WMS order, if it is still being submitted and no later attempt was recorded; otherwise no row."""
    return WmsOrder.objects.filter(
        id=attempt.wms_order.id, wms_status=WmsStatus.SUBMITTING, attempt=attempt.number
    )


def is_current(attempt: Attempt) -> bool:
    """Whether this is the last attempt, and its outcome is not recorded yet. The order is locked."""
    return _current(attempt).exists()


def record_repeat(attempt: Attempt) -> Attempt:
    """Commit that the order is about to be sent once more. Raises Transient if another worker was faster."""
    recorded = _current(attempt).update(attempt=F("attempt") + 1, attempt_at=Now(), outcome=Outcome.IN_FLIGHT)
    if not recorded:
        raise _superseded()
    return replace(attempt, number=attempt.number + 1)


def _superseded() -> Transient:
    return Transient("another worker is placing this order, or has placed it")


def escalate(attempt: Attempt) -> None:
    """Ask staff whether the WMS has the order.

    Always raises Blocked, or Transient if the outcome is known by now.
    """
    row = attempt.wms_order
    with transaction.atomic():
        order = order_states.lock_of(row)
        if not _current(attempt).update(outcome=Outcome.UNKNOWN):
            raise _superseded()
        order_states.set_state(
            order, OrderState.HELD, Reason.OUTCOME_UNKNOWN, f"{attempt.connection.slug}, {row.external_id}"
        )
        alerts.wms_orders.outcome_unknown(order, row, attempt.connection)
    raise awaiting_decision(row)


def awaiting_decision(row: WmsOrder) -> Blocked:
    """The error that a submission raises while only a person can decide how it goes on."""
    in_question = WmsOrder.objects.filter(id=row.id, outcome=Outcome.UNKNOWN)
    return Blocked(
        "a person must say whether the WMS has it",
        on=[decision_key(row.external_id)],
        recheck=partial(in_question.exists),
    )


@transaction.atomic
def end_absent(attempt: Attempt) -> None:
    """End an order that is no longer needed and is not at the WMS, unless a later attempt places it."""
    order = order_states.lock_of(attempt.wms_order)
    if _current(attempt).exists():
        cancellation.end_absent(order, attempt.wms_order.id)
        if not order.cancelled_at:
            alerts.orders.ORDER_EDITED.close(order.subject)
            jobs.orders.read_order(order.shop, order.shopify_order_id)  # its state without this part
        outcome_is_known(order, attempt.wms_order)


@transaction.atomic
def mark_not_sent(attempt: Attempt) -> None:
    """Nothing was sent: submit the order as before, or end it if it was cancelled meanwhile."""
    order = order_states.lock_of(attempt.wms_order)
    if order.cancelled_at:
        end_absent(attempt)
    elif advance(_current(attempt), Event.NOT_SENT, to=WmsStatus.PENDING, outcome=Outcome.NONE):
        outcome_is_known(order, attempt.wms_order)


@transaction.atomic
def record_refusal(attempt: Attempt, reason: str) -> None:
    """The WMS refused the order and created nothing. The stock stays reserved until a person decides."""
    row = attempt.wms_order
    order = order_states.lock_of(row)
    refused = advance(
        _current(attempt),
        Event.REFUSED,
        to=WmsStatus.REJECTED,
        outcome=Outcome.REFUSED,
        outcome_detail=reason[:2000],
    )
    if not refused:
        return
    row.order = order
    if order.cancelled_at:
        reservations.release(row.external_id)
        order_states.derive_state(order)
    elif order.surplus and wms_order_surplus.is_unwanted(row):
        # It is not wanted any more, so nobody has to decide, and no replay may send it.
        ending.end_parts(WmsOrder.objects.filter(id=row.id))
        order_states.derive_state(order)
        wms_order_surplus.request_reading(order)
    else:
        hold_for_refusal(order, reason)
    outcome_is_known(order, row)


def hold_for_refusal(order: Order, reason: str) -> None:
    """Hold the order until a person decides about the part that the WMS refused. The order is locked."""
    order_states.set_state(order, OrderState.HELD, Reason.WMS_REJECTED, reason[:2000])
    alerts.wms_orders.wms_rejected(order, reason=reason)


def outcome_is_known(order: Order, row: WmsOrder) -> None:
    """Ask no person any more, because we know whether the WMS has the order. Call it last in its transaction."""
    release_hold_if_decided(order)
    if alerts.wms_orders.OUTCOME_UNKNOWN.close(row.subject):
        wake(decision_key(row.external_id))


def release_hold_if_decided(order: Order) -> None:
    """End the hold of a locked order if no outcome is unknown any more. A refused part still holds it.

    Changes at Shopify were ignored during the hold, so the order is read once more. Call this last in its transaction.
    """
    if order.state != OrderState.HELD or order.reason not in (Reason.OUTCOME_UNKNOWN, Reason.WMS_REJECTED):
        return
    if order.wms_orders.filter(wms_status=WmsStatus.SUBMITTING, outcome=Outcome.UNKNOWN).exists():
        return
    refused = None if order.cancelled_at else order_states.refused_parts(order).first()
    if refused:
        order_states.set_state(order, OrderState.HELD, Reason.WMS_REJECTED, refused.outcome_detail)
        return
    alerts.wms_orders.WMS_REJECTED.close(order.subject)
    order_states.set_state(order, OrderState.READY)
    order_states.derive_state(order)
    jobs.orders.read_order(order.shop, order.shopify_order_id)
