"""Decisions of a person: whether a WMS has an order or a return that nobody can look up, and what follows a refusal."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.db.models.functions import Now

from fulfillment import alerts, jobs, order_states
from fulfillment.models import Return, WmsOrder
from fulfillment.models.states import OrderState, Outcome, Reason, ReturnState
from fulfillment.reductions import ending
from fulfillment.refs import OrderPk, ReturnPk, WmsOrderPk, arrival_key, decision_key
from fulfillment.returns.return_states import advance
from fulfillment.wms_orders import attempts, cancellation, submission
from ops import idempotency
from ops.alerting.kinds import close_kinds
from ops.idempotency import RetentionWindow
from ops.queue.jobs import lock_keys, wake
from wms.adapters.base import OrderAnswer
from wms.ids import RemoteOrderId, RemoteReturnId
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


class NothingToDecide(Exception):
    """The outcome is known already, or the id belongs to another order. The message tells staff which."""


class TooEarly(Exception):
    """The last request may still arrive, so nobody can know yet. The message tells staff how long to wait."""


@transaction.atomic
def confirm_present(wms_order_pk: WmsOrderPk, *, as_id: RemoteOrderId, user_id: int) -> None:
    """A person found the order in the WMS under this id: record it as accepted.

    Raises NothingToDecide, also if that id belongs to another of our WMS orders.
    """
    row = _lock_undecided(wms_order_pk)
    lock_keys([arrival_key(row.warehouse.connection.id, as_id)])
    if conflict := conflict_text(row, as_id):
        raise NothingToDecide(conflict)
    answer = OrderAnswer(remote_id=as_id, status=WmsStatus.ACCEPTED, raw_status="decided by a person")
    submission.record_acceptance(row.id, answer, decided_by_id=user_id)
    wake(decision_key(row.external_id))
    logger.info("outcome_decided", wms_order=row.id, there=True, user=user_id)


@transaction.atomic
def confirm_absent(wms_order_pk: WmsOrderPk, *, user_id: int) -> bool:
    """A person made sure that the WMS does not have the order: submit it again, under the same identity.

    Returns False if the order was cancelled meanwhile, so that it is not submitted. Raises NothingToDecide, and
    TooEarly while the last request may still arrive.
    """
    row = _lock_undecided(wms_order_pk)
    _require_settle_time_over(row)
    WmsOrder.objects.filter(id=row.id).update(outcome=Outcome.ABSENT, decided_by_id=user_id)
    alerts.wms_orders.OUTCOME_UNKNOWN.close(row.subject)
    transaction.on_commit(lambda: idempotency.forget(RetentionWindow.SUBMISSION, row.external_id))
    resubmitted = row.order.cancelled_at is None
    if resubmitted:
        jobs.wms_orders.submit(row)
    else:
        cancellation.end_absent(row.order, row.id)
        wake(decision_key(row.external_id))
    attempts.release_hold_if_decided(row.order)
    logger.info("outcome_decided", wms_order=row.id, there=False, user=user_id)
    return resubmitted


def conflict_text(row: WmsOrder, as_id: RemoteOrderId) -> str:
    """A message for staff if another of our orders at this WMS has the id that they gave; "" if none has it."""
    others = WmsOrder.objects.select_related("order").filter(
        warehouse__connection_id=row.warehouse.connection_id, remote_id=as_id
    )
    other = others.exclude(id=row.id).first()
    if other is None:
        return ""
    return f"{as_id} is part {other.part} of order {other.order.name}. Look for {row.external_id}."


def _lock_undecided(wms_order_pk: WmsOrderPk) -> WmsOrder:
    """Lock the order of a WMS order whose outcome is unknown. Raises NothingToDecide if it is known by now."""
    row = WmsOrder.objects.select_related("warehouse__connection", "decided_by").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["outcome", "decided_by", "remote_id"])
    if row.outcome != Outcome.UNKNOWN:
        raise NothingToDecide(_decided_text(row))
    return row


def _require_settle_time_over(row: WmsOrder | Return) -> None:
    """Raises TooEarly while the last request may still arrive."""
    recent = type(row).objects.filter(pk=row.pk, attempt_at__gt=Now() - attempts.SETTLE_TIME)
    if at := recent.values_list("attempt_at", flat=True).first():
        raise TooEarly(f"It may still arrive. Look again after {at + attempts.SETTLE_TIME:%H:%M:%S} UTC.")


def _decided_text(row: WmsOrder) -> str:
    """How the question was answered, for staff who come too late."""
    who = f"{row.decided_by.get_username()} decided it: " if row.decided_by else ""
    if row.remote_id:
        return f"It is not in question any more: {who}the WMS has it as {row.remote_id}."
    return f"It is not in question any more: {who}{Outcome(row.outcome).label}."


@transaction.atomic
def route_again(order_pk: OrderPk) -> bool:
    """A person decides that a refused or cancelled order goes to a warehouse anew; False if there is nothing to
    decide."""
    order = order_states.lock(order_pk)
    if order.state != OrderState.HELD or order.reason not in (Reason.WMS_REJECTED, Reason.WMS_CANCELLED):
        return False
    ending.end_parts(order_states.refused_parts(order))
    order_states.set_state(order, OrderState.READY)
    close_kinds(alerts.wms_orders.ENDED_BY_THE_WMS, order.subject)
    # The order is read before it is routed, because Shopify may hold it back by now.
    jobs.orders.read_order(order.shop, order.shopify_order_id)
    return True


@transaction.atomic
def confirm_return_present(return_pk: ReturnPk, *, as_id: RemoteReturnId, user_id: int) -> None:
    """A person found the announced return in the WMS under this id. Raises NothingToDecide."""
    row = _lock_undecided_return(return_pk)
    others = Return.objects.filter(
        remote_id=as_id, wms_order__warehouse__connection_id=row.wms_order.warehouse.connection_id
    )
    if others.exclude(id=row.id).exists():
        raise NothingToDecide(f"{as_id} is another order's return.")
    this = Return.objects.filter(id=row.id)
    advance(this, before=ReturnState.UNKNOWN, to=ReturnState.OPEN, remote_id=as_id)
    _close_return_question(row, there=True, user_id=user_id)


@transaction.atomic
def confirm_return_absent(return_pk: ReturnPk, *, user_id: int) -> None:
    """A person made sure that the WMS does not expect the return: announce it again.

    Raises NothingToDecide, and TooEarly while the announcement may still arrive.
    """
    row = _lock_undecided_return(return_pk)
    _require_settle_time_over(row)
    this = Return.objects.filter(id=row.id)
    advance(this, before=ReturnState.UNKNOWN, to=ReturnState.REQUESTING, attempt_at=None)
    _close_return_question(row, there=False, user_id=user_id)


def _lock_undecided_return(return_pk: ReturnPk) -> Return:
    """Lock the order of a return whose outcome is unknown. Raises NothingToDecide if it is known by now."""
    row = Return.objects.select_related("wms_order__warehouse__connection").get(id=return_pk)
    row.wms_order.order = order_states.lock_of(row.wms_order)
    row.refresh_from_db(fields=["state"])
    if row.state != ReturnState.UNKNOWN:
        raise NothingToDecide(f"It is not in question any more: {ReturnState(row.state).label}.")
    return row


def _close_return_question(row: Return, *, there: bool, user_id: int) -> None:
    """Close the alert about a return, and wake the job that waits for the decision."""
    alerts.wms_orders.OUTCOME_UNKNOWN.close(row.subject)
    wake(decision_key(row.external_id))
    logger.info("outcome_decided", wms_return=row.id, there=there, user=user_id)
