"""What only a person can know: whether a WMS that can neither be asked nor told twice has an order."""

from __future__ import annotations

import structlog
from django.db import transaction

from fulfillment import cancellation, enqueue, order_states, submission
from fulfillment.models import WmsOrder
from fulfillment.states import OrderState, Outcome
from ops import claims, jobs
from ops.alerts import close_alert
from ops.claims import Window
from wms.adapters.base import OrderAnswer
from wms.statuses import WmsStatus

logger = structlog.get_logger(__name__)


class NothingToDecide(Exception):
    """The outcome of this WMS order is not in question (any more)."""


@transaction.atomic
def is_there(wms_order_id: int, *, as_id: str, user_id: int) -> None:
    """A person found the order in the WMS under this id: it is recorded as accepted.

    Raises NothingToDecide, also when that id belongs to another of our WMS orders.
    """
    row = _in_question(wms_order_id)
    known = WmsOrder.objects.filter(warehouse__connection=row.warehouse.connection, wms_order_id=as_id)
    if known.exclude(id=row.id).exists():
        raise NothingToDecide(f"{as_id} is another order's id in that WMS")
    answer = OrderAnswer(wms_order_id=as_id, status=WmsStatus.ACCEPTED, raw_status="decided by a person")
    submission.record(row.id, answer, decided_by_id=user_id)
    jobs.wake(submission.decision_key(row))
    logger.info("outcome_decided", wms_order=row.id, there=True, user=user_id)


@transaction.atomic
def is_not_there(wms_order_id: int, *, user_id: int) -> bool:
    """A person made sure that the WMS does not have the order: it is submitted again, under the same identity.

    False when the order was cancelled meanwhile, so that it is not submitted. Raises NothingToDecide.
    """
    row = _in_question(wms_order_id)
    WmsOrder.objects.filter(id=row.id).update(outcome=Outcome.ABSENT, decided_by_id=user_id)
    order_states.stand(row.order, OrderState.READY)
    close_alert("outcome_unknown", subject=row.external_id)
    transaction.on_commit(lambda: claims.forget(Window.SUBMISSION, row.external_id))
    goes_on = row.order.cancelled_at is None
    if goes_on:
        enqueue.submit(row)
    else:
        cancellation.end_absent(row.id)
        jobs.wake(submission.decision_key(row))
    logger.info("outcome_decided", wms_order=row.id, there=False, user=user_id)
    return goes_on


def _in_question(wms_order_id: int) -> WmsOrder:
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_id)
    row.order = order_states.lock(row.order_id)
    row.refresh_from_db(fields=["outcome"])
    if row.outcome != Outcome.UNKNOWN:
        raise NothingToDecide(row.external_id)
    return row
