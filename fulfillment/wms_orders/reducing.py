"""Asks a WMS to send less of an order than it was given, while nobody has touched the goods.

begin          one transaction: the new quantities and the number of the reduction are recorded before the call (law 3)
reduce         no transaction: the call, with the whole order as it shall be, under a key of this reduction
record_answer  one transaction: the answer of the WMS

If the answer to a reduction was lost, the same reduction is asked for again under the same key, before any other. This
is safe, because a repeated PUT changes nothing. A reduction never adds units: what is wanted again becomes a further
part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from django.db import transaction
from django.db.models import F

from fulfillment import order_states
from fulfillment.models import WmsOrder, WmsOrderLine
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions import change_requests, ending, surplus_review, wms_order_surplus
from fulfillment.refs import WmsOrderPk, reduction_key
from fulfillment.wms_order_states import OVER
from fulfillment.wms_orders import attempts
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from wms.adapters import adapter_for
from wms.adapters.base import OrderLineRequest, OrderRequest, UpdateAnswer
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reduction:
    """One request to send less, as it was committed before the call. `number` is part of its key."""

    wms_order: WmsOrder
    number: int
    request: OrderRequest
    repeated: bool

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return reduction_key(self.wms_order.external_id, self.number)


def reduce(wms_order_pk: WmsOrderPk) -> None:
    """Ask the WMS to leave out the units that Shopify no longer asks for.

    Raises what the adapter raises, except Permanent, which is a refusal.
    """
    reduction = begin(wms_order_pk)
    if reduction is None:
        return
    adapter = adapter_for(reduction.wms_order.warehouse.connection)
    try:
        answer = adapter.update_order(
            reduction.wms_order.remote_id, reduction.request, idempotency_key=reduction.key
        )
    except UnknownOutcome:
        raise
    except Permanent as error:
        answer = UpdateAnswer(accepted=False, status=WmsStatus.UNKNOWN, reason=str(error))
    except (Transient, Throttled, Blocked):
        if not reduction.repeated:
            _mark_not_asked(reduction)
        raise
    record_answer(reduction, answer)


@transaction.atomic
def begin(wms_order_pk: WmsOrderPk) -> Reduction | None:
    """Commit what the WMS is about to be asked; None if there is nothing to ask (any more)."""
    row = WmsOrder.objects.select_related("warehouse__connection").get(id=wms_order_pk)
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["wms_status", "change_request", "reductions"])
    if row.wms_status in OVER:
        return None
    if row.change_request == ChangeRequest.REDUCTION_ASKED:
        return Reduction(row, number=row.reductions, request=_request(row), repeated=True)
    if not wms_order_surplus.can_be_reduced(row):
        return None
    wanted = wms_order_surplus.units_to_leave_out(row)
    if wanted is None:
        return None
    part, less = wanted
    for line, target in ending.targets(part, less).items():
        line.reduce_to = target
    WmsOrderLine.objects.bulk_update(part.lines, ["reduce_to"])
    WmsOrder.objects.filter(id=row.id).update(
        change_request=ChangeRequest.REDUCTION_ASKED, change_answer="", reductions=F("reductions") + 1
    )
    return Reduction(row, number=row.reductions + 1, request=_request(row), repeated=False)


def _request(row: WmsOrder) -> OrderRequest:
    """The whole order as it shall be after the reduction."""
    lines = row.lines.select_related("order_line").order_by("id")
    kept = [(line, line.quantity if line.reduce_to is None else line.reduce_to) for line in lines]
    return replace(
        attempts.request_of(row),
        lines=tuple(
            OrderLineRequest(line.item_code, quantity, str(line.order_line.shopify_line_id))
            for line, quantity in kept
            if quantity
        ),
    )


@transaction.atomic
def _mark_not_asked(reduction: Reduction) -> None:
    """The WMS was not asked after all: the next attempt asks for what is wanted by then."""
    order_states.lock_of(reduction.wms_order)
    row = WmsOrder.objects.filter(
        id=reduction.wms_order.id, change_request=ChangeRequest.REDUCTION_ASKED, reductions=reduction.number
    )
    if row.update(change_request=ChangeRequest.NONE):
        WmsOrderLine.objects.filter(wms_order=reduction.wms_order).update(reduce_to=None)


@transaction.atomic
def record_answer(reduction: Reduction, answer: UpdateAnswer) -> bool:
    """Store the answer of the WMS to the reduction; False if it was stored before."""
    row = reduction.wms_order
    row.order = order_states.lock_of(row)
    row.refresh_from_db(fields=["wms_status"])
    answer_text = change_requests.answer_text(answer.status, answer.reason)
    request = ChangeRequest.REDUCTION_AGREED if answer.accepted else ChangeRequest.REDUCTION_DECLINED
    recorded = WmsOrder.objects.filter(
        id=row.id, change_request=ChangeRequest.REDUCTION_ASKED, reductions=reduction.number
    ).update(change_request=request, change_answer=answer_text)
    if not recorded or row.wms_status in OVER:
        return False
    lines = list(WmsOrderLine.objects.filter(wms_order=row).order_by("id"))
    for line in lines:
        if answer.accepted and line.reduce_to is not None:
            line.quantity = max(line.shipped, line.reduce_to)
        line.reduce_to = None
    if answer.accepted:
        ending.resize_part(row, lines)
    else:
        WmsOrderLine.objects.bulk_update(lines, ["reduce_to"])
    logger.info("wms_order_change_answered", order=row.order_id, wms_order=row.id, accepted=answer.accepted)
    # The answer changes the alert and the state, and units may be wanted again by now.
    surplus_review.review(row.order)
    change_requests.update_summary(row.order)
    order_states.derive_state(row.order)
    wms_order_surplus.request_reading(row.order)
    return True
