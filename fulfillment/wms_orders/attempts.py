"""One attempt to place an order: what it knows, its fencing token, and every way to end without an order placed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from fulfillment import alerts, jobs, order_states
from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState, Outcome, Reason
from fulfillment.reductions import ending, withdrawal
from fulfillment.refs import decision_key
from fulfillment.wms_order_states import Event, advance
from fulfillment.wms_orders import cancellation
from inventory import reservations
from ops.errors import Blocked, Transient
from ops.queue.jobs import wake
from wms.adapters import capabilities_of
from wms.adapters.base import Capability, OrderRequest
from wms.models import Connection
from wms.vocabulary.statuses import WmsStatus

SETTLE = timedelta(seconds=settings.WMS_SETTLE_SECONDS)
"""A WMS without idempotent creation may still be working on a request that timed out: only after this long does
"not found" mean that it is not there."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to place an order, as it was committed before the call. `age`: of the one before it.

    `unwanted`: it shall not be placed any more, if it is not there already. `number`: its fencing token. Once a later
    attempt is recorded, what this one learned means nothing (but that the WMS has the order: that stays true).
    """

    wms_order: WmsOrder
    number: int
    connection: Connection
    request: OrderRequest
    age: timedelta | None
    doubtful: bool
    unwanted: bool

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


def _standing(attempt: Attempt) -> QuerySet[WmsOrder]:
    """The WMS order as long as it is being submitted and no later attempt was recorded."""
    return WmsOrder.objects.filter(
        id=attempt.wms_order.id, wms_status=WmsStatus.SUBMITTING, attempt=attempt.number
    )


def stands(attempt: Attempt) -> bool:
    """Whether it is the last attempt, and nobody has recorded its outcome. The order is locked."""
    return _standing(attempt).exists()


def note_another(attempt: Attempt) -> Attempt:
    """Commit that the order is about to be sent once more. Raises Transient when somebody else did."""
    noted = _standing(attempt).update(attempt=F("attempt") + 1, attempt_at=Now(), outcome=Outcome.IN_FLIGHT)
    if not noted:
        raise _superseded()
    return replace(attempt, number=attempt.number + 1)


def _superseded() -> Transient:
    return Transient("another worker is placing this order, or has placed it")


def hand_to_a_person(attempt: Attempt) -> None:
    """Ask staff whether the WMS has the order. Raises Blocked always; Transient when it is known by now."""
    row = attempt.wms_order
    with transaction.atomic():
        order = order_states.lock_of(row)
        if not _standing(attempt).update(outcome=Outcome.UNKNOWN):
            raise _superseded()
        order_states.stand(
            order, OrderState.HELD, Reason.OUTCOME_UNKNOWN, f"{attempt.connection.slug}, {row.external_id}"
        )
        alerts.wms_orders.outcome_unknown(order, row, attempt.connection)
    raise undecided(row)


def undecided(row: WmsOrder) -> Blocked:
    """What a submission raises while only a person can go on with it."""
    in_question = WmsOrder.objects.filter(id=row.id, outcome=Outcome.UNKNOWN)
    return Blocked(
        "a person must say whether the WMS has it",
        on=[decision_key(row.external_id)],
        recheck=partial(in_question.exists),
    )


@transaction.atomic
def end_absent(attempt: Attempt) -> None:
    """The order was cancelled or given up, and is not there: it is ended, unless a later attempt places it."""
    order = order_states.lock_of(attempt.wms_order)
    if _standing(attempt).exists():
        cancellation.end_absent(order, attempt.wms_order.id)
        if not order.cancelled_at:
            alerts.orders.ORDER_EDITED.close(order.subject)
            jobs.orders.read_order(order.shop, order.shopify_order_id)  # where it stands without this part
        is_known(order, attempt.wms_order)


@transaction.atomic
def take_back(attempt: Attempt) -> None:
    """Nothing was sent: the order is to be submitted as before, or ended when it was cancelled meanwhile."""
    order = order_states.lock_of(attempt.wms_order)
    if order.cancelled_at:
        end_absent(attempt)
    elif advance(_standing(attempt), Event.TAKEN_BACK, to=WmsStatus.PENDING, outcome=Outcome.NONE):
        is_known(order, attempt.wms_order)


@transaction.atomic
def refuse(attempt: Attempt, reason: str) -> None:
    """The WMS said no: nothing was created there. The stock stays reserved until a person decides."""
    row = attempt.wms_order
    order = order_states.lock_of(row)
    refused = advance(
        _standing(attempt),
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
        order_states.settle(order)
    elif order.surplus and withdrawal.nothing_is_wanted_of(row):
        # Nobody asks for it any more: nobody has to decide, and no replay may send it.
        ending.end(WmsOrder.objects.filter(id=row.id))
        order_states.settle(order)
        withdrawal.look_again(order)
    else:
        hold_refused(order, reason)
    is_known(order, row)


def hold_refused(order: Order, reason: str) -> None:
    """A person decides what becomes of what the WMS refused. The order is locked."""
    order_states.stand(order, OrderState.HELD, Reason.WMS_REJECTED, reason[:2000])
    alerts.wms_orders.wms_rejected(order, reason=reason)


def is_known(order: Order, row: WmsOrder) -> None:
    """Whether the WMS has it is known by now, so no person is asked (any more). Last in its transaction."""
    release_unless_in_question(order)
    if alerts.wms_orders.OUTCOME_UNKNOWN.close(row.subject):
        wake(decision_key(row.external_id))


def release_unless_in_question(order: Order) -> None:
    """End the hold of an order of which nothing is in question any more; what was refused holds it on. It is locked.

    What was changed in Shopify meanwhile was left alone: it is read once more. Last in its transaction.
    """
    if order.state != OrderState.HELD or order.reason not in (Reason.OUTCOME_UNKNOWN, Reason.WMS_REJECTED):
        return
    if order.wms_orders.filter(wms_status=WmsStatus.SUBMITTING, outcome=Outcome.UNKNOWN).exists():
        return
    refused = None if order.cancelled_at else order_states.refused(order).first()
    if refused:
        order_states.stand(order, OrderState.HELD, Reason.WMS_REJECTED, refused.outcome_detail)
        return
    alerts.wms_orders.WMS_REJECTED.close(order.subject)
    order_states.stand(order, OrderState.READY)
    order_states.settle(order)
    jobs.orders.read_order(order.shop, order.shopify_order_id)
