"""Moves Shopify's fulfilment orders to the location of the chosen warehouse, so that Shopify counts the stock there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from django.db.models import F
from django.db.models.functions import Now

from fulfillment import alerts, jobs
from fulfillment.models import ShipmentUnit, WmsOrder, WmsOrderLine
from fulfillment.readiness import FULFILLABLE_STATUSES
from fulfillment.refs import WmsOrderPk
from fulfillment.shopify import our_locations, queries
from fulfillment.shopify.snapshots import FulfillmentOrderNode
from fulfillment.wms_order_states import CancellationPhase, phase
from inventory.stock.levels import mark_due
from shops.api.client import execute
from shops.api.gids import gid
from shops.api.shapes import Payload, parse
from shops.ids import FulfillmentOrderId, FulfillmentOrderLineId, LocationId, ShopifyLineId
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

Move = tuple[FulfillmentOrderId, dict[FulfillmentOrderLineId, int] | None]
"""A fulfilment order, and the units to move by fulfilment-order line id; None: all of it."""


def planned_moves(
    fulfillment_orders: Sequence[FulfillmentOrderNode],
    units: Mapping[ShopifyLineId, int],
    *,
    location_id: LocationId,
) -> list[Move]:
    """The moves after which all `units` (Shopify units by order line id) are at the location. Pure."""
    left = dict(units)
    for node in _fulfillable(fulfillment_orders):
        if node.location_id == location_id:
            _take_units(node, left)
    found: list[Move] = []
    for node in _fulfillable(fulfillment_orders):
        if node.location_id == location_id:
            continue
        taken = _take_units(node, left)
        whole = {
            line.id: line.remaining_quantity for line in node.line_items.nodes if line.remaining_quantity
        }
        if taken:
            found.append((node.id, None if taken == whole else taken))
    return found


def _fulfillable(fulfillment_orders: Sequence[FulfillmentOrderNode]) -> list[FulfillmentOrderNode]:
    return [node for node in fulfillment_orders if node.status in FULFILLABLE_STATUSES]


def _take_units(
    node: FulfillmentOrderNode, left: dict[ShopifyLineId, int]
) -> dict[FulfillmentOrderLineId, int]:
    """Take as many of the units in `left` as the fulfilment order has; returns them by fulfilment-order line id."""
    taken = {}
    for line in node.line_items.nodes:
        take = min(left.get(line.line_item.id, 0), line.remaining_quantity)
        if take:
            left[line.line_item.id] -= take
            taken[line.id] = take
    return taken


def _unfulfilled_units(row: WmsOrder) -> dict[ShopifyLineId, int]:
    """Shopify units by Shopify line id that the warehouse was given and that are not fulfilled at Shopify yet.

    Some of them may be shipped already.
    """
    units: dict[ShopifyLineId, int] = {}
    for line in WmsOrderLine.objects.filter(wms_order=row).select_related("order_line"):
        units[line.order_line.shopify_line_id] = -(-line.quantity // line.per_unit)
    done = ShipmentUnit.objects.filter(shipment__wms_order=row).annotate(
        done=F("fulfilled") + F("sent_again")
    )
    for line_id, quantity in done.values_list("order_line__shopify_line_id", "done"):
        units[line_id] -= quantity
    return units


def move(wms_order_pk: WmsOrderPk) -> None:
    """Move what is elsewhere to the warehouse's location. A refusal raises an alert. Safe to repeat: it reads first.

    Raises what `shops.api.client.execute` raises.
    """
    row = WmsOrder.objects.select_related("warehouse", "order__shop").get(id=wms_order_pk)
    order, shop, location = row.order, row.order.shop, row.warehouse.shopify_location_id
    if order.cancelled_at or phase(WmsStatus(row.wms_status)) == CancellationPhase.CANCELLED:
        return
    found = our_locations.of(shop).to_ship(queries.fulfillment_orders(shop, order.shopify_order_id))
    planned = planned_moves(found, _unfulfilled_units(row), location_id=location)
    moved = [_make_move(row, each) for each in planned]
    if all(moved):
        WmsOrder.objects.filter(id=row.id).update(at_location_since=Now())
    if any(moved):
        # The order is read for the new commitments, in case the webhook gets lost.
        jobs.orders.read_order(shop, order.shopify_order_id)
    mark_due(row.warehouse_id, list(row.lines.values_list("item_code", flat=True)))


def _make_move(row: WmsOrder, planned: Move) -> bool:
    """Make one move to the warehouse's location; if Shopify refuses it, raises an alert and returns False."""
    fulfillment_order_id, lines = planned
    variables = {
        "id": gid("FulfillmentOrder", fulfillment_order_id),
        "newLocationId": gid("Location", row.warehouse.shopify_location_id),
        "fulfillmentOrderLineItems": lines
        and [{"id": gid("FulfillmentOrderLineItem", i), "quantity": units} for i, units in lines.items()],
    }
    data = execute(row.order.shop, "fulfillment_order_move", variables).data
    refusal = parse(Payload, data.get("fulfillmentOrderMove"), changes=True).messages
    if refusal:
        alerts.routing.move_refused(row, said=refusal)
    else:
        logger.info("fulfillment_order_moved", order=row.order_id, fulfillment_order=fulfillment_order_id)
    return not refusal
