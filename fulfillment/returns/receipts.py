"""Records goods that came back, once, and compares a further report of a known return with what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models.functions import Greatest, Now

from fulfillment import alerts, order_states
from fulfillment.models import Order, Return, ReturnLine, WmsOrder
from fulfillment.models.states import ReturnState
from fulfillment.refs import arrival_key, decision_key, unannounced_return_external_id, unknown_return_subject
from fulfillment.returns.return_states import advance
from ops.errors import Blocked
from ops.queue.jobs import wake
from wms.callbacks.events import Condition, ReturnReceiptEvent
from wms.ids import ConnectionPk

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Goods:
    """Units of one item that came back, by condition."""

    sellable: int = 0
    damaged: int = 0

    def is_within(self, other: Goods) -> bool:
        """Whether the other has at least as many units of each condition."""
        return self.sellable <= other.sellable and self.damaged <= other.damaged

    def __str__(self) -> str:
        by_condition = {"sellable": self.sellable, "damaged": self.damaged}
        return (
            " and ".join(f"{units} {condition}" for condition, units in by_condition.items() if units)
            or "none"
        )


def receive(connection_pk: ConnectionPk, event: ReturnReceiptEvent, *, occurred_at: datetime) -> None:
    """Record what came back. A further report of a known return is compared: more goods are recorded, and a person is
    alerted about contradictions.

    Raises Blocked if we know neither the return nor its order: it waits for the order, and a person is alerted.
    """
    with transaction.atomic():
        row = _order_of(connection_pk, event)
        if row is not None:
            _record_or_compare(order_states.lock_of(row), row, event, occurred_at=occurred_at)
            return
        alerts.returns.unknown_return(
            subject=unknown_return_subject(connection_pk, event.wms_return_id),
            remote_id=event.wms_return_id,
            wms_order=event.wms_order_id,
        )
    key = arrival_key(connection_pk, event.wms_order_id)
    raise Blocked(
        "the returned order is not known", on=[key], recheck=lambda: not _order_of(connection_pk, event)
    )


def _order_of(connection_pk: ConnectionPk, event: ReturnReceiptEvent) -> WmsOrder | None:
    """The WMS order that the report names, or else the one to which its return belongs."""
    rows = WmsOrder.objects.filter(warehouse__connection_id=connection_pk)
    named = rows.filter(remote_id=event.wms_order_id).first() if event.wms_order_id else None
    return named or rows.filter(returns__remote_id=event.wms_return_id).first()


def _record_or_compare(
    order: Order, row: WmsOrder, event: ReturnReceiptEvent, *, occurred_at: datetime
) -> None:
    """Record the first report of a return; compare a further one."""
    parent = _return_of(row, event)
    reported = _reported_goods(event)
    if parent.state == ReturnState.RECEIVED:
        _compare_report(order, parent, reported, occurred_at=occurred_at)
    else:
        _record_arrival(order, parent, event, reported, occurred_at=occurred_at)


def _return_of(row: WmsOrder, event: ReturnReceiptEvent) -> Return:
    """The return to which a report belongs. The order is locked.

    It is the order's return with this id, or one that is still to come, or a new one without an announcement. If the id
    belongs to a return of another order, that says nothing about this order.
    """
    mine = Return.objects.filter(wms_order=row)
    known = mine.filter(remote_id=event.wms_return_id).first()
    if known is not None:
        return known
    return mine.exclude(state=ReturnState.RECEIVED).first() or Return.objects.create(
        wms_order=row,
        external_id=unannounced_return_external_id(row.external_id, event.wms_return_id),
        remote_id=event.wms_return_id,
        state=ReturnState.OPEN,
        reason="returned without announcement",
    )


def _reported_goods(event: ReturnReceiptEvent) -> dict[str, Goods]:
    """The goods of a report by item code."""
    reported: dict[str, Goods] = {}
    for item in event.items:
        known = reported.get(item.wms_item_code, Goods())
        sellable = item.quantity if item.condition == Condition.SELLABLE else 0
        reported[item.wms_item_code] = Goods(
            known.sellable + sellable, known.damaged + item.quantity - sellable
        )
    return reported


def _record_arrival(
    order: Order,
    parent: Return,
    event: ReturnReceiptEvent,
    reported: Mapping[str, Goods],
    *,
    occurred_at: datetime,
) -> None:
    """Record the first report of a return, and close the questions that it answers."""
    others = Return.objects.filter(
        wms_order__warehouse__connection_id=parent.wms_order.warehouse.connection_id,
        remote_id=event.wms_return_id,
    ).exclude(wms_order=parent.wms_order)
    advance(
        Return.objects.filter(id=parent.id),
        to=ReturnState.RECEIVED,
        received_at=Now(),
        reported_at=occurred_at,
        remote_id=event.wms_return_id,
    )
    _write_lines(parent, reported)
    alerts.cancellations.CANCEL_TOO_LATE.close(order.subject)
    if alerts.wms_orders.OUTCOME_UNKNOWN.close(parent.subject):
        wake(decision_key(parent.external_id))
    twin = others.select_related("wms_order__order").first()
    _raise_alert(order, parent, further=False, twin=twin.wms_order.order.name if twin else "")


def _compare_report(
    order: Order, parent: Return, reported: Mapping[str, Goods], *, occurred_at: datetime
) -> None:
    """Compare a further report with the recorded goods, item by item.

    More goods are recorded. If there are fewer, or in another condition, the record stays and a person decides. If an
    older report has fewer goods, a newer one overtook it, and it changes nothing.
    """
    before = _recorded(parent)
    older = parent.reported_at is not None and occurred_at < parent.reported_at
    more: dict[str, Goods] = {}
    contradictions: list[str] = []
    for item in sorted(before.keys() | reported.keys()):
        was, now = before.get(item, Goods()), reported.get(item, Goods())
        if was.is_within(now) and not older:
            more |= {item: now} if now != was else {}
        elif not (older and now.is_within(was)):
            contradictions.append(f"{item}: {now} instead of {was}")
    if not older:
        Return.objects.filter(id=parent.id).update(reported_at=Greatest("reported_at", occurred_at))
    if more:
        _write_lines(parent, more)
        _raise_alert(order, parent, further=True)
    if contradictions:
        _report_contradictions(order, parent, contradictions, older=older)


def _recorded(parent: Return) -> dict[str, Goods]:
    """The goods of a return that are recorded, by item code."""
    lines = {line.item_code: Goods(line.sellable, line.damaged) for line in parent.lines.all()}
    return {item: goods for item, goods in lines.items() if goods != Goods()}


def _write_lines(parent: Return, goods: Mapping[str, Goods]) -> None:
    ReturnLine.objects.bulk_create(
        [
            ReturnLine(parent=parent, item_code=item, sellable=each.sellable, damaged=each.damaged)
            for item, each in goods.items()
        ],
        update_conflicts=True,
        unique_fields=["parent", "item_code"],
        update_fields=["sellable", "damaged"],
    )


def _raise_alert(order: Order, parent: Return, *, further: bool, twin: str = "") -> None:
    """Alert a person that goods came back. `twin`: the name of another order whose return has the same id."""
    goods = "; ".join(f"{item}: {each}" for item, each in sorted(_recorded(parent).items()))
    alerts.returns.return_received(order, parent, goods=goods, further=further, twin=twin)
    logger.info("return_recorded", order=order.id, parent=parent.id, further=further)


def _report_contradictions(order: Order, parent: Return, contradictions: list[str], *, older: bool) -> None:
    alerts.returns.return_contradicted(order, parent, contradictions=contradictions, older=older)
    logger.warning("return_contradicted", order=order.id, parent=parent.id)
