"""The state changes of an order, and the one lock under which everything about an order is decided."""

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
from fulfillment.readiness import OF_A_PART
from fulfillment.refs import OrderPk
from fulfillment.wms_order_states import BY_PARCELS, ENDED, UNCONFIRMED
from ops.alerting.kinds import close_kinds
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

STANDS_STILL = (OrderState.WAITING, OrderState.HELD)
"""States in which an order waits for Shopify or for a person, and not for us."""

GOES_NOWHERE = (OrderState.CANCELLED, OrderState.NOTHING_TO_SHIP)

_END_WITH_THE_WORK = (
    *alerts.cancellations.ONLY_A_PERSON_CAN_STOP,
    alerts.orders.ORDER_MOVED,
    alerts.routing.MOVE_REFUSED,
)
"""Alerts about work under way: once no warehouse works on the order any more, there is nothing left to do."""

PERSON_DECIDES = frozenset({Reason.WMS_REJECTED, Reason.WMS_CANCELLED, Reason.OUTCOME_UNKNOWN})
"""Reasons that no new reading removes: staff choose what happens next."""

HOLDS_WHAT_IS_UNSENT = frozenset(
    {
        Reason.NO_ADDRESS,
        Reason.NO_LOCATION,
        Reason.UNMAPPED_SKU,
        Reason.PRODUCT_DELETED,
        Reason.NO_WAREHOUSE,
    }
)
"""Reasons that concern what no warehouse has yet: news of another part does not end them."""


def refused(order: Order) -> QuerySet[WmsOrder]:
    """Its parts that a WMS refused, on which a person decides: a replay sends them as they are, so that nobody else may
    be given their units before they are given up."""
    return WmsOrder.objects.filter(order=order, wms_status=WmsStatus.REJECTED)


def lock(order_pk: OrderPk) -> Order:
    """The order, locked until the transaction ends. Taken before any of its WMS orders, levels or advisory locks."""
    return Order.objects.select_for_update(of=("self",)).select_related("shop").get(id=order_pk)


def lock_of(row: WmsOrder) -> Order:
    """Lock the order of a WMS order. See `lock`."""
    return lock(OrderPk(row.order_id))


def own_clock(at: Combinable) -> Combinable:
    """What an order's own clock shows: time, less all that the order waited for Shopify or a person. It stands still
    while the order does. A duration on it is what the order waited for us."""
    until = Case(When(state__in=STANDS_STILL, then=F("state_since")), default=at)
    shown = until - F("waited_at_shopify") - F("waited_for_person")
    return ExpressionWrapper(shown, output_field=DateTimeField())


def _webhook_time(webhook_at: datetime | None) -> Combinable:
    """The time of the webhook that told us of what was read just now. Without such a webhook it is now."""
    return Least(Value(webhook_at, output_field=DateTimeField()), Now()) if webhook_at else Now()


def _waited(total: str, state: OrderState, *, same: Q, until: Combinable) -> Case:
    """What an order waited in all in a state, once it leaves it, or stays there for another reason."""
    stretch = ExpressionWrapper(until - F("state_since"), output_field=DurationField())
    nothing = Value(timedelta(), output_field=DurationField())
    return Case(
        When(same, then=F(total)),
        When(state=state, then=F(total) + Greatest(stretch, nothing)),
        default=F(total),
        output_field=DurationField(),
    )


def stand(
    order: Order,
    state: OrderState,
    reason: Reason = Reason.NONE,
    detail: str = "",
    *,
    webhook_at: datetime | None = None,
) -> bool:
    """Put the order into a state; False when it stood there already. The order is locked by the caller.

    `state_since` tells since when it stands there for this reason: other words for the same do not begin it anew. What
    it waited until now is added up; for Shopify it waited until the webhook came (`webhook_at`), and the rest is our
    own time.
    """
    same = Q(state=state, reason=reason)
    owed = {"lag_started_at": None} if state in GOES_NOWHERE else {}
    changed = (
        Order.objects.filter(id=order.id)
        .exclude(same, reason_detail=detail)
        .update(
            state=state,
            reason=reason,
            reason_detail=detail,
            state_since=Case(When(same, then=F("state_since")), default=Now()),
            waited_at_shopify=_waited(
                "waited_at_shopify", OrderState.WAITING, same=same, until=_webhook_time(webhook_at)
            ),
            waited_for_person=_waited("waited_for_person", OrderState.HELD, same=same, until=Now()),
            **owed,
        )
    )
    order.state, order.reason, order.reason_detail = state, reason, detail
    if changed:
        if state in (OrderState.SHIPPED, *GOES_NOWHERE):
            close_kinds(_END_WITH_THE_WORK, order.subject)
        logger.info("order_state", order=order.id, shop=order.shop_id, state=state, reason=reason)
    return bool(changed)


