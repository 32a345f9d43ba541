"""The states of an order, and the lock under which everything about an order is decided."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from django.db import connection
from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from fulfillment import alerts, coverage
from fulfillment.models import Order, WmsOrder, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import OrderState, Reason, ShipmentState
from fulfillment.readiness import DEFERRING_REASONS
from fulfillment.refs import OrderPk
from fulfillment.wms_order_states import BY_SHIPMENTS, ENDED, UNCONFIRMED
from ops.alerting.kinds import close_kinds
from ops.joined_rows import JoinedRows
from shops.models import Shop
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

WAITS_FOR_OTHERS = (OrderState.WAITING, OrderState.HELD)
"""States in which an order waits for Shopify or for a person, and not for us."""

NOTHING_TO_SEND = (OrderState.CANCELLED, OrderState.NOTHING_TO_SHIP)
"""Final states in which no warehouse has anything to send."""

_ALERTS_ABOUT_OPEN_WORK = (
    *alerts.cancellations.ONLY_A_PERSON_CAN_STOP,
    alerts.orders.ORDER_MOVED,
    alerts.routing.MOVE_REFUSED,
)
"""Alerts about work that a warehouse still does. They close when no warehouse works on the order any more."""

PERSON_DECIDES = frozenset({Reason.WMS_REJECTED, Reason.WMS_CANCELLED, Reason.OUTCOME_UNKNOWN})
"""Reasons that no new reading removes, because staff decide what happens next."""

ABOUT_UNCOVERED_UNITS = frozenset(
    {Reason.NO_ADDRESS, Reason.NO_LOCATION, Reason.UNMAPPED_SKU, Reason.PRODUCT_DELETED, Reason.NO_WAREHOUSE}
)
"""Reasons about units that no warehouse was given yet. News of other parts of the order do not end them."""


_LOCKED = JoinedRows(its=Order, shop=Shop)

_LOCK = f"""
SELECT {_LOCKED.columns} FROM fulfillment_order AS its JOIN shops_shop AS shop ON shop.id = its.shop_id
 WHERE its.id = %s FOR UPDATE OF its
"""  # noqa: S608

_NEEDS_PERSON = (ShipmentState.HELD, ShipmentState.CANCELLED)
"""Shipments of which Shopify knows all that it shall know, and those that a person has to look at before."""

# A wait for Shopify ended when its webhook came, if that was earlier than now.
_SET_STATE = """
UPDATE fulfillment_order
   SET state = %(state)s, reason = %(reason)s, reason_detail = %(detail)s,
       state_since = CASE WHEN %(moves)s THEN statement_timestamp() ELSE state_since END,
       waited_at_shopify = waited_at_shopify
           + %(waited)s::int * GREATEST(LEAST(%(webhook_at)s, statement_timestamp()) - state_since, interval '0'),
       waited_for_person = waited_for_person
           + %(held)s::int * GREATEST(statement_timestamp() - state_since, interval '0'),
       owed_from = CASE WHEN %(stops_lag)s THEN NULL ELSE owed_from END
 WHERE id = %(id)s
RETURNING EXISTS (SELECT FROM ops_alert WHERE subject = %(subject)s AND kind = ANY(%(answered)s) AND state = 'open')
"""

_MARK_READY = """
UPDATE fulfillment_order AS this
   SET ready_at = CASE WHEN %(newly_released)s THEN statement_timestamp()
                       ELSE COALESCE(ready_at, statement_timestamp()) END,
       owed_from = CASE WHEN %(has_uncovered)s THEN COALESCE(owed_from, CASE
           WHEN EXISTS (SELECT FROM wms_order_map WHERE order_id = this.id AND accepted_at IS NOT NULL)
           THEN CASE WHEN state = ANY(%(waits)s) THEN state_since
                     ELSE LEAST(%(webhook_at)s, statement_timestamp()) END - waited_at_shopify - waited_for_person
           ELSE received_at END) END
 WHERE id = %(id)s
