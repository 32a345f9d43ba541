"""What is stored of an order when a reading of it comes: its rows, and what else a reading is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from fulfillment import alerts, commitments, order_states
from fulfillment.commitments import Commitments
from fulfillment.models import Order, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import OrderState, ShipmentState
from fulfillment.shopify.our_locations import OurLocations
from fulfillment.wms_order_states import ENDED, OVER
from inventory import commitments as noted_commitments
from ops.alerting.kinds import AlertKind
from wms.vocabulary.statuses import WmsStatus

CLOSED_BY_READINGS = (
    alerts.orders.ORDER_UNREADABLE,
    alerts.orders.ORDER_HELD_BACK,
    alerts.orders.ORDER_MOVED,
)

_READ = """
SELECT ARRAY(SELECT kind FROM ops_alert WHERE subject = %(subject)s AND kind = ANY(%(kinds)s) AND state = 'open'),
       ARRAY(SELECT shopify_location_id FROM warehouse_locations WHERE shop_id = %(shop)s),
       (SELECT json_agg(known) FROM wms_order_map AS part JOIN inventory_commitment AS known
        ON known.reference = part.external_id WHERE part.order_id = %(order)s),
"""


@dataclass(frozen=True)
class StoredOrder:
    """What is stored of an order.

    `open_alerts`: the kinds of those of its alerts that a reading may close. `locations`: those that are ours today.
    `commitments`: those that `inventory` knows.
    """

    rows: OrderRows
    locations: OurLocations
    commitments: Commitments
    open_alerts: frozenset[str]

    def has_open(self, kind: AlertKind) -> bool:
        """Whether the alert of this kind about the order is open."""
        return kind.name in self.open_alerts

    @property
    def has_parts(self) -> bool:
        """Whether a warehouse was given any of it, in a part that has not ended."""
        return any(part.wms_status not in ENDED for part in self.rows.wms_orders)

    @property
    def is_at_work(self) -> bool:
        """Whether a warehouse still has something to send of it."""
        return any(part.wms_status not in OVER for part in self.rows.wms_orders)

    def has_derived_state(self, order: Order) -> bool:
        """Whether the order certainly has the state that `order_states.derive_state` would derive from its parts.

        In the states that need more than the parts to derive, it says no.
        """
        if order.cancelled_at or order.reason or order.reason_detail or order.surplus or order.change_summary:
            return False
        statuses = {
            str(WmsStatus.SHIPPED) if part.remainder_unwanted else part.wms_status
            for part in self.rows.wms_orders
        }
        live = statuses - {str(status) for status in ENDED}
        if not live or order.state != order_states.state_of_live(live):
            return False
        if order.state == OrderState.SHIPPED:
            return not order.deferred_reason and all(
                unit.shipment.state == ShipmentState.FULFILLED for unit in self.rows.sent
            )
        return order.state in (OrderState.READY, OrderState.AT_WAREHOUSE)

    def update_commitments(self) -> None:
        """Tell `inventory` which units are committed, if it knows otherwise. Call it after everything else that locks
        stock levels."""
        wanted = commitments.of(self.rows)
        for reference, places in wanted.items():
            known = self.commitments.get(reference, {})
            if known != {place: units for place, units in places.items() if units}:
                noted_commitments.note(wanted)
                return


def read(order: Order) -> StoredOrder:
    """Read what is stored of a locked order, with one statement."""
    asked: dict[str, Any] = {
        "order": order.id,
        "shop": order.shop_id,
        "subject": order.subject,
        "kinds": [kind.name for kind in CLOSED_BY_READINGS],
    }
    with connection.cursor() as cursor:
        cursor.execute("".join((_READ, order_rows.COLUMNS)), asked)
        open_alerts, locations, committed, *columns = cursor.fetchone()
    noted: Commitments = {}
    for row in committed or ():
        units = noted.setdefault(row["reference"], {})
        units[row["warehouse_id"], row["item_code"]] = row["quantity"]
    return StoredOrder(
        rows=order_rows.of(order, columns),
        locations=OurLocations(frozenset(locations), everywhere=order.shop.routes_all_locations),
        commitments=noted,
        open_alerts=frozenset(open_alerts),
    )
