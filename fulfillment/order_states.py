"""The state changes of an order, and the one lock under which everything about an order is decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce, Now

from fulfillment import coverage
from fulfillment.models import Order, Shipment, WmsOrder
from fulfillment.readiness import OF_A_PART
from fulfillment.states import ENDED as ENDED
from fulfillment.states import OrderState, Reason, ShipmentState
from wms.statuses import WmsStatus

logger = structlog.get_logger(__name__)

FIRST_LOOK_UP = timedelta(minutes=15)
"""The WMS is asked about an order of which it has told nothing for this long."""

SHIPPED = (WmsStatus.PARTIALLY_SHIPPED, WmsStatus.SHIPPED)

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


def look_up_later() -> dict[str, Any]:
    """What is written beside every news of a WMS order: the WMS need not be asked soon."""
    return {"look_up_at": Now() + FIRST_LOOK_UP}


def before_parcels(said: WmsStatus) -> WmsStatus:
    """What is recorded when a WMS calls an order `said`: only its shipments, with what they hold, make it shipped."""
    return WmsStatus.MANIFESTED if said in SHIPPED else said


def lock(order_id: int) -> Order:
    """The order, locked until the transaction ends. Taken before any of its WMS orders, levels or advisory locks."""
    return Order.objects.select_for_update(of=("self",)).select_related("shop").get(id=order_id)


def stand(order: Order, state: OrderState, reason: Reason = Reason.NONE, detail: str = "") -> bool:
    """Put the order into a state; False when it stood there already. The order is locked by the caller.

    `state_since` tells since when it stands there for this reason: other words for the same do not begin it anew.
    """
    as_before = When(state=state, reason=reason, then=F("state_since"))
    changed = (
        Order.objects.filter(id=order.id)
        .exclude(state=state, reason=reason, reason_detail=detail)
        .update(state=state, reason=reason, reason_detail=detail, state_since=Case(as_before, default=Now()))
    )
    order.state, order.reason, order.reason_detail = state, reason, detail
    if changed:
        logger.info("order_state", order=order.id, shop=order.shop_id, state=state, reason=reason)
    return bool(changed)


def arrival_key(connection_id: int, wms_order_id: str) -> str:
    """The park key of callbacks about a WMS order that we do not know yet: they may come before our call returns."""
    return f"wms_order:{connection_id}:{wms_order_id}"


def note_ready(order: Order, *, anew: bool = False) -> None:
    """Remember since when the order is ready: where submission lag is counted from.

    `anew`: it waited for Shopify until now, wholly or with a part that may go from now on.
    """
    since = Now() if anew else Coalesce("ready_at", Now())
    Order.objects.filter(id=order.id).update(ready_at=since)


def settle(order: Order) -> None:
    """Derive where an order stands from its WMS orders, unless a person has to decide. The order is locked.

    One of which everything that was sent is shipped, and a part is still to come, waits for that part.
    """
    rows = WmsOrder.objects.filter(order=order).values_list("wms_status", "rest_unwanted")
    statuses = {str(WmsStatus.SHIPPED) if rest_unwanted else status for status, rest_unwanted in rows}
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
        elif state == OrderState.SHIPPED and order.rest_reason:
            _wait_for_the_rest(order)
        else:
            _stand_at(order, state)


def _wait_for_the_rest(order: Order) -> None:
    measured = coverage.measure(order)
    goes = order.rest_reason in OF_A_PART and not order.shop.whole_orders_only
    if goes and measured.uncovered:
        stand(order, OrderState.READY)
    elif measured.unsent:
        stand(order, OrderState.WAITING, Reason(order.rest_reason), order.rest_detail)
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
        F("units__told")
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
    words = order.wish_words or ("Shopify asks for fewer units than warehouses have" if order.surplus else "")
    if state == OrderState.SHIPPED or not words:
        stand(order, state)
    else:
        stand(order, state, Reason.CANCEL_ASKED if order.cancelled_at else Reason.EDITED, words)


def _from_live(live: set[str]) -> OrderState:
    if live == {WmsStatus.SHIPPED}:
        return OrderState.SHIPPED
    if live & {WmsStatus.SHIPPED, WmsStatus.PARTIALLY_SHIPPED}:
        return OrderState.PARTIALLY_SHIPPED
    if live <= {WmsStatus.PENDING, WmsStatus.SUBMITTING}:
        return OrderState.READY
    return OrderState.AT_WAREHOUSE


NOT_ENDED = ~Q(wms_status__in=[str(status) for status in ENDED])
