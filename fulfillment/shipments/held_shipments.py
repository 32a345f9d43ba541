"""Shipments with units of which Shopify takes no fulfilment: held with every cause, and retried when a cause
changes."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, QuerySet, Sum, When
from django.db.models.functions import Now

from fulfillment import alerts, coverage, jobs, order_states
from fulfillment.models import FulfillmentOrderLine, Order, Shipment, ShipmentUnit
from fulfillment.models.states import FulfillmentState, OrderState, ShipmentState
from fulfillment.refs import ShipmentPk
from fulfillment.shipments import requested_units
from fulfillment.shipments.requested_units import HeldUnits, RequestedUnits
from ops.errors import Transient
from shops.ids import ShopifyLineId

logger = structlog.get_logger(__name__)

_MAY_HAVE_SOME = (
    OrderState.PARTIALLY_SHIPPED,
    OrderState.SHIPPED,
    OrderState.HELD,
    OrderState.CANCELLED,
)
"""States of orders that may have held shipments. After readings of other orders, nothing has to be looked up."""


def unfulfilled_units(shipment: Shipment) -> dict[ShopifyLineId, int]:
    """Units that still need a fulfilment, by Shopify's id of the order line."""
    rows = shipment.units.filter(quantity__gt=F("fulfilled") + F("sent_again")).annotate(
        left=F("quantity") - F("fulfilled") - F("sent_again")
    )
    return dict(rows.values_list("order_line__shopify_line_id", "left"))


def misfit_units(shipment: Shipment) -> dict[str, int]:
    """Units that do not belong to the WMS order, by item code."""
    rows = shipment.lines.filter(quantity__gt=F("counted")).annotate(left=F("quantity") - F("counted"))
    return dict(rows.order_by("item_code").values_list("item_code", "left"))


def stored_requests(order: Order) -> list[RequestedUnits]:
    """What Shopify asked for at the last reading."""
    lines = FulfillmentOrderLine.objects.filter(fulfillment_order__order=order)
    ours = coverage.fulfillment_orders_to_ship(order).values_list("id", flat=True)
    return requested_units.from_rows(
        lines.select_related("fulfillment_order", "order_line"), ours=frozenset(ours)
    )


@transaction.atomic
def hold_shipment(
    order: Order, shipment: Shipment, held: Sequence[HeldUnits], *, remaining: Sequence[RequestedUnits]
) -> None:
    """Hold the units of which Shopify takes no fulfilment now, until something changes, and alert a person.

    `remaining`: what Shopify asks for besides. Raises Transient if the shipment was changed since it was read.
    """
    order = order_states.lock(order.id)
    units: dict[ShopifyLineId, int] = {}
    for each in held:
        units[each.line_id] = units.get(each.line_id, 0) + each.units
    as_read = Q(attempt_at=shipment.attempt_at) if shipment.attempt_at else Q(attempt_at__isnull=True)
    under_way = Q(state__in=[ShipmentState.RECEIVED, ShipmentState.FULFILLING])
    waiting = Shipment.objects.filter(under_way & as_read, id=shipment.id)
    if unfulfilled_units(shipment) != units or not waiting.update(state=ShipmentState.HELD):
        raise Transient("the shipment was changed while Shopify was read")
    shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).update(state=FulfillmentState.VOID)
    known, cancelled = shipment.held_fingerprint, order.cancelled_at is not None
    fingerprint = requested_units.fingerprint(remaining, units, cancelled=cancelled)
    _store_unwanted(shipment, held)
    shipment.refresh_from_db(fields=["state", "shopify_fulfillment_id"])
    Shipment.objects.filter(id=shipment.id).update(
        held_fingerprint=fingerprint, reason=reason_text(shipment, held)[:2000]
    )
    if fingerprint != known and fingerprint != requested_units.fingerprint(
        stored_requests(order), units, cancelled=cancelled
    ):
        # The cause may be gone by now. A reading that showed this may have come before the hold was stored.
        jobs.orders.read_order(order.shop, order.shopify_order_id)
    _raise_alert(order, shipment, reason_text(shipment, held))
    order_states.derive_state(order)
    logger.warning("shipment_held", shipment=shipment.id, order=order.id, units=sum(units.values()))


def _store_unwanted(shipment: Shipment, held: Sequence[HeldUnits]) -> None:
    """Store how many of the held units Shopify does not ask for any more, by order line."""
    shipment.units.exclude(unwanted=0).update(unwanted=0)
    for each in held:
        if not each.wanted:
            shipment.units.filter(order_line__shopify_line_id=each.line_id).update(
                unwanted=F("unwanted") + each.units
            )


