"""From a shipment callback to a Shipment, which is stored once however often it is reported."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from fulfillment import alerts, order_states
from fulfillment.models import Shipment, ShipmentLine, WmsOrder, order_rows
from fulfillment.models.states import ShipmentState
from fulfillment.refs import ShipmentPk
from fulfillment.shipments import repeated_reports, tracking
from fulfillment.shipments.counting import Known, count_new, count_units
from fulfillment.wms_order_states import lock_named_by_wms
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
ON CONFLICT (connection_id, wms_shipment_id) DO NOTHING
RETURNING id, EXISTS (SELECT FROM ops_alert WHERE subject = %(subject)s AND kind = ANY(%(kinds)s) AND state = 'open'),
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
        if record_shipment(connection_pk, event, occurred_at=occurred_at):
            return
        status_updates.require_wms_order(connection_pk, event.wms_order_id, occurred_at=occurred_at)
        if not record_shipment(connection_pk, event, occurred_at=occurred_at):
            raise Transient("the WMS order became unknown again")


@transaction.atomic
def record_shipment(connection_pk: ConnectionPk, event: ShipmentEvent, *, occurred_at: datetime) -> bool:
    """Store a shipment of the WMS order that it names, and count its units; False if we know no such WMS order.

    If it was stored before, the report is only compared.
    """
    row = lock_named_by_wms(connection_pk, event.wms_order_id)
    if row is None:
        return False
    stored = _insert(row, event, identity=event.wms_shipment_id, occurred_at=occurred_at)
    if stored is None:
        _record_again(row, event, occurred_at=occurred_at)
    else:
        shipment, known = stored
        tracking.report_unusable(row.order, shipment, event.tracking)
        count_new(shipment, repeated_reports.items(event), known)
    return True


def _record_again(row: WmsOrder, event: ShipmentEvent, *, occurred_at: datetime) -> None:
    """Compare a report of a shipment whose id is known. It may be the id of another order's shipment."""
    order = row.order
    known, identity = repeated_reports.find_known(row, event)
    if known is None:
        _store_twin(row, event, identity=identity, occurred_at=occurred_at)
    elif repeated_reports.compare_report(order, known, event, occurred_at=occurred_at):
        count_units(order, known)


def _insert(
    row: WmsOrder, event: ShipmentEvent, *, identity: RemoteShipmentId, occurred_at: datetime
) -> tuple[Shipment, Known] | None:
    """Store a shipment without its lines; returns it with what is known of its order besides. None if one with this id
    is stored already.

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
    values = {name: getattr(shipment, name) for name in _INSERTED} | {
        "made_at": row.created_at,
        "order": row.order_id,
        "subject": row.subject,
        "kinds": [kind.name for kind in alerts.shipments.REPORT_MISSING],
    }
    with connection.cursor() as cursor:
        cursor.execute("".join((_INSERT, order_rows.COLUMNS)), values)
        stored = cursor.fetchone()
    if stored is None:
        return None
    shipment.id, is_missed, *columns = stored
    return shipment, Known(order_rows.of(row.order, columns), is_missed=is_missed)


def _store_twin(
    row: WmsOrder, event: ShipmentEvent, *, identity: RemoteShipmentId, occurred_at: datetime
) -> None:
    """Store and hold a shipment whose own id is another order's. Raises Transient if that is not so any more."""
    stored = _insert(row, event, identity=identity, occurred_at=occurred_at)
    if stored is None:
        raise Transient("the shipment was just reported by another event")
    shipment, _ = stored
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, item_code=item, quantity=units)
        for item, units in repeated_reports.items(event).items()
    )
    tracking.report_unusable(row.order, shipment, event.tracking)
    repeated_reports.hold_twin(row.order, shipment, event)


@transaction.atomic
def recheck_held(shipment_pk: ShipmentPk) -> bool:
    """A person removed the cause of a held shipment: count and report it again. False if it stays held."""
    shipment = Shipment.objects.select_related("wms_order").get(id=shipment_pk)
    if shipment.wms_order is None:
        return False
    order = order_states.lock_of(shipment.wms_order)
    shipment.refresh_from_db()
    return shipment.state == ShipmentState.HELD and count_units(order, shipment)