def note_ready(
    order: Order, *, anew: bool = False, owes: bool = False, webhook_at: datetime | None = None
) -> None:
    """Remember since when the order is ready, and since when we owe what no warehouse was given yet (`owes`).

    `anew`: it waited for Shopify until now, wholly or with a part that may go from now on. An order that no warehouse
    has confirmed is owed from the first webhook of it on, a later part of one from the webhook that says it may go.
    """
    since = Now() if anew else Coalesce("ready_at", Now())
    confirmed = Exists(WmsOrder.objects.filter(order=OuterRef("pk"), accepted_at__isnull=False))
    begins = Case(When(confirmed, then=own_clock(_webhook_time(webhook_at))), default=F("received_at"))
    Order.objects.filter(id=order.id).update(
        ready_at=since, lag_started_at=Coalesce("lag_started_at", begins) if owes else None
    )


def owes_nothing(order: Order) -> None:
    """There is nothing (any more) that a warehouse could be given. The order is locked."""
    if order.lag_started_at is not None:
        Order.objects.filter(id=order.id).update(lag_started_at=None)


def read_own_clock(order: Order) -> datetime:
    """What the order's own clock shows now."""
    shown = Order.objects.annotate(shown=own_clock(Now())).values_list("shown", flat=True)
    found: datetime = shown.get(id=order.id)
    return found


def lag_of_part() -> Combinable:
    """Of WMS orders: what passed on the order's own clock since its units were ours to send; None = nobody knows."""
    clock = Order.objects.filter(id=OuterRef("order_id")).values(shown=own_clock(Now()))[:1]
    return ExpressionWrapper(Subquery(clock) - F("lag_started_at"), output_field=DurationField())


def settle(order: Order) -> None:
    """Derive where an order stands from its WMS orders, unless a person has to decide. The order is locked.

    One of which everything that was sent is shipped, and a part is still to come, waits for that part.
    """
    rows = WmsOrder.objects.filter(order=order).values_list("wms_status", "remainder_unwanted")
    statuses = {
        str(WmsStatus.SHIPPED) if remainder_unwanted else status for status, remainder_unwanted in rows
    }
    live = statuses - {str(status) for status in ENDED}
    if order.cancelled_at and not live:
        stand(order, OrderState.CANCELLED)
    elif live and not _is_held_all_the_same(order):
        state = _from_live(live)
        untold = _untold(order) if state in (OrderState.SHIPPED, OrderState.PARTIALLY_SHIPPED) else []
        reasons = [reason for reason, held in untold if held]
        if reasons:
            stand(order, OrderState.PARTIALLY_SHIPPED, Reason.SHIPMENT_HELD, "; ".join(reasons))
        elif untold:
            _stand_at(order, OrderState.PARTIALLY_SHIPPED)
        elif state == OrderState.SHIPPED and order.deferred_reason:
            _wait_for_the_rest(order)
        else:
            _stand_at(order, state)


def _wait_for_the_rest(order: Order) -> None:
    measured = coverage.measure(order)
    goes = order.deferred_reason in OF_A_PART and not order.shop.whole_orders_only
    if goes and measured.uncovered:
        stand(order, OrderState.READY)
    elif measured.unsent:
        stand(order, OrderState.WAITING, Reason(order.deferred_reason), order.deferred_detail)
    else:
        stand(order, OrderState.SHIPPED)


def _is_held_all_the_same(order: Order) -> bool:
    """Whether what holds an order does not end because of what became of its WMS orders."""
    if order.state != OrderState.HELD or order.reason in PERSON_DECIDES:
        return order.state == OrderState.HELD
    held_part = order.reason in HOLDS_WHAT_IS_UNSENT and not order.cancelled_at
    return held_part and bool(coverage.measure(order).uncovered)


def _untold(order: Order) -> list[tuple[str, bool]]:
    """Parcels that left and that Shopify is to be told of yet, each with why, and whether it is held.

    Units that Shopify no longer asks for do not count, once it knows the parcel by the others.
    """
    owed = (
        F("units__fulfilled")
        + F("units__sent_again")
        + Case(When(shopify_fulfillment_id__isnull=False, then=F("units__unwanted")), default=0)
    )
    parcels = Shipment.objects.filter(wms_order__order=order, units__quantity__gt=owed)
    parcels = parcels.exclude(state__in=[ShipmentState.CLOSED, ShipmentState.FULFILLED])
    parcels = parcels.distinct().order_by("id")
    rows = parcels.values_list("wms_shipment_id", "reason", "state")
    return [
        (f"{name}: {reason}"[:500], state in (ShipmentState.HELD, ShipmentState.CANCELLED))
        for name, reason, state in rows
    ]


def _stand_at(order: Order, state: OrderState) -> None:
    """With what its warehouses were asked since it changed at Shopify, as long as they are at work."""
    words = order.change_summary or (
        "Shopify asks for fewer units than warehouses have" if order.surplus else ""
    )
    if state == OrderState.SHIPPED or not words:
        stand(order, state)
    else:
        stand(order, state, Reason.CANCEL_ASKED if order.cancelled_at else Reason.EDITED, words)


def _from_live(live: set[str]) -> OrderState:
    if live == {WmsStatus.SHIPPED}:
        return OrderState.SHIPPED
    if live & set(BY_PARCELS):
        return OrderState.PARTIALLY_SHIPPED
    if live <= set(UNCONFIRMED):
        return OrderState.READY
    return OrderState.AT_WAREHOUSE
