"""Records a fulfilment that Shopify has: its units, and the new states of the shipment and the order."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Least, Now

from fulfillment import commitments, jobs, order_states
from fulfillment.models import Fulfillment, Shipment
from fulfillment.models.states import FulfillmentState, ShipmentState
from fulfillment.shipments import held_shipments
from fulfillment.shipments.tracking import tracking_input
from shops.ids import FulfillmentId, ShopifyLineId

logger = structlog.get_logger(__name__)


@transaction.atomic
def record(attempt: Fulfillment, shopify_fulfillment_id: FulfillmentId) -> bool:
    """Store which Shopify fulfilment an attempt became; returns False if that is stored already.

    It is stored even if the attempt was voided meanwhile: Shopify has the fulfilment, so it counts.
    """
    shipment = Shipment.objects.select_related("wms_order__warehouse").get(id=attempt.shipment_id)
    assert shipment.wms_order is not None  # noqa: S101
    order = order_states.lock_of(shipment.wms_order)
    if Fulfillment.objects.filter(shopify_fulfillment_id=shopify_fulfillment_id).exists():
        return False
    _store(attempt, shopify_fulfillment_id)
    for line, quantity in attempt.units.items():
        shipment.units.filter(order_line__shopify_line_id=int(line)).update(
            fulfilled=Least(F("fulfilled") + quantity, F("quantity") - F("sent_again"))
        )
    shipment.refresh_from_db()
    _update_shipment(shipment, shopify_fulfillment_id)
    commitments.after_fulfillment(shipment)
    order_states.derive_state(order)
    if attempt.tracking != tracking_input(shipment):
        jobs.shipments.update_tracking(shipment, order)
    logger.info("shipment_fulfilled", shipment=shipment.id, fulfillment=shopify_fulfillment_id)
    return True


def _store(attempt: Fulfillment, shopify_fulfillment_id: FulfillmentId) -> None:
    """Confirm the attempt. An adopted fulfilment had no attempt: it gets a row, and voids the attempt in flight."""
    confirmed = {"state": FulfillmentState.CONFIRMED, "shopify_fulfillment_id": shopify_fulfillment_id}
    if attempt.pk is not None:
        Fulfillment.objects.filter(id=attempt.pk).update(**confirmed)
        return
    in_flight = Fulfillment.objects.filter(shipment=attempt.shipment, state=FulfillmentState.IN_FLIGHT)
    in_flight.update(state=FulfillmentState.VOID)
    Fulfillment.objects.create(
        shipment=attempt.shipment, units=attempt.units, tracking=attempt.tracking, **confirmed
    )


def _update_shipment(shipment: Shipment, shopify_fulfillment_id: FulfillmentId) -> None:
    """Set the shipment's state after a fulfilment of some of its units.

    While units are unfulfilled, a held or cancelled shipment stays so. Once all are fulfilled, units that do not belong
    to the order keep the shipment held, for a person to decide.
    """
    more = bool(held_shipments.unfulfilled_units(shipment))
    in_flight = shipment.fulfillments.filter(state=FulfillmentState.IN_FLIGHT).exists()
    misfits = not more and bool(held_shipments.misfit_units(shipment))
    state = (
        ShipmentState.FULFILLING
        if in_flight
        else ShipmentState.RECEIVED
        if more
        else ShipmentState.HELD
        if misfits
        else ShipmentState.FULFILLED
    )
    kept = (ShipmentState.CANCELLED, ShipmentState.HELD) if more else ()
    Shipment.objects.filter(id=shipment.id).update(
        state=shipment.state if shipment.state in kept else state,
        reason=shipment.reason if misfits or shipment.state in kept else "",
        shopify_fulfillment_id=Coalesce("shopify_fulfillment_id", shopify_fulfillment_id),
        fulfilled_at=Coalesce("fulfilled_at", Now()),
    )
    if not more and not misfits:
        held_shipments.close_held_alert(shipment)


def units_as_json(units: Mapping[ShopifyLineId, int]) -> dict[str, int]:
    """Units by order line id as they are stored: JSON has only texts as keys."""
    return {str(line): quantity for line, quantity in units.items()}
