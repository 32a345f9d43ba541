"""Compares a further report of a known shipment with the stored one. The same id alone does not make it a duplicate."""

from __future__ import annotations

import hashlib
from datetime import datetime

import structlog
from django.db.models.functions import Greatest

from fulfillment import alerts
from fulfillment.models import Order, Shipment, ShipmentLine, WmsOrder
from fulfillment.models.states import ShipmentState
from fulfillment.shipments import tracking
from wms.callbacks.events import ShipmentEvent
from wms.ids import RemoteShipmentId

logger = structlog.get_logger(__name__)

_LONGEST_ID = 255


def items(event: ShipmentEvent) -> dict[str, int]:
    """The units of a report by item code."""
    units: dict[str, int] = {}
    for item in event.shipped_items:
        units[item.wms_item_code] = units.get(item.wms_item_code, 0) + item.quantity_shipped
    return {item: quantity for item, quantity in units.items() if quantity}


def find_known(row: WmsOrder, event: ShipmentEvent) -> tuple[Shipment | None, RemoteShipmentId]:
    """The shipment that is stored under this id for this WMS order, and the id under which a new one is to be stored.

    If the id belongs to a shipment of another order, the report names another shipment: a twin. The order is locked.
    """
    twin = _twin_id(event)
    stored = Shipment.objects.filter(
        connection_id=row.warehouse.connection_id, wms_shipment_id__in=[event.wms_shipment_id, twin]
    )
    rows = list(stored)
    mine = next((each for each in rows if each.remote_order_id == event.wms_order_id), None)
    return mine, twin if rows else event.wms_shipment_id


def _twin_id(event: ShipmentEvent) -> RemoteShipmentId:
    """The id of a shipment whose own id belongs to another order's shipment: it contains the order's id."""
    name = f"{event.wms_shipment_id} ({event.wms_order_id})"
    if len(name) <= _LONGEST_ID:
        return RemoteShipmentId(name)
    return RemoteShipmentId(f"{event.wms_shipment_id[:150]} {hashlib.sha256(name.encode()).hexdigest()}")


def hold_twin(order: Order, shipment: Shipment, event: ShipmentEvent) -> None:
    """Hold a shipment whose id was another order's, because nobody knows which of the two reports is wrong."""
    why = f"the id {event.wms_shipment_id} was reported before, as a shipment of another order"
    Shipment.objects.filter(id=shipment.id).update(state=ShipmentState.HELD, reason=why)
    alerts.shipments.shipment_id_reused(order, shipment, items=_units_text(items(event)), why=why)
    logger.warning("shipment_id_reused", shipment=shipment.id, order=order.id)


def compare_report(order: Order, shipment: Shipment, event: ShipmentEvent, *, occurred_at: datetime) -> bool:
    """Compare a further report with the stored shipment; returns whether there are units to count. The order is locked.

    More units are stored, and fewer units where the stored ones were not counted yet. A person is alerted about
    contradictions. If an older report has fewer units, a newer one overtook it, and it changes nothing.
    """
    reported, lines = items(event), {line.item_code: line for line in shipment.lines.all()}
    before = {item: line.quantity for item, line in lines.items()}
    older = shipment.reported_at is not None and occurred_at < shipment.reported_at
    more = {item: units for item, units in reported.items() if units > before.get(item, 0)}
    fewer = {item: reported.get(item, 0) for item, units in before.items() if reported.get(item, 0) < units}
    contradictions = _warehouse_contradictions(shipment, event)
    if older:
        contradictions += [f"an older report says {units} × {item}" for item, units in more.items()]
    else:
        contradictions += _lower_quantities(lines, fewer)
        _raise_quantities(shipment, lines, more)
    tracking.correct(order, shipment, event, occurred_at=occurred_at)
    tracking.report_unusable(order, shipment, event.tracking)
    if not older:
        tracking.close_if_usable(shipment, event.tracking)
        Shipment.objects.filter(id=shipment.id).update(
            reported_at=Greatest("reported_at", occurred_at),
            warehouse_code=shipment.warehouse_code or event.warehouse_id,
        )
    if contradictions:
        _report_contradictions(order, shipment, before, contradictions)
    elif not older and event.warehouse_id == shipment.warehouse_code:
        alerts.shipments.SHIPMENT_CONTRADICTED.close(shipment.subject)
    return not older and bool(more or fewer)


def _warehouse_contradictions(shipment: Shipment, event: ShipmentEvent) -> list[str]:
    """A text if the report names another warehouse than the stored shipment."""
    if not shipment.warehouse_code or event.warehouse_id in ("", shipment.warehouse_code):
        return []
    return [f"it left from warehouse {event.warehouse_id}, not {shipment.warehouse_code}"]


def _lower_quantities(lines: dict[str, ShipmentLine], fewer: dict[str, int]) -> list[str]:
    """Lower uncounted quantities at once; returns a text for each quantity that is counted already.

    Counted units may be in a fulfilment, and a shipment cannot be called back.
    """
    problems = []
    for item, units in fewer.items():
        line = lines[item]
        if units < line.counted:
            problems.append(f"{units} × {item} instead of {line.quantity}")
        line.quantity = max(units, line.counted)
        if line.quantity:
            line.save(update_fields=["quantity"])
        else:
            line.delete()
    return problems


def _raise_quantities(shipment: Shipment, lines: dict[str, ShipmentLine], more: dict[str, int]) -> None:
    """Store the higher quantities, and the items that are new."""
    for item, units in more.items():
        if item in lines:
            lines[item].quantity = units
            lines[item].save(update_fields=["quantity"])
        else:
            ShipmentLine.objects.create(shipment=shipment, item_code=item, quantity=units)


def _report_contradictions(
    order: Order, shipment: Shipment, before: dict[str, int], problems: list[str]
) -> None:
    alerts.shipments.shipment_contradicted(order, shipment, before=_units_text(before), problems=problems)
    logger.warning("shipment_contradicted", shipment=shipment.id, order=order.id)


def _units_text(units: dict[str, int]) -> str:
    return ", ".join(f"{quantity} × {item}" for item, quantity in sorted(units.items())) or "nothing"
