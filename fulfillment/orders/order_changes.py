"""What a new reading of an order means for the work under way: go on, wait, hold back, or cancel."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from fulfillment import alerts, coverage, jobs, order_states, readiness
from fulfillment.models import Order
from fulfillment.models.states import OrderState, Reason
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.reductions import withdrawal
from fulfillment.refs import order_key
from fulfillment.wms_order_states import NOT_AT_THE_WMS, NOT_ENDED, OVER
from fulfillment.wms_orders import attempts, cancellation
from ops.alerting.kinds import close_kinds
from ops.queue.jobs import wake
from wms.vocabulary.statuses import WmsStatus

SOONEST_LOOK = timedelta(seconds=2)
LATEST_LOOK = timedelta(minutes=2)
MOST_LATE_LOOK = timedelta(hours=1)
NO_TIME = timedelta(0)

BACKFILL_LOOKS = timedelta(days=1)
"""Further ahead no job waits for the date: the schedule finds the order when it has come (rereading)."""


def follow(
    order: Order,
    verdict: readiness.Verdict,
    *,
    address_changed: bool,
    part_opened: bool = False,
    webhook_at: datetime | None = None,
) -> None:
    """What a new reading means for the work under way. The order is locked; nothing is called.

    `part_opened`: what of it may not go yet is not what it was. `webhook_at`: the time of the first webhook about it.
    """
    if verdict.state == OrderState.CANCELLED:
        cancellation.stop(order)
        return
    withdrawal.follow(order, goes=verdict.state == OrderState.READY)
    if (order.state, order.reason) == (OrderState.HELD, Reason.WMS_REJECTED):
        attempts.release_unless_in_question(order)
    if verdict.state == OrderState.READY:
        waits_for_this = order.state in (OrderState.HELD, OrderState.READY)
        if address_changed:
            _address_changed(order)
        anew = part_opened or order.state == OrderState.WAITING
        _go_on(order, verdict, anew=anew, webhook_at=webhook_at)
        if waits_for_this:
            wake(order_key(order.id))
    else:
        _hold_back(order, verdict)
    if verdict.rest and verdict.rest.at:
        _look_again_when_it_is_due(order, verdict.rest.at)


def _go_on(order: Order, verdict: readiness.Verdict, *, anew: bool, webhook_at: datetime | None) -> None:
    """What may go goes; what a warehouse was given of the rest is held back."""
    measured = coverage.measure(order)
    if measured.held and cancellation.withdraw_unsent(order):
        measured = coverage.measure(order)
    order_states.note_ready(order, anew=anew, owes=bool(measured.uncovered), webhook_at=webhook_at)
    if measured.held and verdict.rest:
        alerts.orders.order_held_back(order, reason=verdict.rest.reason, detail=verdict.rest.detail)
    else:
        alerts.orders.ORDER_HELD_BACK.close(order.subject)
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return
    if not measured.uncovered:
        order_states.settle(order)
        return
    stays_held = order.state == OrderState.HELD and order.reason not in (
        Reason.NO_ADDRESS,
        Reason.NO_LOCATION,
    )
    begins = order.state == OrderState.WAITING or not order.wms_orders.filter(NOT_ENDED).exists()
    if not stays_held and begins:
        order_states.stand(order, OrderState.READY, webhook_at=webhook_at)
    jobs.wms_orders.route(order)


def _hold_back(order: Order, verdict: readiness.Verdict) -> None:
    """Nothing more of it goes for now."""
    cancellation.withdraw_unsent(order)
    sent = order.wms_orders.filter(NOT_ENDED).exists()
    if sent and not _is_for_a_person(order, verdict):
        _tell_of_what_was_sent(order, verdict)
        order_states.settle(order)
        return
    if verdict.state == OrderState.NOTHING_TO_SHIP and order.reason == Reason.WMS_CANCELLED:
        _nobody_decides(order)
        return
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return
    if order_states.stand(order, verdict.state, verdict.reason, verdict.detail):
        alerts.routing.NO_WAREHOUSE.close(order.subject)
    if verdict.reason == Reason.NO_FULFILLMENT_ORDERS:
        waited = timezone.now() - order.received_at
        jobs.orders.read_order(
            order.shop, order.shopify_order_id, delay=min(max(waited / 4, SOONEST_LOOK), LATEST_LOOK)
        )
    if verdict.state != OrderState.HELD:
        alerts.orders.ORDER_HELD_BACK.close(order.subject)
    elif verdict.reason == Reason.NO_LOCATION:
        alerts.orders.order_without_location(order)
    else:
        alerts.orders.order_without_address(order)


def _is_for_a_person(order: Order, verdict: readiness.Verdict) -> bool:
    """Whether a person must see to what no warehouse has yet."""
    return verdict.state == OrderState.HELD and bool(coverage.measure(order).uncovered)


def _tell_of_what_was_sent(order: Order, verdict: readiness.Verdict) -> None:
    """A hold or a date concerns the warehouse only as far as it has those units; another reason concerns all that it
    has not sent."""
    if verdict.state == OrderState.NOTHING_TO_SHIP:
        return  # what is too many by that is told, and stopped, by `withdrawal`
    measured = coverage.measure(order)
    if measured.held if verdict.reason in readiness.OF_A_PART else _at_work(order):
        alerts.orders.order_held_back(order, reason=verdict.reason, detail=verdict.detail)
    else:
        alerts.orders.ORDER_HELD_BACK.close(order.subject)


def _look_again_when_it_is_due(order: Order, due: datetime) -> None:
    """Look at the order when its scheduled part opens: the webhook may get lost. Shopify may be late, so the looks
    become rarer and rarer."""
    ahead = due - timezone.now()
    if ahead > BACKFILL_LOOKS:
        return
    late = min(max(-ahead / 4, SOONEST_LOOK), MOST_LATE_LOOK)
    jobs.orders.read_order(
        order.shop, order.shopify_order_id, delay=late if ahead <= NO_TIME else ahead + SOONEST_LOOK
    )


def _at_work(order: Order) -> bool:
    """Whether a warehouse has not sent everything yet: what is refunded after that went back to the shop."""
    return order.wms_orders.exclude(wms_status__in=OVER).exists()


def _nobody_decides(order: Order) -> None:
    """What the WMS cancelled was refunded, or fulfilled by others: the cancellation is what was wanted."""
    close_kinds(
        [alerts.wms_orders.WMS_CANCELLED, alerts.routing.CUSTOM_LINE, alerts.routing.NO_WAREHOUSE],
        order.subject,
    )
    shipped = order.wms_orders.filter(lines__shipped__gt=0).exists()
    order_states.stand(order, OrderState.SHIPPED if shipped else OrderState.NOTHING_TO_SHIP)


def _address_changed(order: Order) -> None:
    """A new address reaches orders that were not sent, or were refused; for the others a person is told."""
    parts = order.wms_orders.exclude(wms_status=WmsStatus.CANCELLED)
    for part in parts.filter(wms_status=WmsStatus.REJECTED).select_related("warehouse__connection", "order"):
        jobs.wms_orders.submit(part)
    if parts.exclude(wms_status__in=[*NOT_AT_THE_WMS, WmsStatus.SHIPPED]).exists():
        alerts.orders.order_address_changed(order)
