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
from fulfillment.orders.stored import rows
from fulfillment.shopify.our_locations import OurLocations
from fulfillment.shopify.snapshots import OrderNode
from fulfillment.wms_order_states import ENDED, OVER
from inventory import commitments as noted_commitments
from ops import secrets
from ops.alerting.kinds import AlertKind
from ops.joined_rows import JoinedRows
from ops.secrets import Sealed
from shops.ids import ShopifyOrderId
from shops.models import Shop
from wms.vocabulary.statuses import WmsStatus

CLOSED_BY_READINGS = (
    alerts.orders.ORDER_UNREADABLE,
    alerts.orders.ORDER_HELD_BACK,
    alerts.orders.ORDER_MOVED,
)

_BESIDES = """
ARRAY(SELECT kind FROM ops_alert WHERE subject = %(subject)s AND kind = ANY(%(kinds)s) AND state = 'open'),
ARRAY(SELECT shopify_location_id FROM warehouse_locations WHERE shop_id = %(shop)s)
"""

_READ = "".join(
    (
        "SELECT",
        _BESIDES,
        """,
(SELECT json_agg(known) FROM wms_order_map AS part JOIN inventory_commitment AS known
 ON known.reference = part.external_id WHERE part.order_id = %(order)s),
""",
        order_rows.COLUMNS,
    )
)

_LOCKED = JoinedRows(its=Order)

_LOCK = f"""
SELECT {_LOCKED.columns} FROM fulfillment_order AS its WHERE its.shop_id = %s AND its.shopify_order_id = %s FOR UPDATE
"""  # noqa: S608

# We first heard of the order with the oldest job about it that is still stored.
_STORE_NEW = "".join(
    (
        """
INSERT INTO fulfillment_order (shop_id, shopify_order_id, name, state, reason, reason_detail, financial_status, is_test,
    cancelled_at, placed_at, shopify_updated_at, country, ship_to, shipping_method, received_at, read_at)
VALUES (%(shop)s, %(shopify_order_id)s, %(name)s, %(state)s, %(reason)s, '', %(financial_status)s, %(is_test)s,
    %(cancelled_at)s, %(placed_at)s, %(shopify_updated_at)s, %(country)s, %(ship_to)s, %(shipping_method)s,
    COALESCE((SELECT min(created_at) FROM ops_job WHERE subject = %(subject)s), statement_timestamp()), %(read_at)s)
ON CONFLICT (shop_id, shopify_order_id) DO NOTHING
RETURNING id, received_at, state_since,
""",
        _BESIDES,
    )
)

_STORED_AS_THEY_ARE = (
    "shopify_order_id",
    "name",
    "state",
    "reason",
    "financial_status",
    "is_test",
    "cancelled_at",
    "placed_at",
    "shopify_updated_at",
    "country",
    "shipping_method",
    "read_at",
)


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
    with connection.cursor() as cursor:
        cursor.execute(_READ, _named(order) | {"order": order.id})
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


def lock(shop: Shop, shopify_order_id: ShopifyOrderId) -> Order | None:
    """The locked row of an order; None if it was never read."""
    found = _LOCKED.first(_LOCK, [shop.id, shopify_order_id])
    if found is None:
        return None
    order: Order
    (order,) = found
    order.shop = shop
    return order


def lock_or_store(shop: Shop, node: OrderNode, *, is_known: bool) -> tuple[Order, StoredOrder | None]:
    """The locked row of an order; if the order is new, the row is stored, and what is stored of it is returned too.

    `is_known`: where to look first.
    """
    order = lock(shop, node.id) if is_known else None
    if order is not None:
        return order, None
    fresh = rows.new_order(shop, node)
    stored = _store_new(fresh)
    if stored is not None:
        return fresh, stored
    order = lock(shop, node.id)
    assert order is not None  # noqa: S101
    return order, None


def _store_new(order: Order) -> StoredOrder | None:
    """Store the row of an order that was never read, with one statement; returns what else is stored of it, which is no
    more than alerts. None, with nothing stored, if it was read before.

    Nobody else can have the order locked, or see it, before the transaction ends.
    """
    ship_to = secrets.sealed(order, "ship_to", order.ship_to)
    values = _named(order) | {name: getattr(order, name) for name in _STORED_AS_THEY_ARE}
    values["ship_to"] = ship_to.token if isinstance(ship_to, Sealed) else ship_to
    with connection.cursor() as cursor:
        cursor.execute(_STORE_NEW, values)
        stored = cursor.fetchone()
    if stored is None:
        return None
    order.id, order.received_at, order.state_since, open_alerts, locations = stored
    return StoredOrder(
        rows=OrderRows([], [], [], [], [], []),
        locations=OurLocations(frozenset(locations), everywhere=order.shop.routes_all_locations),
        commitments={},
        open_alerts=frozenset(open_alerts),
    )


def _named(order: Order) -> dict[str, Any]:
    return {
        "shop": order.shop_id,
        "subject": order.subject,
        "kinds": [kind.name for kind in CLOSED_BY_READINGS],
    }
