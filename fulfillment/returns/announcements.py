"""Goods that are to come back: announced to the warehouse. Their arrival is in `fulfillment/returns/receipts.py`."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.db import transaction
from django.db.models.functions import Now

from fulfillment import alerts, jobs
from fulfillment.models import Return, ReturnLine, WmsOrder
from fulfillment.models.states import ReturnState
from fulfillment.refs import ReturnPk, decision_key, return_external_id
from fulfillment.returns.return_states import advance
from ops.errors import Blocked, Permanent, Throttled, Transient, UnknownOutcome
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import Capability, OrderLineRequest, ReturnRequest

logger = structlog.get_logger(__name__)


def open_return(row: WmsOrder, *, reason: str, items: Mapping[str, int] | None = None) -> Return | None:
    """Open a return of a WMS order and have it announced; None when it is open already.

    `items`: units by item code that are to come back; everything in the WMS order when None. In the caller's
    transaction, with the order locked.
    """
    external_id = return_external_id(row.external_id)
    parent, created = Return.objects.get_or_create(
        external_id=external_id, defaults={"wms_order": row, "reason": reason[:255]}
    )
    if not created:
        return None
    ReturnLine.objects.bulk_create(
        ReturnLine(parent=parent, item_code=item, quantity=quantity)
        for item, quantity in (_all_items(row) if items is None else items).items()
    )
    if Capability.RETURNS in capabilities_of(row.warehouse.connection):
        jobs.returns.announce_return(parent)
    else:
        _record_refusal(parent, "it takes no announcements by its interface")
    return parent


def _all_items(row: WmsOrder) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in row.lines.all():
        units[line.item_code] = units.get(line.item_code, 0) + line.quantity
    return units


def announce(return_pk: ReturnPk) -> None:
    """Announce a return to its warehouse; its external id is the idempotency key.

    The attempt is recorded before the call. Where the WMS does not honour the key, an attempt whose outcome is unknown
    is not repeated: a person says whether the WMS has it. Raises Blocked until then, and what the adapter raises; after
    a refusal the return is marked failed and staff are told.
    """
    row = Return.objects.select_related("wms_order__warehouse__connection", "wms_order__order__shop").get(
        id=return_pk
    )
    if row.state == ReturnState.UNKNOWN:
        raise _awaiting_decision(row)
    if row.state != ReturnState.REQUESTING:
        return
    wms_order = row.wms_order
    outcome_unknown = row.attempt_at is not None
    if outcome_unknown and Capability.IDEMPOTENT_CREATE not in capabilities_of(
        wms_order.warehouse.connection
    ):
        _escalate(row)
        raise _awaiting_decision(row)
    Return.objects.filter(id=row.id, state=ReturnState.REQUESTING).update(attempt_at=Now())
    request = ReturnRequest(
        external_id=wms_order.external_id,
        remote_order_id=wms_order.remote_id,
        reason=row.reason,
        lines=tuple(OrderLineRequest(line.item_code, line.quantity, "") for line in row.lines.order_by("id")),
    )
    try:
        answer = adapter_for(wms_order.warehouse.connection).create_return(
            request, idempotency_key=row.external_id
        )
    except UnknownOutcome:
        raise
    except Permanent as error:
        _record_refusal(row, str(error))
        raise
    except (Transient, Throttled, Blocked):
        if not outcome_unknown:
            Return.objects.filter(id=row.id).update(attempt_at=None)
        raise
    advance(
        Return.objects.filter(id=row.id),
        before=ReturnState.REQUESTING,
        to=ReturnState.OPEN,
        remote_id=answer.remote_id,
        label_url=answer.label_url[:1000],
    )
    logger.info("return_announced", order=wms_order.order_id, wms_return=answer.remote_id)


def _awaiting_decision(row: Return) -> Blocked:
    undecided = Return.objects.filter(id=row.id, state=ReturnState.UNKNOWN)
    return Blocked(
        "a person must say whether the WMS expects it",
        on=[decision_key(row.external_id)],
        recheck=undecided.exists,
    )


@transaction.atomic
def _escalate(row: Return) -> None:
    this = Return.objects.filter(id=row.id)
    if not advance(this, before=ReturnState.REQUESTING, to=ReturnState.UNKNOWN):
        return
    alerts.returns.return_outcome_unknown(row)


@transaction.atomic
def _record_refusal(row: Return, reason: str) -> None:
    advance(Return.objects.filter(id=row.id), before=ReturnState.REQUESTING, to=ReturnState.FAILED)
    alerts.returns.return_refused(row, reason=reason)
