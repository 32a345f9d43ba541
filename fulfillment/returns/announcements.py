"""Announces returns to warehouses. `fulfillment/returns/receipts.py` records their arrival."""

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
from wms.adapters.base import Capability, OrderLineRequest, ReturnAnswer, ReturnRequest

logger = structlog.get_logger(__name__)


def open_return(row: WmsOrder, *, reason: str, items: Mapping[str, int] | None = None) -> Return | None:
    """Open a return of a WMS order, and request its announcement; None if it is open already.

    `items`: units by item code that are to come back; if None, everything in the WMS order. Call it in a transaction
    that has locked the order.
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
    """All units of a WMS order by item code."""
    units: dict[str, int] = {}
    for line in row.lines.all():
        units[line.item_code] = units.get(line.item_code, 0) + line.quantity
    return units


def announce(return_pk: ReturnPk) -> None:
    """Announce a return to its warehouse. Its external id is the idempotency key.

    The attempt is recorded before the call. If an attempt has an unknown outcome, and the WMS does not honour the key,
    it is not repeated: a person says whether the WMS expects the return. Raises Blocked until then, and what the
    adapter raises. After a refusal the return is failed, and staff are alerted.
    """
    row = Return.objects.select_related("wms_order__warehouse__connection", "wms_order__order__shop").get(
        id=return_pk
    )
    if row.state == ReturnState.UNKNOWN:
        raise _awaiting_decision(row)
    if row.state != ReturnState.REQUESTING:
        return
    outcome_unknown = row.attempt_at is not None
    capabilities = capabilities_of(row.wms_order.warehouse.connection)
    if outcome_unknown and Capability.IDEMPOTENT_CREATE not in capabilities:
        _escalate(row)
        raise _awaiting_decision(row)
    Return.objects.filter(id=row.id, state=ReturnState.REQUESTING).update(attempt_at=Now())
    answer = _call(row, outcome_unknown=outcome_unknown)
    advance(
        Return.objects.filter(id=row.id),
        before=ReturnState.REQUESTING,
        to=ReturnState.OPEN,
        remote_id=answer.remote_id,
        label_url=answer.label_url[:1000],
    )
    logger.info("return_announced", order=row.wms_order.order_id, wms_return=answer.remote_id)


def _call(row: Return, *, outcome_unknown: bool) -> ReturnAnswer:
    """Make the call. If it fails, store what that means for the return, and raise the adapter's error."""
    request = ReturnRequest(
        external_id=row.wms_order.external_id,
        remote_order_id=row.wms_order.remote_id,
        reason=row.reason,
        lines=tuple(OrderLineRequest(line.item_code, line.quantity, "") for line in row.lines.order_by("id")),
    )
    adapter = adapter_for(row.wms_order.warehouse.connection)
    try:
        return adapter.create_return(request, idempotency_key=row.external_id)
    except UnknownOutcome:
        raise
    except Permanent as error:
        _record_refusal(row, str(error))
        raise
    except (Transient, Throttled, Blocked):
        if not outcome_unknown:
            Return.objects.filter(id=row.id).update(attempt_at=None)
        raise


def _awaiting_decision(row: Return) -> Blocked:
    """The error that an announcement raises while only a person can decide how it goes on."""
    undecided = Return.objects.filter(id=row.id, state=ReturnState.UNKNOWN)
    return Blocked(
        "a person must say whether the WMS expects it",
        on=[decision_key(row.external_id)],
        recheck=undecided.exists,
    )


@transaction.atomic
def _escalate(row: Return) -> None:
    """Ask staff whether the WMS expects the return, unless its outcome is known by now."""
    this = Return.objects.filter(id=row.id)
    if not advance(this, before=ReturnState.REQUESTING, to=ReturnState.UNKNOWN):
        return
    alerts.returns.return_outcome_unknown(row)


@transaction.atomic
def _record_refusal(row: Return, reason: str) -> None:
    """Mark a return as failed and alert staff: the WMS does not take the announcement."""
    advance(Return.objects.filter(id=row.id), before=ReturnState.REQUESTING, to=ReturnState.FAILED)
    alerts.returns.return_refused(row, reason=reason)
