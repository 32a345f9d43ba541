"""Applies a new reading of an order to the work under way: the order goes on, waits, is held back or is cancelled."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from fulfillment import alerts, coverage, jobs, order_states, readiness
from fulfillment.coverage import Coverage
from fulfillment.models import Order
from fulfillment.models.states import OrderState, Reason, ShipmentState
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.orders.stored import stored_orders
from fulfillment.orders.stored.stored_orders import StoredOrder
from fulfillment.orders.topics import SOON_MADE
from fulfillment.reductions import surplus_review
from fulfillment.refs import order_key
from fulfillment.shipments import held_shipments
from fulfillment.wms_order_states import NOT_AT_THE_WMS
from fulfillment.wms_orders import attempts, cancellation
from ops.alerting.kinds import close_kinds
from ops.queue.jobs import wake
from ops.queue.kinds import AT_ONCE
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
    stored: StoredOrder,
    *,
    address_changed: bool,
    deferred_changed: bool = False,
    webhook_at: datetime | None = None,
) -> StoredOrder:
    """Apply a new reading to the work under way. The caller has locked the order; no other system is called.

    What has its effect already is not done again. `stored`: what is stored, with the new reading. `deferred_changed`:
    the units that may not go yet are not those of the reading before. `webhook_at`: the time of the first webhook about
    what was read. Returns what is stored then.
    """
    if verdict.state == OrderState.CANCELLED:
        cancellation.stop_order(order)
        stored = stored_orders.read(order)
    else:
        stored = _apply(
            order,
            verdict,
            stored,
            address_changed=address_changed,
            deferred_changed=deferred_changed,
            webhook_at=webhook_at,
        )
    if any(unit.shipment.state == ShipmentState.HELD and unit.unfulfilled for unit in stored.rows.sent):
        held_shipments.retry_changed(order)
    if not all(coverage.shows(order.read_at, unit.shipment) for unit in stored.rows.sent):
        # A fulfilment of ours became known while Shopify was read.
        jobs.orders.read_once_echoed(order.shop, order.shopify_order_id)
    return stored


def _apply(
    order: Order,
    verdict: readiness.Verdict,
    stored: StoredOrder,
    *,
    address_changed: bool,
    deferred_changed: bool,
    webhook_at: datetime | None,
) -> StoredOrder:
    """Apply a reading of an order that is not cancelled; returns what is stored then."""
    if stored.has_open(alerts.orders.ORDER_MOVED) or surplus_review.is_due(order, stored.rows):
        surplus_review.review(order, keep_unsent=verdict.state == OrderState.READY)
        stored = stored_orders.read(order)
    if (order.state, order.reason) == (OrderState.HELD, Reason.WMS_REJECTED):
        attempts.release_hold_if_decided(order)
    if verdict.state == OrderState.READY:
        waits_for_this = order.state in (OrderState.HELD, OrderState.READY)
        if address_changed:
            _address_changed(order)
        stored = _proceed(order, verdict, stored, deferred_changed=deferred_changed, webhook_at=webhook_at)
        if waits_for_this:
            wake(order_key(order.id))
    else:
        stored = _suspend(order, verdict, stored)
    if verdict.deferred and verdict.deferred.until:
        _reread_when_due(order, verdict.deferred.until)
    return stored


def _proceed(
    order: Order,
    verdict: readiness.Verdict,
    stored: StoredOrder,
    *,
    deferred_changed: bool,
    webhook_at: datetime | None,
) -> StoredOrder:
    """Have routed what may go, and hold back what a warehouse was given of the other units."""
    released = deferred_changed or order.state == OrderState.WAITING
    measured = coverage.of(order, stored.rows)
    if measured.held and (ending := _end_unsent(order, stored)):
        stored, measured = ending, coverage.of(order, ending.rows)
    order_states.mark_ready(
        order, newly_released=released, has_uncovered=bool(measured.uncovered), webhook_at=webhook_at
    )
    if measured.held and verdict.deferred:
        alerts.orders.order_held_back(order, reason=verdict.deferred.reason, detail=verdict.deferred.detail)
    elif stored.has_open(alerts.orders.ORDER_HELD_BACK):
        alerts.orders.ORDER_HELD_BACK.close(order.subject)
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return stored
    if not measured.uncovered:
        _derive_state(order, stored)
        return stored
    stays_held = order.state == OrderState.HELD and order.reason not in (
        Reason.NO_ADDRESS,
        Reason.NO_LOCATION,
    )
    begins = order.state == OrderState.WAITING or not stored.has_parts
    if not stays_held and begins:
        order_states.set_state(order, OrderState.READY, webhook_at=webhook_at)
    jobs.wms_orders.route(order)
    return stored


def _end_unsent(order: Order, stored: StoredOrder) -> StoredOrder | None:
    """End the parts for which no call was begun; returns what is stored then, or None if there are none."""
    if not any(part.wms_status == WmsStatus.PENDING for part in stored.rows.wms_orders):
        return None
    cancellation.end_unsent(order)
    return stored_orders.read(order)


def _derive_state(order: Order, stored: StoredOrder) -> None:
    """Derive the state of the order from its parts, unless it is plain that it has this state."""
    if not stored.has_derived_state(order):
        order_states.derive_state(order)


def _suspend(order: Order, verdict: readiness.Verdict, stored: StoredOrder) -> StoredOrder:
    """Nothing of the order may go for now: withdraw what was not sent, and set the state and alert that say why."""
    stored = _end_unsent(order, stored) or stored
    measured = coverage.of(order, stored.rows)
    # A person is needed for units that no warehouse was given yet.
    needs_person = verdict.state == OrderState.HELD and bool(measured.uncovered)
    if stored.has_parts and not needs_person:
        _update_held_back_alert(order, verdict, stored, measured)
        _derive_state(order, stored)
        return stored
    if verdict.state == OrderState.NOTHING_TO_SHIP and order.reason == Reason.WMS_CANCELLED:
        _accept_wms_cancellation(order)
        return stored
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return stored
    changed = order_states.set_state(order, verdict.state, verdict.reason, verdict.detail)
    if changed:
        alerts.routing.NO_WAREHOUSE.close(order.subject)
    if verdict.reason == Reason.NO_FULFILLMENT_ORDERS:
        jobs.orders.read_order(order.shop, order.shopify_order_id, delay=_reread_delay(order))
    is_open = stored.has_open(alerts.orders.ORDER_HELD_BACK)
    if verdict.state != OrderState.HELD:
        if is_open:
            alerts.orders.ORDER_HELD_BACK.close(order.subject)
    elif changed or not is_open:
        if verdict.reason == Reason.NO_LOCATION:
            alerts.orders.order_without_location(order)
        else:
            alerts.orders.order_without_address(order)
    return stored


def _reread_delay(order: Order) -> timedelta:
    """When to look again for the fulfilment orders: more and more rarely, but at once if one was made meanwhile that
    may be the order's."""
    waited = timezone.now() - order.received_at
    if waited < SOON_MADE and jobs.orders.is_one_noticed_since_reading(order.shop, order.shopify_order_id):
        return AT_ONCE
    return min(max(waited / 4, MIN_REREAD_DELAY), MAX_REREAD_DELAY)


def _update_held_back_alert(
    order: Order, verdict: readiness.Verdict, stored: StoredOrder, measured: Coverage
) -> None:
    """Open or close the alert about units that a warehouse has and that must not be sent for now.

    A hold or a date concerns only the units that it names. Any other reason concerns all units that were not sent.
    """
    if verdict.state == OrderState.NOTHING_TO_SHIP:
        return  # `surplus_review` stops surplus units, and raises the alert about them
    if measured.held if verdict.reason in readiness.DEFERRING_REASONS else stored.is_at_work:
        alerts.orders.order_held_back(order, reason=verdict.reason, detail=verdict.detail)
    elif stored.has_open(alerts.orders.ORDER_HELD_BACK):
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
