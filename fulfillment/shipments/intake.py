"""From a shipment callback to a Shipment, which is stored once however often it is reported."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from fulfillment import order_states
from fulfillment.models import Order, Shipment, ShipmentLine, WmsOrder
from fulfillment.models.states import ShipmentState
from fulfillment.refs import ShipmentPk
from fulfillment.shipments import repeated_reports, tracking
from fulfillment.shipments.counting import count_new, count_units
from fulfillment.wms_orders import status_updates
from ops import idempotency
from ops.errors import Throttled, Transient
from ops.idempotency import GuardState, RetentionWindow
from wms.callbacks.events import ShipmentEvent
from wms.ids import ConnectionPk, RemoteShipmentId

_SOON = timedelta(seconds=5)

_INSERTED = (
    *("connection_id", "wms_shipment_id", "wms_order_id", "remote_order_id", "state", "warehouse_code"),
    *("shipped_at", "reported_at", "tracking_number", "tracking_numbers", "tracking_urls", "carrier_code"),
)

_INSERT = """
INSERT INTO fulfillment_shipment (connection_id, wms_shipment_id, wms_order_id, wms_order_ref, state, reason,
    warehouse_code, shipped_at, reported_at, tracking_number, tracking_numbers, tracking_urls, carrier_code, emitted_at)
VALUES (%(connection_id)s, %(wms_shipment_id)s, %(wms_order_id)s, %(remote_order_id)s, %(state)s, '',
    %(warehouse_code)s, %(shipped_at)s, %(reported_at)s, %(tracking_number)s, %(tracking_numbers)s::varchar[],
    %(tracking_urls)s::text[], %(carrier_code)s,
    LEAST(GREATEST(%(reported_at)s, %(made_at)s), statement_timestamp()))
ON CONFLICT (connection_id, wms_shipment_id) DO NOTHING RETURNING id
"""


def receive(connection_pk: ConnectionPk, event: ShipmentEvent, *, occurred_at: datetime) -> None:
    """Record a shipment once, and request its fulfilment. A further report of a known shipment is compared with the
    first.

    Raises Blocked if its order is not known yet, Throttled if another worker records the same shipment.
    """
    identity = f"{connection_pk}:{event.wms_shipment_id}"
    with idempotency.guard(RetentionWindow.SHIPMENT, identity) as guard:
        if guard.state is GuardState.BUSY:
            raise Throttled("another worker is recording this shipment", wait=_SOON)
        row = status_updates.require_wms_order(connection_pk, event.wms_order_id, occurred_at=occurred_at)
        record_shipment(row, event, occurred_at=occurred_at)


@transaction.atomic
def record_shipment(row: WmsOrder, event: ShipmentEvent, *, occurred_at: datetime) -> Shipment | None:
    """Store the shipment and count its units; None if it was stored before, so that the report was only compared."""
    order = order_states.lock_of(row)
    shipment = _insert(row, event, identity=event.wms_shipment_id, occurred_at=occurred_at)
    if shipment is not None:
        tracking.report_unusable(order, shipment, event.tracking)
        count_new(order, shipment, repeated_reports.items(event))
        return shipment
    known, identity = repeated_reports.find_known(row, event)
    if known is None:
        return _store_twin(order, row, event, identity=identity, occurred_at=occurred_at)
    if repeated_reports.compare_report(order, known, event, occurred_at=occurred_at):
        count_units(order, known)
    return None


def _insert(
    row: WmsOrder, event: ShipmentEvent, *, identity: RemoteShipmentId, occurred_at: datetime
) -> Shipment | None:
    """Store a shipment without its lines; None if one with this id is stored already.

    The time of its first report is the WMS's time, but not before the WMS order was made, and not in the future.
    """
    shipment = Shipment(
        connection_id=row.warehouse.connection_id,
        wms_shipment_id=identity,
        wms_order=row,
        remote_order_id=event.wms_order_id,
        warehouse_code=event.warehouse_id,
        shipped_at=event.shipped_at,
        reported_at=occurred_at,
        **tracking.fields_of(event.tracking),
    )
    values = {name: getattr(shipment, name) for name in _INSERTED} | {"made_at": row.created_at}
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        stored = cursor.fetchone()
    if stored is None:
        return None
    shipment.id = stored[0]
    return shipment


def _store_twin(
    order: Order,
    row: WmsOrder,
    event: ShipmentEvent,
    *,
    identity: RemoteShipmentId,
    occurred_at: datetime,
) -> Shipment:
    """Store and hold a shipment whose own id is another order's. Raises Transient if that is not so any more."""
    shipment = _insert(row, event, identity=identity, occurred_at=occurred_at)
    if shipment is None:
        raise Transient("the shipment was just reported by another event")
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, item_code=item, quantity=units)
        for item, units in repeated_reports.items(event).items()
    )
    tracking.report_unusable(order, shipment, event.tracking)
    repeated_reports.hold_twin(order, shipment, event)
    return shipment


@transaction.atomic
def recheck_held(shipment_pk: ShipmentPk) -> bool:
    """A person removed the cause of a held shipment: count and report it again. False if it stays held."""
    shipment = Shipment.objects.select_related("wms_order").get(id=shipment_pk)
    if shipment.wms_order is None:
        return False
    order = order_states.lock_of(shipment.wms_order)
    shipment.refresh_from_db()
    return shipment.state == ShipmentState.HELD and count_units(order, shipment)
