"""Applies a new reading of an order to the work under way: the order goes on, waits, is held back or is cancelled."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from fulfillment import alerts, coverage, jobs, order_states, readiness
from fulfillment.models import Order
from fulfillment.models.states import OrderState, Reason
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.reductions import surplus_review
from fulfillment.refs import order_key
from fulfillment.wms_order_states import NOT_AT_THE_WMS, NOT_ENDED, OVER
from fulfillment.wms_orders import attempts, cancellation
from ops.alerting.kinds import close_kinds
from ops.queue.jobs import wake
from wms.vocabulary.statuses import WmsStatus

MIN_REREAD_DELAY = timedelta(seconds=2)
MAX_REREAD_DELAY = timedelta(minutes=2)
MAX_OVERDUE_REREAD_DELAY = timedelta(hours=1)
NO_TIME = timedelta(0)

LONGEST_DELAY = timedelta(days=1)
"""No job waits for a date that is further ahead. The schedule finds the order when the date has come (rereading)."""


def apply(
    order: Order,
    verdict: readiness.Verdict,
    *,
    address_changed: bool,
    deferred_changed: bool = False,
    webhook_at: datetime | None = None,
) -> None:
    """Apply a new reading to the work under way. The caller has locked the order; no other system is called.

    `deferred_changed`: the units that may not go yet are not those of the reading before. `webhook_at`: the time of the
    first webhook about what was read.
    """
    if verdict.state == OrderState.CANCELLED:
        cancellation.stop_order(order)
        return
    surplus_review.review(order, keep_unsent=verdict.state == OrderState.READY)
    if (order.state, order.reason) == (OrderState.HELD, Reason.WMS_REJECTED):
        attempts.release_hold_if_decided(order)
    if verdict.state == OrderState.READY:
        waits_for_this = order.state in (OrderState.HELD, OrderState.READY)
        if address_changed:
            _address_changed(order)
        _proceed(order, verdict, deferred_changed=deferred_changed, webhook_at=webhook_at)
        if waits_for_this:
            wake(order_key(order.id))
    else:
        _suspend(order, verdict)
    if verdict.deferred and verdict.deferred.until:
        _reread_when_due(order, verdict.deferred.until)


def _proceed(
    order: Order, verdict: readiness.Verdict, *, deferred_changed: bool, webhook_at: datetime | None
) -> None:
    """Have routed what may go, and hold back what a warehouse was given of the other units."""
    released = deferred_changed or order.state == OrderState.WAITING
    measured = coverage.measure(order)
    if measured.held and cancellation.end_unsent(order):
        measured = coverage.measure(order)
    order_states.mark_ready(
        order, newly_released=released, has_uncovered=bool(measured.uncovered), webhook_at=webhook_at
    )
    if measured.held and verdict.deferred:
        alerts.orders.order_held_back(order, reason=verdict.deferred.reason, detail=verdict.deferred.detail)
    else:
        alerts.orders.ORDER_HELD_BACK.close(order.subject)
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return
    if not measured.uncovered:
        order_states.derive_state(order)
        return
    stays_held = order.state == OrderState.HELD and order.reason not in (
        Reason.NO_ADDRESS,
        Reason.NO_LOCATION,
    )
    begins = order.state == OrderState.WAITING or not order.wms_orders.filter(NOT_ENDED).exists()
    if not stays_held and begins:
        order_states.set_state(order, OrderState.READY, webhook_at=webhook_at)
    jobs.wms_orders.route(order)


def _suspend(order: Order, verdict: readiness.Verdict) -> None:
    """Nothing of the order may go for now: withdraw what was not sent, and set the state and alert that say why."""
    cancellation.end_unsent(order)
    sent = order.wms_orders.filter(NOT_ENDED).exists()
    if sent and not _needs_person(order, verdict):
        _update_held_back_alert(order, verdict)
        order_states.derive_state(order)
        return
    if verdict.state == OrderState.NOTHING_TO_SHIP and order.reason == Reason.WMS_CANCELLED:
        _accept_wms_cancellation(order)
        return
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return
    if order_states.set_state(order, verdict.state, verdict.reason, verdict.detail):
        alerts.routing.NO_WAREHOUSE.close(order.subject)
    if verdict.reason == Reason.NO_FULFILLMENT_ORDERS:
        waited = timezone.now() - order.received_at
        jobs.orders.read_order(
            order.shop, order.shopify_order_id, delay=min(max(waited / 4, MIN_REREAD_DELAY), MAX_REREAD_DELAY)
        )
    if verdict.state != OrderState.HELD:
        alerts.orders.ORDER_HELD_BACK.close(order.subject)
    elif verdict.reason == Reason.NO_LOCATION:
        alerts.orders.order_without_location(order)
    else:
        alerts.orders.order_without_address(order)


def _needs_person(order: Order, verdict: readiness.Verdict) -> bool:
    """Whether units that no warehouse was given yet wait for a person."""
    return verdict.state == OrderState.HELD and bool(coverage.measure(order).uncovered)


def _update_held_back_alert(order: Order, verdict: readiness.Verdict) -> None:
    """Open or close the alert about units that a warehouse has and that must not be sent for now.

    A hold or a date concerns only the units that it names. Any other reason concerns all units that were not sent.
    """
    if verdict.state == OrderState.NOTHING_TO_SHIP:
        return  # `surplus_review` stops surplus units, and raises the alert about them
    measured = coverage.measure(order)
    if measured.held if verdict.reason in readiness.DEFERRING_REASONS else _not_all_sent(order):
        alerts.orders.order_held_back(order, reason=verdict.reason, detail=verdict.detail)
    else:
        alerts.orders.ORDER_HELD_BACK.close(order.subject)


def _reread_when_due(order: Order, due: datetime) -> None:
    """Have the order read when the date of its deferred units comes, because the webhook may get lost.

    Shopify may be late to open them: the order is then read again, more and more rarely.
    """
    ahead = due - timezone.now()
    if ahead > LONGEST_DELAY:
        return
    late = min(max(-ahead / 4, MIN_REREAD_DELAY), MAX_OVERDUE_REREAD_DELAY)
    jobs.orders.read_order(
        order.shop, order.shopify_order_id, delay=late if ahead <= NO_TIME else ahead + MIN_REREAD_DELAY
    )


def _not_all_sent(order: Order) -> bool:
    """Whether a warehouse still has something to send of the order."""
    return order.wms_orders.exclude(wms_status__in=OVER).exists()


def _accept_wms_cancellation(order: Order) -> None:
    """No person has to decide on a cancellation by the WMS: the units were refunded, or others fulfilled them."""
    close_kinds(
        [alerts.wms_orders.WMS_CANCELLED, alerts.routing.CUSTOM_LINE, alerts.routing.NO_WAREHOUSE],
        order.subject,
    )
    shipped = order.wms_orders.filter(lines__shipped__gt=0).exists()
    order_states.set_state(order, OrderState.SHIPPED if shipped else OrderState.NOTHING_TO_SHIP)


def _address_changed(order: Order) -> None:
    """Submit refused WMS orders again with the new address. If a warehouse has the old address, raise an alert."""
    parts = order.wms_orders.exclude(wms_status=WmsStatus.CANCELLED)
    for part in parts.filter(wms_status=WmsStatus.REJECTED).select_related("warehouse__connection", "order"):
        jobs.wms_orders.submit(part)
    if parts.exclude(wms_status__in=[*NOT_AT_THE_WMS, WmsStatus.SHIPPED]).exists():
        alerts.orders.order_address_changed(order)