"""


def refused_parts(order: Order) -> QuerySet[WmsOrder]:
    """The parts of an order that a WMS refused. A person decides about them.

    A replay sends them unchanged, so no warehouse may be given their units before they are ended.
    """
    return WmsOrder.objects.filter(order=order, wms_status=WmsStatus.REJECTED)


def lock(order_pk: OrderPk) -> Order:
    """Lock an order until the transaction ends. Call it before its WMS orders, stock levels or advisory locks are
    locked."""
    found = _LOCKED.first(_LOCK, [order_pk])
    if found is None:
        raise Order.DoesNotExist
    order: Order
    order, order.shop = found
    return order


def lock_of(row: WmsOrder) -> Order:
    """Lock the order of a WMS order. See `lock`."""
    return lock(OrderPk(row.order_id))


def own_clock(at: Combinable) -> Combinable:
    """The time on the order's own clock: `at` without all the time that the order waited for Shopify or a person.

    The clock stops while the order waits for them. So a duration on it is the time that the order waited for us.
    """
    until = Case(When(state__in=WAITS_FOR_OTHERS, then=F("state_since")), default=at)
    shown = until - F("waited_at_shopify") - F("waited_for_person")
    return ExpressionWrapper(shown, output_field=DateTimeField())


def set_state(
    order: Order,
    state: OrderState,
    reason: Reason = Reason.NONE,
    detail: str = "",
    *,
    webhook_at: datetime | None = None,
) -> bool:
    """Put a locked order into a state; returns whether anything changed. No statement is run if nothing does.

    `state_since` begins anew only if the state or the reason changes, not if only the detail does. The wait that ends
    is added up. A wait for Shopify ended when its webhook came (`webhook_at`); the time since then counts as ours.
    """
    before, moves = OrderState(order.state), (order.state, order.reason) != (state, reason)
    if not moves and order.reason_detail == detail:
        return False
    row: dict[str, Any] = {
        "id": order.id,
        "state": str(state),
        "reason": str(reason),
        "detail": detail,
        "moves": moves,
        "waited": moves and before == OrderState.WAITING,
        "held": moves and before == OrderState.HELD,
        "webhook_at": webhook_at,
        "stops_lag": state in NOTHING_TO_SEND,
        "subject": order.subject,
        "answered": [kind.name for kind in (*_ALERTS_ABOUT_OPEN_WORK, *alerts.routing.NOT_ROUTED)],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SET_STATE, row)
        (has_open,) = cursor.fetchone()
    order.state, order.reason, order.reason_detail = state, reason, detail
    if has_open:
        _close_answered_alerts(order, before)
    logger.info("order_state", order=order.id, shop=order.shop_id, state=state, reason=reason)
    return True


def _close_answered_alerts(order: Order, before: OrderState) -> None:
    """Close the alerts whose question the new state answers. That no warehouse can be given the order ends with its
    hold."""
    if order.state in (OrderState.SHIPPED, *NOTHING_TO_SEND):
        close_kinds((*_ALERTS_ABOUT_OPEN_WORK, *alerts.routing.NOT_ROUTED), order.subject)
    elif before == OrderState.HELD and order.state != OrderState.HELD:
        close_kinds(alerts.routing.NOT_ROUTED, order.subject)


def mark_ready(
    order: Order,
    *,
    newly_released: bool = False,
    has_uncovered: bool = False,
    webhook_at: datetime | None = None,
) -> None:
    """Store since when a locked order is ready, and start its lag if it has units that no warehouse was given
    (`has_uncovered`).

    `newly_released`: the order, or a part of it, waited for Shopify until now. The lag of an order that no warehouse
    has confirmed yet starts with its first webhook; that of a later part starts with the webhook that releases the
    part.
    """
    lag_runs = order.lag_started_at is not None
    if order.ready_at and not newly_released and lag_runs == has_uncovered:
        return
    row = {
        "id": order.id,
        "newly_released": newly_released,
        "has_uncovered": has_uncovered,
        "webhook_at": webhook_at,
        "waits": [str(state) for state in WAITS_FOR_OTHERS],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARK_READY, row)


def stop_lag(order: Order) -> None:
    """There are no units (any more) that a warehouse could be given, so no lag runs. The order is locked."""
    if order.lag_started_at is not None:
        Order.objects.filter(id=order.id).update(lag_started_at=None)


def read_own_clock(order: Order) -> datetime:
    """The present time on the order's own clock."""
    shown = Order.objects.annotate(shown=own_clock(Now())).values_list("shown", flat=True)
    found: datetime = shown.get(id=order.id)
    return found


