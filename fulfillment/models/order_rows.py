"""The rows that say what of an order is asked for, given to warehouses and sent, read with one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import DateTimeField, Model

from fulfillment.models.fulfillment_orders import FulfillmentOrder, FulfillmentOrderLine
from fulfillment.models.orders import Order, OrderLine
from fulfillment.models.shipments import Shipment, ShipmentUnit
from fulfillment.models.states import ShipmentState
from fulfillment.models.wms_orders import WmsOrder, WmsOrderLine
from wms.models import Warehouse
from wms.vocabulary.statuses import WmsStatus

M = TypeVar("M", bound=Model)
Row = dict[str, Any]

COLUMNS = """
(SELECT json_agg(line ORDER BY line.id) FROM order_line_items AS line WHERE line.order_id = %(order)s),
(SELECT json_agg(work ORDER BY work.id) FROM fulfillment_fulfillmentorder AS work WHERE work.order_id = %(order)s),
(SELECT json_agg(line ORDER BY line.id) FROM fulfillment_fulfillmentorder AS work
 JOIN fulfillment_fulfillmentorderline AS line ON line.fulfillment_order_id = work.id
 WHERE work.order_id = %(order)s),
(SELECT json_agg(its_parts) FROM (
    SELECT part.id, part.order_id, part.part, part.warehouse_id, part.external_id, part.wms_status, part.wish,
           part.finished_at, part.rest_unwanted, part.stands_here_since, place.shopify_location_id
    FROM wms_order_map AS part JOIN warehouse_locations AS place ON place.id = part.warehouse_id
    WHERE part.order_id = %(order)s ORDER BY part.part) AS its_parts),
(SELECT json_agg(line ORDER BY part.part, line.id) FROM wms_order_map AS part
 JOIN fulfillment_wmsorderline AS line ON line.wms_order_id = part.id WHERE part.order_id = %(order)s),
(SELECT json_agg(sent) FROM (
    SELECT sent.id, sent.wms_order_id, sent.wms_shipment_id, sent.state, sent.reason, sent.subtracted_from,
           COALESCE(sent.counted_at, sent.fulfilled_at) AS counted_at, sent.shopify_fulfillment_id
    FROM wms_order_map AS part JOIN fulfillment_shipment AS sent ON sent.wms_order_id = part.id
    WHERE part.order_id = %(order)s) AS sent),
(SELECT json_agg(unit ORDER BY unit.id) FROM wms_order_map AS part
 JOIN fulfillment_shipment AS sent ON sent.wms_order_id = part.id
 JOIN fulfillment_shipmentunit AS unit ON unit.shipment_id = sent.id WHERE part.order_id = %(order)s)
"""
"""A part of a statement, with the parameter `order`; `of` makes the rows of its columns. Call it in a transaction that
has locked the order, in a statement after the one that locked it: only that one sees what the last holder wrote."""


@dataclass
class OrderRows:
    """The rows of an order, each tied to those above it. WMS orders, their warehouses and shipments have only the
    fields that a decision about units needs; another field would be read when it is used.

    `requests`: the lines of the fulfilment orders. `given`: the lines of the WMS orders, in the order of the parts.
    `sent`: the units of the shipments. `moved`: by the ids of WMS orders, the statuses that they were given after the
    rows were read.
    """

    lines: list[OrderLine]
    fulfillment_orders: list[FulfillmentOrder]
    requests: list[FulfillmentOrderLine]
    wms_orders: list[WmsOrder]
    given: list[WmsOrderLine]
    sent: list[ShipmentUnit]
    moved: dict[int, str] = field(default_factory=dict)

    @property
    def statuses(self) -> set[str]:
        """The statuses of the WMS orders. One whose remainder nobody wants has shipped all that it will."""
        return {
            str(WmsStatus.SHIPPED) if part.remainder_unwanted else self.moved.get(part.id, part.wms_status)
            for part in self.wms_orders
        }

    @property
    def unreported(self) -> list[Shipment]:
        """The shipments with units of which Shopify does not know yet, the oldest first.

        Units that Shopify no longer asks for do not count once it knows the shipment by its other units.
        """
        found = {
            unit.shipment_id: unit.shipment
            for unit in self.sent
            if unit.shipment.state not in (ShipmentState.CLOSED, ShipmentState.FULFILLED)
            and unit.quantity
            > unit.fulfilled
            + unit.sent_again
            + (unit.unwanted if unit.shipment.shopify_fulfillment_id else 0)
        }
        return [found[number] for number in sorted(found)]


def read(order: Order) -> OrderRows:
    """Read the rows of an order."""
    with connection.cursor() as cursor:
        cursor.execute("".join(("SELECT", COLUMNS)), {"order": order.id})
        return of(order, cursor.fetchone())


def of(order: Order, columns: Sequence[list[Row] | None]) -> OrderRows:
    """The rows of an order from the values of COLUMNS."""
    lines, works, requests, parts, given, shipments, units = (column or [] for column in columns)
    fulfillment_orders = {row["id"]: instance(FulfillmentOrder, row) for row in works}
    wms_orders = {row["id"]: _part(order, row) for row in parts}
    sent = {row["id"]: instance(Shipment, row) for row in shipments}
    found = OrderRows(
        lines=[instance(OrderLine, row) for row in lines],
        fulfillment_orders=list(fulfillment_orders.values()),
        requests=[instance(FulfillmentOrderLine, row) for row in requests],
        wms_orders=list(wms_orders.values()),
        given=[instance(WmsOrderLine, row) for row in given],
        sent=[instance(ShipmentUnit, row) for row in units],
    )
    order_lines = {line.id: line for line in found.lines}
    for request in found.requests:
        request.fulfillment_order = fulfillment_orders[request.fulfillment_order_id]
        request.order_line = order_lines[request.order_line_id]
    for line in found.given:
        line.wms_order, line.order_line = wms_orders[line.wms_order_id], order_lines[line.order_line_id]
    for unit in found.sent:
        unit.shipment, unit.order_line = sent[unit.shipment_id], order_lines[unit.order_line_id]
    return found


def _part(order: Order, row: Row) -> WmsOrder:
    part = instance(WmsOrder, row)
    part.order = order
    part.warehouse = instance(
        Warehouse, {"id": row["warehouse_id"], "shopify_location_id": row["shopify_location_id"]}
    )
    return part


def instance(model: type[M], row: Row) -> M:
    """A row of a table as Django would have loaded it, with the fields that `row` has, as JSON."""
    fields = {str(each.column): each for each in model._meta.concrete_fields if each.column in row}
    values = [
        datetime.fromisoformat(row[name]) if row[name] and isinstance(each, DateTimeField) else row[name]
        for name, each in fields.items()
    ]
    return model.from_db(DEFAULT_DB_ALIAS, [each.attname for each in fields.values()], values)
