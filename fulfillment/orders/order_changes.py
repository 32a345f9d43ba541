"""What a new reading of an order means for the work under way: go on, wait, hold back, or cancel."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from fulfillment import coverage, jobs, order_states, readiness
from fulfillment.models import Order
from fulfillment.models.states import OrderState, Reason
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.reductions import withdrawal
from fulfillment.wms_order_states import NOT_AT_THE_WMS, NOT_ENDED, OVER
from fulfillment.wms_orders import attempts, cancellation
from ops.alerting.alerts import close_alert, raise_alert
from ops.models import Severity
from ops.queue.jobs import wake
from wms.statuses import WmsStatus

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
    noticed: datetime | None = None,
) -> None:
    """What a new reading means for the work under way. The order is locked; nothing is called.

    `part_opened`: what of it may not go yet is not what it was. `noticed`: when Shopify first told of what was read.
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
        _go_on(order, verdict, anew=anew, noticed=noticed)
        if waits_for_this:
            wake(f"order:{order.id}")
    else:
        _hold_back(order, verdict)
    if verdict.rest and verdict.rest.at:
        _look_again_when_it_is_due(order, verdict.rest.at)


def _go_on(order: Order, verdict: readiness.Verdict, *, anew: bool, noticed: datetime | None) -> None:
    """What may go goes; what a warehouse was given of the rest is held back."""
    measured = coverage.measure(order)
    if measured.held and cancellation.withdraw_unsent(order):
        measured = coverage.measure(order)
    order_states.note_ready(order, anew=anew, owes=bool(measured.uncovered), noticed=noticed)
    if measured.held and verdict.rest:
        _report_held_after_submission(order, verdict.rest)
    else:
        close_alert("order_held_back", subject=order.subject)
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
        order_states.stand(order, OrderState.READY, noticed=noticed)
    jobs.route(order)


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
        close_alert("no_warehouse", subject=order.subject)
    if verdict.reason == Reason.NO_FULFILLMENT_ORDERS:
        waited = timezone.now() - order.received_at
        jobs.read_order(
            order.shop, order.shopify_order_id, delay=min(max(waited / 4, SOONEST_LOOK), LATEST_LOOK)
        )
    if verdict.state == OrderState.HELD:
        _report_cannot_be_sent(order, verdict.reason)
    else:
        close_alert("order_held_back", subject=order.subject)


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
        _report_held_after_submission(order, verdict)
    else:
        close_alert("order_held_back", subject=order.subject)


def _look_again_when_it_is_due(order: Order, due: datetime) -> None:
    """A scheduled part opens by itself. Its notice may get lost, and Shopify may be late: then more and more rarely."""
    ahead = due - timezone.now()
    if ahead > BACKFILL_LOOKS:
        return
    late = min(max(-ahead / 4, SOONEST_LOOK), MOST_LATE_LOOK)
    jobs.read_order(
        order.shop, order.shopify_order_id, delay=late if ahead <= NO_TIME else ahead + SOONEST_LOOK
    )


def _at_work(order: Order) -> bool:
    """Whether a warehouse has not sent everything yet: what is refunded after that went back to the shop."""
    return order.wms_orders.exclude(wms_status__in=OVER).exists()


def _nobody_decides(order: Order) -> None:
    """What the WMS cancelled was refunded, or fulfilled by others: the cancellation is what was wanted."""
    for kind in ("wms_cancelled", "custom_line", "no_warehouse"):
        close_alert(kind, subject=order.subject)
    shipped = order.wms_orders.filter(lines__shipped__gt=0).exists()
    order_states.stand(order, OrderState.SHIPPED if shipped else OrderState.NOTHING_TO_SHIP)


def _report_cannot_be_sent(order: Order, reason: Reason) -> None:
    if reason == Reason.NO_LOCATION:
        raise_alert(
            "order_held_back",
            subject=order.subject,
            shop=order.shop.domain,
            title=f"Shopify names no location for order {order.name} of {order.shop.domain}",
            meaning="Nobody can tell whether it is ours to send, so nobody does. Its customer waits.",
            action="Assign its fulfilment order to a location in Shopify: it goes on by itself. If Shopify shows one, "
            "the app lacks the scope read_locations.",
        )
        return
    raise_alert(
        "order_held_back",
        subject=order.subject,
        shop=order.shop.domain,
        title=f"Order {order.name} of {order.shop.domain} has no complete shipping address",
        meaning="No warehouse can send it. Its customer waits.",
        action="Complete the address in Shopify (name, street, country): the order goes on by itself. If Shopify "
        "shows it complete, the app lacks access to protected customer data.",
    )


def _report_held_after_submission(order: Order, held: readiness.Verdict | readiness.Rest) -> None:
    raise_alert(
        "order_held_back",
        subject=order.subject,
        shop=order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"Order {order.name} of {order.shop.domain} was held back after it went to the warehouse: "
        f"{held.reason.label}",
        meaning=f"The warehouse has it, or may have it, and will ship it then. {held.detail}".strip(),
        action="If it must not ship, ask the warehouse to stop it, or cancel the order in Shopify.",
    )


def _address_changed(order: Order) -> None:
    """A new address reaches orders that were not sent, or were refused; for the others a person is told."""
    parts = order.wms_orders.exclude(wms_status=WmsStatus.CANCELLED)
    for part in parts.filter(wms_status=WmsStatus.REJECTED).select_related("warehouse__connection", "order"):
        jobs.submit(part)
    if parts.exclude(wms_status__in=[*NOT_AT_THE_WMS, WmsStatus.SHIPPED]).exists():
        raise_alert(
            "order_address_changed",
            subject=order.subject,
            shop=order.shop.domain,
            title=f"The address of order {order.name} changed after it went to the warehouse",
            meaning="The warehouse has the old address.",
            action="Tell the warehouse the new address before the parcel is packed.",
        )
