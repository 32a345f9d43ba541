"""Fulfilments of ours that were cancelled in Shopify although the goods left: found, shown to a person, decided
once."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from fulfillment import alerts, coverage, jobs, order_states
from fulfillment.models import Fulfillment, Order, Shipment, WmsOrderLine
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import FulfillmentState, ShipmentState
from fulfillment.readiness import OPEN_STATUSES
from fulfillment.refs import ShipmentPk
from fulfillment.shipments import held_shipments
from fulfillment.shopify import queries
from fulfillment.shopify.snapshots import OrderNode
from shops.ids import FulfillmentId, ShopifyOrderId
from shops.models import Shop

logger = structlog.get_logger(__name__)


def are_doubtful(rows: OrderRows, node: OrderNode) -> bool:
    """Whether a reading asks for more units of a line than warehouses were given and no fulfilment of ours has. Pure.

    Then our fulfilments must be checked before the reading is stored. Otherwise units that left would be taken for new
    ones.
    """
    fulfilled: dict[int, int] = {}
    for unit in rows.sent:
        fulfilled[unit.order_line_id] = fulfilled.get(unit.order_line_id, 0) + unit.fulfilled
    if not any(fulfilled.values()):
        return False
    asked: dict[int, int] = {}
    for work in node.fulfillment_orders.nodes:
        for line in work.line_items.nodes if work.status in OPEN_STATUSES else ():
            asked[line.line_item.id] = asked.get(line.line_item.id, 0) + line.remaining_quantity
    given = coverage.covered_units(rows.given)
    return any(
        asked.get(line.shopify_line_id, 0) > given.get(line.id, 0) - units
        for line in rows.lines
        if (units := fulfilled.get(line.id, 0))
    )


def check_order(shop: Shop, shopify_order_id: ShopifyOrderId) -> None:
    """Shopify says that a fulfilment of the order was cancelled: find out which. Raises what `execute` raises."""
    order = Order.objects.filter(shop=shop, shopify_order_id=shopify_order_id).first()
    if order is not None and Fulfillment.objects.filter(shipment__wms_order__order=order).exists():
        check(shop, order)


def check(shop: Shop, order: Order) -> set[FulfillmentId]:
    """Read the order's fulfilments, and record ours that were cancelled; returns the ids of all cancelled ones."""
    known = Fulfillment.objects.filter(shipment__wms_order__order=order).count()
    found = queries.fulfillments(shop, order.shopify_order_id, expected=known + 1)
    gone = {node.id for node in found if not node.is_live}
    record_cancelled(order, gone)
    return gone


@transaction.atomic
def record_cancelled(order: Order, gone: Collection[FulfillmentId]) -> int:
    """Record those of these cancelled fulfilments that are ours, so that their units count as unfulfilled; returns how
    many."""
    ours = Fulfillment.objects.filter(
        shipment__wms_order__order_id=order.id,
        state=FulfillmentState.CONFIRMED,
        shopify_fulfillment_id__in=gone,
    )
    if not gone or not ours.exists():
        return 0
    order = order_states.lock(order.id)
    rows = list(ours.select_related("shipment"))
    for each in rows:
        _record_cancelled_fulfillment(order, each)
    order_states.derive_state(order)
    return len(rows)


def _record_cancelled_fulfillment(order: Order, cancelled: Fulfillment) -> None:
    """Take the units off the shipment, and ask a person what becomes of them. The order is locked."""
    shipment = cancelled.shipment
    Fulfillment.objects.filter(id=cancelled.id).update(state=FulfillmentState.CANCELLED)
    for line, quantity in cancelled.units.items():
        shipment.units.filter(order_line__shopify_line_id=int(line)).update(
            fulfilled=Greatest(F("fulfilled") - quantity, 0)
        )
    others = shipment.fulfillments.filter(state=FulfillmentState.CONFIRMED).order_by("id")
    units = _unfulfilled_text(shipment)
    why = f"its fulfilment was cancelled in Shopify: {units}"
    Shipment.objects.filter(id=shipment.id).update(
        state=ShipmentState.CANCELLED,
        shopify_fulfillment_id=others.values_list("shopify_fulfillment_id", flat=True).first(),
        reason=why[:2000],
    )
    alerts.shipments.fulfillment_cancelled(order, shipment, units=units)
    logger.warning("fulfillment_cancelled", order=order.id, shipment=shipment.id, fulfillment=cancelled.id)


def _unfulfilled_text(shipment: Shipment) -> str:
    """The unfulfilled units of a shipment, as staff call them."""
    units = [unit for unit in shipment.units.select_related("order_line").order_by("id") if unit.unfulfilled]
    return ", ".join(f"{unit.unfulfilled} × {unit.order_line.label}" for unit in units)


def fulfill_again(shipment_pk: ShipmentPk, *, user_id: int | None) -> bool:
    """A person wants a new fulfilment of a shipment whose first was cancelled; False if there is nothing to decide."""
    return _record_decision(shipment_pk, user_id=user_id, state=ShipmentState.RECEIVED)


def send_again(shipment_pk: ShipmentPk, *, user_id: int | None) -> bool:
    """A person wants the units of a cancelled fulfilment sent once more: they count as given to nobody again.

    Returns False if no fulfilment of the shipment was cancelled, or if somebody has decided already. Before the units
    are routed, a reading finds out whether Shopify still asks for them.
    """
    return _record_decision(shipment_pk, user_id=user_id, state=ShipmentState.CLOSED)


@transaction.atomic
def _record_decision(shipment_pk: ShipmentPk, *, user_id: int | None, state: ShipmentState) -> bool:
    """Record the decision of a person, once, and request what follows from it; False if there is nothing to decide."""
    shipment = Shipment.objects.select_related("wms_order").get(id=shipment_pk)
    if shipment.wms_order is None:
        return False
    order = order_states.lock_of(shipment.wms_order)
    undecided = Shipment.objects.filter(id=shipment_pk, state=ShipmentState.CANCELLED)
    if not undecided.update(state=state, decided_by_id=user_id, reason=""):
        return False
    if state == ShipmentState.CLOSED:
        _mark_sent_again(shipment)
        held_shipments.close_held_alert(shipment)
        jobs.orders.read_order(order.shop, order.shopify_order_id)
    else:
        jobs.shipments.fulfill(order)
    alerts.shipments.FULFILLMENT_CANCELLED.close(shipment.subject)
    order_states.derive_state(order)
    logger.info("cancelled_fulfillment_decided", shipment=shipment_pk, order=order.id, to=state, user=user_id)
    return True


def _mark_sent_again(shipment: Shipment) -> None:
    """Count the unfulfilled units of a shipment as sent again, so that they are uncovered."""
    for unit in shipment.units.all():
        again = unit.unfulfilled
        if again:
            unit.sent_again += again
            unit.save(update_fields=["sent_again"])
            lines = WmsOrderLine.objects.filter(
                wms_order_id=shipment.wms_order_id, order_line_id=unit.order_line_id
            )
            lines.update(sent_again=F("sent_again") + again)