def reason_text(shipment: Shipment, held: Sequence[HeldUnits] = ()) -> str:
    """Every cause for which units of the shipment are held, with items and numbers."""
    names = (
        {
            unit.order_line.shopify_line_id: unit.order_line.label
            for unit in shipment.units.select_related("order_line")
        }
        if held
        else {}
    )
    texts = [f"{each.units} × {names.get(each.line_id, each.line_id)}: {each.why}" for each in held]
    return "; ".join([*texts, *_misfit_texts(shipment)])


def _misfit_texts(shipment: Shipment) -> list[str]:
    """For each item that does not fit the WMS order, how many units there are and why they do not fit."""
    over = misfit_units(shipment)
    if not over:
        return [] if shipment.lines.exists() else ["the report names no items"]
    lines = shipment.wms_order.lines.filter(item_code__in=over) if shipment.wms_order else ()
    known = {line.item_code for line in lines}
    return [
        f"{units} × {item}: "
        + (
            "more than the warehouse was asked for"
            if item in known
            else "an item that the order does not have"
        )
        for item, units in over.items()
    ]


def hold_misfits(order: Order, shipment: Shipment) -> None:
    """Hold the units that do not belong to the WMS order. The units that fit go on. The order is locked."""
    text = reason_text(shipment)
    Shipment.objects.filter(id=shipment.id).update(reason=text[:2000])
    _raise_alert(order, shipment, text)
    logger.warning("shipment_misfits", shipment=shipment.id, order=order.id)


def _raise_alert(order: Order, shipment: Shipment, text: str) -> None:
    """Alert a person about a held shipment; the alert says whether a part of it has a fulfilment."""
    fulfilled = ShipmentUnit.objects.filter(shipment=shipment).aggregate(units=Sum("fulfilled"))["units"]
    alerts.shipments.shipment_held(order, shipment, reason=text, partly_fulfilled=bool(fulfilled))


def retry_changed(order: Order) -> bool:
    """After a reading: retry the order's held shipments whose cause changed. The order is locked."""
    if order.state not in _MAY_HAVE_SOME:
        return False
    held = [
        each
        for each in _held_shipments(order).prefetch_related("units__order_line")
        if _unfulfilled_line_ids(each)
    ]
    if not held:
        return False
    now, cancelled = stored_requests(order), order.cancelled_at is not None
    changed = [
        each.id
        for each in held
        if requested_units.fingerprint(now, _unfulfilled_line_ids(each), cancelled=cancelled)
        != each.held_fingerprint
    ]
    if changed:
        Shipment.objects.filter(id__in=changed).update(state=ShipmentState.RECEIVED, resumed_at=resumed_at())
        jobs.shipments.fulfill(order)
        logger.info("held_shipments_tried_again", order=order.id, shipments=len(changed))
    return bool(changed)


def resumed_at() -> Case:
    """The time from which a shipment waits for its fulfilment: unchanged if it was waiting already, otherwise now."""
    was = When(state__in=[ShipmentState.RECEIVED, ShipmentState.FULFILLING], then=F("resumed_at"))
    return Case(was, default=Now(), output_field=DateTimeField())


def _held_shipments(order: Order) -> QuerySet[Shipment]:
    return Shipment.objects.filter(wms_order__order=order, state=ShipmentState.HELD)


def _unfulfilled_line_ids(shipment: Shipment) -> list[int]:
    """Shopify's ids of the order lines with unfulfilled units."""
    return [unit.order_line.shopify_line_id for unit in shipment.units.all() if unit.unfulfilled]


def close_held_alert(shipment: Shipment) -> None:
    """No unit of the shipment is held any more."""
    alerts.shipments.SHIPMENT_HELD.close(shipment.subject)


@transaction.atomic
def close_shipment(shipment_pk: ShipmentPk, *, user_id: int | None) -> bool:
    """A person decided to report nothing more of a shipment; False if none of it waits for a person."""
    shipment = Shipment.objects.select_related("wms_order").get(id=shipment_pk)
    if shipment.wms_order is None:
        return False
    order = order_states.lock_of(shipment.wms_order)
    waiting = Shipment.objects.filter(id=shipment_pk, state__in=[ShipmentState.HELD, ShipmentState.CANCELLED])
    closed = {"state": ShipmentState.CLOSED, "counted_at": Now(), "subtracted_from": None}
    if not waiting.update(**closed, decided_by_id=user_id):
        return False
    # Only a reading that is asked for from now on certainly shows the fulfilment that has its units.
    jobs.orders.read_order(order.shop, order.shopify_order_id)
    close_held_alert(shipment)
    alerts.shipments.FULFILLMENT_CANCELLED.close(shipment.subject)
    order_states.derive_state(order)
    logger.info("shipment_closed", shipment=shipment_pk, order=order.id, user=user_id)
    return True