def lag_of_part() -> Combinable:
    """An expression for WMS orders: the time since we could send the units, on the order's own clock. NULL if
    unknown."""
    clock = Order.objects.filter(id=OuterRef("order_id")).values(shown=own_clock(Now()))[:1]
    return ExpressionWrapper(Subquery(clock) - F("lag_started_at"), output_field=DurationField())


def derive_state(order: Order, rows: OrderRows | None = None, *, unshipped: Collection[str] = ()) -> None:
    """Derive the state of a locked order from its WMS orders, unless a person has to decide.

    If everything that was sent is shipped, but a deferred part is still to come, the order waits for that part.
    `rows`: those of the order as they are now; else they are read. `unshipped`: the statuses of all its WMS orders, if
    the caller knows them and none has shipped anything: then no rows are needed.
    """
    if rows is None and not unshipped:
        rows = order_rows.read(order)
    statuses = set(unshipped) if rows is None else rows.statuses
    live = statuses - {str(status) for status in ENDED}
    if order.cancelled_at and not live:
        set_state(order, OrderState.CANCELLED)
    elif live and not _stays_held(order, rows):
        state = state_of_live(live)
        shipped = rows is not None and state in (OrderState.SHIPPED, OrderState.PARTIALLY_SHIPPED)
        unreported = rows.unreported if rows is not None and shipped else []
        reasons = [
            f"{each.wms_shipment_id}: {each.reason}"[:500]
            for each in unreported
            if each.state in _NEEDS_PERSON
        ]
        if reasons:
            set_state(order, OrderState.PARTIALLY_SHIPPED, Reason.SHIPMENT_HELD, "; ".join(reasons))
        elif unreported:
            _set_state_with_requests(order, OrderState.PARTIALLY_SHIPPED)
        elif state == OrderState.SHIPPED and order.deferred_reason:
            _set_state_of_deferred(order, rows)
        else:
            _set_state_with_requests(order, state)


def _set_state_of_deferred(order: Order, rows: OrderRows | None) -> None:
    """Set the state of an order of which all sent parts are shipped, and which has deferred units."""
    measured = coverage.of(order, rows or order_rows.read(order))
    released = order.deferred_reason in DEFERRING_REASONS and not order.shop.whole_orders_only
    if released and measured.uncovered:
        set_state(order, OrderState.READY)
    elif measured.unsent:
        set_state(order, OrderState.WAITING, Reason(order.deferred_reason), order.deferred_detail)
    else:
        set_state(order, OrderState.SHIPPED)


def _stays_held(order: Order, rows: OrderRows | None) -> bool:
    """Whether an order stays held, whatever became of its WMS orders.

    A decision of a person is not replaced. A reason about uncovered units stays as long as there are such units.
    """
    if order.state != OrderState.HELD or order.reason in PERSON_DECIDES:
        return order.state == OrderState.HELD
    about_uncovered = order.reason in ABOUT_UNCOVERED_UNITS and not order.cancelled_at
    return about_uncovered and bool(coverage.of(order, rows or order_rows.read(order)).uncovered)


def _set_state_with_requests(order: Order, state: OrderState) -> None:
    """Set a state; while warehouses work, its detail says what they were asked after a change at Shopify."""
    words = order.change_summary or (
        "Shopify asks for fewer units than warehouses have" if order.surplus else ""
    )
    if state == OrderState.SHIPPED or not words:
        set_state(order, state)
    else:
        set_state(order, state, Reason.CANCEL_ASKED if order.cancelled_at else Reason.EDITED, words)


def state_of_live(live: set[str]) -> OrderState:
    """The state of an order by the statuses of its WMS orders that have not ended (at least one)."""
    if live == {WmsStatus.SHIPPED}:
        return OrderState.SHIPPED
    if live & set(BY_SHIPMENTS):
        return OrderState.PARTIALLY_SHIPPED
    if live <= set(UNCONFIRMED):
        return OrderState.READY
    return OrderState.AT_WAREHOUSE
