"""The states of an order, and the lock under which everything about an order is decided."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Least, Now

from fulfillment import alerts, coverage
from fulfillment.models import Order, Shipment, WmsOrder
from fulfillment.models.states import OrderState, Reason, ShipmentState
from fulfillment.readiness import DEFERRING_REASONS
from fulfillment.refs import OrderPk
from fulfillment.wms_order_states import BY_SHIPMENTS, ENDED, UNCONFIRMED
from ops.alerting.kinds import close_kinds
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
    {
        Reason.NO_ADDRESS,
        Reason.NO_LOCATION,
        Reason.UNMAPPED_SKU,
        Reason.PRODUCT_DELETED,
        Reason.NO_WAREHOUSE,
    }
)
"""Reasons about units that no warehouse was given yet. News of other parts of the order do not end them."""


def refused_parts(order: Order) -> QuerySet[WmsOrder]:
    """The parts of an order that a WMS refused. A person decides about them.

    A replay sends them unchanged, so no warehouse may be given their units before they are ended.
    """
    return WmsOrder.objects.filter(order=order, wms_status=WmsStatus.REJECTED)


def lock(order_pk: OrderPk) -> Order:
    """Lock an order until the transaction ends. Call it before its WMS orders, stock levels or advisory locks are
    locked."""
    return Order.objects.select_for_update(of=("self",)).select_related("shop").get(id=order_pk)


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


def _webhook_time(webhook_at: datetime | None) -> Combinable:
    """The time of the webhook that announced what was just read; the present if there was none."""
    return Least(Value(webhook_at, output_field=DateTimeField()), Now()) if webhook_at else Now()


def _total_wait(total: str, state: OrderState, *, same: Q, until: Combinable) -> Case:
    """The total time that an order waited in `state`, at the moment when it leaves the state or its reason changes."""
    stretch = ExpressionWrapper(until - F("state_since"), output_field=DurationField())
    nothing = Value(timedelta(), output_field=DurationField())
    return Case(
        When(same, then=F(total)),
        When(state=state, then=F(total) + Greatest(stretch, nothing)),
        default=F(total),
        output_field=DurationField(),
    )


def set_state(
    order: Order,
    state: OrderState,
    reason: Reason = Reason.NONE,
    detail: str = "",
    *,
    webhook_at: datetime | None = None,
) -> bool:
    """Put a locked order into a state; returns whether anything changed.

    `state_since` begins anew only if the state or the reason changes, not if only the detail does. The wait that ends
    is added up. A wait for Shopify ended when its webhook came (`webhook_at`); the time since then counts as ours.
    """
    same = Q(state=state, reason=reason)
    stopped = {"lag_started_at": None} if state in NOTHING_TO_SEND else {}
    changed = (
        Order.objects.filter(id=order.id)
        .exclude(same, reason_detail=detail)
        .update(
            state=state,
            reason=reason,
            reason_detail=detail,
            state_since=Case(When(same, then=F("state_since")), default=Now()),
            waited_at_shopify=_total_wait(
                "waited_at_shopify", OrderState.WAITING, same=same, until=_webhook_time(webhook_at)
            ),
            waited_for_person=_total_wait("waited_for_person", OrderState.HELD, same=same, until=Now()),
            **stopped,
        )
    )
    order.state, order.reason, order.reason_detail = state, reason, detail
    if changed:
        if state in (OrderState.SHIPPED, *NOTHING_TO_SEND):
            close_kinds(_ALERTS_ABOUT_OPEN_WORK, order.subject)
        logger.info("order_state", order=order.id, shop=order.shop_id, state=state, reason=reason)
    return bool(changed)


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
    since = Now() if newly_released else Coalesce("ready_at", Now())
    confirmed = Exists(WmsOrder.objects.filter(order=OuterRef("pk"), accepted_at__isnull=False))
    begins = Case(When(confirmed, then=own_clock(_webhook_time(webhook_at))), default=F("received_at"))
    Order.objects.filter(id=order.id).update(
        ready_at=since, lag_started_at=Coalesce("lag_started_at", begins) if has_uncovered else None
    )


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


def derive_state(order: Order) -> None:
    """Derive the state of a locked order from its WMS orders, unless a person has to decide.

    If everything that was sent is shipped, but a deferred part is still to come, the order waits for that part.
    """
    rows = WmsOrder.objects.filter(order=order).values_list("wms_status", "remainder_unwanted")
    statuses = {str(WmsStatus.SHIPPED) if is_complete else status for status, is_complete in rows}
    live = statuses - {str(status) for status in ENDED}
    if order.cancelled_at and not live:
        set_state(order, OrderState.CANCELLED)
    elif live and not _stays_held(order):
        state = _state_of_live(live)
        shipped = state in (OrderState.SHIPPED, OrderState.PARTIALLY_SHIPPED)
        unreported = _unreported_shipments(order) if shipped else []
        reasons = [reason for reason, held in unreported if held]
        if reasons:
            set_state(order, OrderState.PARTIALLY_SHIPPED, Reason.SHIPMENT_HELD, "; ".join(reasons))
        elif unreported:
            _set_state_with_requests(order, OrderState.PARTIALLY_SHIPPED)
        elif state == OrderState.SHIPPED and order.deferred_reason:
            _set_state_of_deferred(order)
        else:
            _set_state_with_requests(order, state)


def _set_state_of_deferred(order: Order) -> None:
    """Set the state of an order of which all sent parts are shipped, and which has deferred units."""
    measured = coverage.measure(order)
    released = order.deferred_reason in DEFERRING_REASONS and not order.shop.whole_orders_only
    if released and measured.uncovered:
        set_state(order, OrderState.READY)
    elif measured.unsent:
        set_state(order, OrderState.WAITING, Reason(order.deferred_reason), order.deferred_detail)
    else:
        set_state(order, OrderState.SHIPPED)


def _stays_held(order: Order) -> bool:
    """Whether an order stays held, whatever became of its WMS orders.

    A decision of a person is not replaced. A reason about uncovered units stays as long as there are such units.
    """
    if order.state != OrderState.HELD or order.reason in PERSON_DECIDES:
        return order.state == OrderState.HELD
    about_uncovered = order.reason in ABOUT_UNCOVERED_UNITS and not order.cancelled_at
    return about_uncovered and bool(coverage.measure(order).uncovered)


def _unreported_shipments(order: Order) -> list[tuple[str, bool]]:
    """Shipments with units that Shopify does not know of yet: a text with the reason, and whether the shipment is held.

    Units that Shopify no longer asks for do not count once it knows the shipment by its other units.
    """
    accounted_for = (
        F("units__fulfilled")
        + F("units__sent_again")
        + Case(When(shopify_fulfillment_id__isnull=False, then=F("units__unwanted")), default=0)
    )
    shipments = Shipment.objects.filter(wms_order__order=order, units__quantity__gt=accounted_for)
    shipments = shipments.exclude(state__in=[ShipmentState.CLOSED, ShipmentState.FULFILLED])
    shipments = shipments.distinct().order_by("id")
    rows = shipments.values_list("wms_shipment_id", "reason", "state")
    return [
        (f"{name}: {reason}"[:500], state in (ShipmentState.HELD, ShipmentState.CANCELLED))
        for name, reason, state in rows
    ]


def _set_state_with_requests(order: Order, state: OrderState) -> None:
    """Set a state; while warehouses work, its detail says what they were asked after a change at Shopify."""
    words = order.change_summary or (
        "Shopify asks for fewer units than warehouses have" if order.surplus else ""
    )
    if state == OrderState.SHIPPED or not words:
        set_state(order, state)
    else:
        set_state(order, state, Reason.CANCEL_ASKED if order.cancelled_at else Reason.EDITED, words)


def _state_of_live(live: set[str]) -> OrderState:
    """The state of an order by the statuses of its WMS orders that have not ended (at least one)."""
    if live == {WmsStatus.SHIPPED}:
        return OrderState.SHIPPED
    if live & set(BY_SHIPMENTS):
        return OrderState.PARTIALLY_SHIPPED
    if live <= set(UNCONFIRMED):
        return OrderState.READY
    return OrderState.AT_WAREHOUSE
