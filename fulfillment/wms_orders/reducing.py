"""Asking a WMS to send less of an order than it was given, while nobody has touched the goods.

begin   one transaction: the target and the number of the change are recorded before the call (law 3)
ask     no transaction: the whole order as it shall be, under a key of this change's own
record  one transaction: what the WMS said

A change whose answer was lost is asked again, the same under the same key, before any other: a PUT that is repeated
changes nothing. It never adds units: what is wanted again goes out as a further part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from django.db import transaction
from django.db.models import F

from fulfillment import order_states
from fulfillment.models import WmsOrder, WmsOrderLine
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions import change_requests, ending, withdrawal
from fulfillment.refs import WmsOrderPk, change_key
from fulfillment.wms_order_states import OVER
from fulfillment.wms_orders import submission
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from wms.adapters import adapter_for
from wms.adapters.base import OrderLineRequest, OrderRequest, UpdateAnswer
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Change:
    """One wish to send less, as it was committed before the call; `number` is part of its key."""

    wms_order: WmsOrder
    number: int
    request: OrderRequest
    repeated: bool

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return change_key(self.wms_order.external_id, self.number)


def reduce(wms_order_pk: WmsOrderPk) -> None:
    """Ask the WMS to leave out what Shopify no longer asks for. Raises what the adapter raises, but Permanent: a no."""
    change = begin(wms_order_pk)
    if change is None:
        return
    adapter = adapter_for(change.wms_order.warehouse.connection)
    try:
        answer = adapter.update_order(change.wms_order.remote_id, change.request, idempotency_key=change.key)
    except UnknownOutcome:
        raise
    except Permanent as error:
        answer = UpdateAnswer(accepted=False, status=WmsStatus.UNKNOWN, reason=str(error))
    except (Transient, Throttled, Blocked):
        if not change.repeated:
            _take_back(change)
        raise
    record(change, answer)


@transaction.atomic
def begin(wms_order_pk: WmsOrderPk) -> Change | None:
    """Commit what the WMS is about to be asked; None when there is nothing to ask (any more)."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["wms_status", "change_request", "reductions"])
    if row.wms_status in OVER:
        return None
    if row.change_request == ChangeRequest.REDUCTION_ASKED:
        return Change(row, number=row.reductions, request=_request(row), repeated=True)
    if not withdrawal.can_be_reduced(row):
        return None
    wanted = withdrawal.to_leave_out(row)
    if wanted is None:
        return None
    part, less = wanted
    for line, target in withdrawal.targets(part, less).items():
        line.reduce_to = target
    WmsOrderLine.objects.bulk_update(part.lines, ["reduce_to"])
    WmsOrder.objects.filter(id=row.id).update(
        change_request=ChangeRequest.REDUCTION_ASKED, change_answer="", reductions=F("reductions") + 1
    )
    return Change(row, number=row.reductions + 1, request=_request(row), repeated=False)


def _request(row: WmsOrder) -> OrderRequest:
    """The order as it shall be."""
    lines = row.lines.select_related("order_line").order_by("id")
    kept = [(line, line.quantity if line.reduce_to is None else line.reduce_to) for line in lines]
    return replace(
        submission.request_of(row),
        lines=tuple(
            OrderLineRequest(line.item_code, quantity, str(line.order_line.shopify_line_id))
            for line, quantity in kept
            if quantity
        ),
    )


@transaction.atomic
def _take_back(change: Change) -> None:
    """Nothing was asked: what is wanted by then is asked the next time."""
    order_states.lock_of(change.wms_order)
    row = WmsOrder.objects.filter(
        id=change.wms_order.id, change_request=ChangeRequest.REDUCTION_ASKED, reductions=change.number
    )
    if row.update(change_request=ChangeRequest.NONE):
        WmsOrderLine.objects.filter(wms_order=change.wms_order).update(reduce_to=None)


@transaction.atomic
def record(change: Change, answer: UpdateAnswer) -> bool:
    """Store what the WMS said to the change; False when it was stored before."""
    row = change.wms_order
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["wms_status"])
    said = change_requests.answer(answer.status, answer.reason)
    request = ChangeRequest.REDUCTION_AGREED if answer.accepted else ChangeRequest.REDUCTION_DECLINED
    recorded = WmsOrder.objects.filter(
        id=row.id, change_request=ChangeRequest.REDUCTION_ASKED, reductions=change.number
    ).update(change_request=request, change_answer=said)
    if not recorded or row.wms_status in OVER:
        return False
    lines = list(WmsOrderLine.objects.filter(wms_order=row).order_by("id"))
    for line in lines:
        if answer.accepted and line.reduce_to is not None:
            line.quantity = max(line.shipped, line.reduce_to)
        line.reduce_to = None
    if answer.accepted:
        ending.resize(row, lines)
    else:
        WmsOrderLine.objects.bulk_update(lines, ["reduce_to"])
    logger.info("wms_order_change_answered", order=row.order_id, wms_order=row.id, accepted=answer.accepted)
    # Where it stands by now: the alert, and what is wanted again meanwhile.
    withdrawal.follow(row.order)
    change_requests.note(row.order)
    order_states.settle(row.order)
    withdrawal.look_again(row.order)
    return True
