"""What a new reading of an order means for the work under way: go on, wait, hold back, or cancel."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from fulfillment import cancellation, coverage, enqueue, order_states, readiness
from fulfillment.models import Order
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.states import OrderState, Reason
from ops import jobs
from ops.alerts import close_alert, raise_alert
from ops.models import Severity
from wms.statuses import WmsStatus

SOONEST_LOOK = timedelta(seconds=2)
LATEST_LOOK = timedelta(minutes=2)


def follow(order: Order, verdict: readiness.Verdict, *, address_changed: bool) -> None:
    """What a new reading means for the work under way. The order is locked; nothing is called."""
    if verdict.state == OrderState.CANCELLED:
        cancellation.stop(order)
        return
    if verdict.state != OrderState.READY:
        _hold_back(order, verdict)
        return
    order_states.note_ready(order)
    if order.state in (OrderState.HELD, OrderState.READY):
        jobs.wake(f"order:{order.id}")
    close_alert("order_held_back", subject=order.subject)
    if address_changed:
        _address_changed(order)
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return
    _go_on(order)


def _go_on(order: Order) -> None:
    measured = coverage.measure(order)
    if measured.excess:
        _report_excess(order)
    if not measured.uncovered:
        order_states.settle(order)
        return
    stays_held = order.state == OrderState.HELD and order.reason != Reason.NO_ADDRESS
    if not stays_held and not order.wms_orders.filter(order_states.NOT_ENDED).exists():
        order_states.stand(order, OrderState.READY)
    enqueue.route(order)


def _hold_back(order: Order, verdict: readiness.Verdict) -> None:
    cancellation.withdraw_unsent(order)
    if order.wms_orders.filter(order_states.NOT_ENDED).exists():
        if verdict.state != OrderState.NOTHING_TO_SHIP:
            _report_held_after_submission(order, verdict)
        elif _at_work(order) and coverage.measure(order).excess:
            _report_excess(order)
        order_states.settle(order)
        return
    if order.state == OrderState.HELD and order.reason in PERSON_DECIDES:
        return
    if order_states.stand(order, verdict.state, verdict.reason, verdict.detail):
        close_alert("no_warehouse", subject=order.subject)
    if verdict.reason == Reason.NO_FULFILLMENT_ORDERS:
        waited = timezone.now() - order.received_at
        enqueue.read(
            order.shop, order.shopify_order_id, delay=min(max(waited / 4, SOONEST_LOOK), LATEST_LOOK)
        )
    if verdict.reason == Reason.NO_ADDRESS:
        _report_no_address(order)


def _at_work(order: Order) -> bool:
    """Whether a warehouse has not sent everything yet: what is refunded after that went back to the shop."""
    return order.wms_orders.filter(order_states.NOT_ENDED).exclude(wms_status=WmsStatus.SHIPPED).exists()


def _report_no_address(order: Order) -> None:
    raise_alert(
        "order_held_back",
        subject=order.subject,
        title=f"Order {order.name} has no complete shipping address",
        meaning="No warehouse can send it. Its customer waits.",
        action="Complete the address in Shopify (name, street, country): the order goes on by itself. If Shopify "
        "shows it complete, the app lacks access to protected customer data.",
    )


def _report_held_after_submission(order: Order, verdict: readiness.Verdict) -> None:
    raise_alert(
        "order_held_back",
        subject=order.subject,
        severity=Severity.CRITICAL,
        title=f"Order {order.name} was held back after it went to the warehouse: {verdict.reason.label}",
        meaning="The warehouse has the order, or may have it, and will ship it then.",
        action="If it must not ship, ask the warehouse to stop it, or cancel the order in Shopify.",
    )


def _report_excess(order: Order) -> None:
    raise_alert(
        "order_edited",
        subject=order.subject,
        title=f"Order {order.name} was reduced after it went to the warehouse",
        meaning="The warehouse will ship more than the customer now has ordered.",
        action="Ask the warehouse to take the removed units out, or expect them back as a return.",
    )


def _address_changed(order: Order) -> None:
    """A new address reaches orders that were not sent, or were refused; for the others a person is told."""
    parts = order.wms_orders.exclude(wms_status="cancelled")
    for part in parts.filter(wms_status="rejected").select_related("warehouse__connection", "order"):
        enqueue.submit(part)
    if parts.exclude(wms_status__in=["pending", "rejected", "shipped"]).exists():
        raise_alert(
            "order_address_changed",
            subject=order.subject,
            title=f"The address of order {order.name} changed after it went to the warehouse",
            meaning="The warehouse has the old address.",
            action="Tell the warehouse the new address before the parcel is packed.",
        )
