"""Reads what warehouses still work on for an order, and what Shopify asks for. `surplus` compares the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fulfillment.models import FulfillmentOrderLine, Order, OrderLine, WmsOrder, WmsOrderLine
from fulfillment.readiness import OPEN_STATUSES
from fulfillment.shopify.our_locations import SHIPPED_METHODS
from fulfillment.wms_order_states import NEVER_SENT_AGAIN
from shops.ids import LocationId

Units = dict[int, int]
"""Shopify units by order line (our row id)."""


@dataclass(frozen=True)
class Part:
    """A WMS order that is not over, with its lines."""

    row: WmsOrder
    lines: tuple[WmsOrderLine, ...]

    @property
    def location_id(self) -> LocationId:
        """The Shopify location of its warehouse."""
        return self.row.warehouse.shopify_location_id

    def given(self) -> Units:
        """Units that the warehouse was given."""
        return {line: max(-(-row.quantity // row.per_unit) for row in rows) for line, rows in self._by_line()}

    def shipped(self) -> Units:
        """Units that left completely. A kit leaves with its last item."""
        return {line: min(row.shipped // row.per_unit for row in rows) for line, rows in self._by_line()}

    def left(self) -> Units:
        """Units that the warehouse still has to send."""
        shipped = self.shipped()
        left = {line: units - shipped[line] for line, units in self.given().items()}
        return {line: units for line, units in left.items() if units > 0}

    def _by_line(self) -> list[tuple[int, list[WmsOrderLine]]]:
        rows: dict[int, list[WmsOrderLine]] = {}
        for each in self.lines:
            rows.setdefault(each.order_line_id, []).append(each)
        return list(rows.items())


@dataclass
class LineDemand:
    """What Shopify asks for of one order line, by location: of us, and of others. Held and scheduled units count, too.

    `known`: Shopify has fulfilment orders for the line. If they are missing (not made yet, not visible to us), that
    says nothing about what is wanted.
    """

    line: OrderLine
    ours: dict[LocationId | None, int] = field(default_factory=dict)
    others: dict[LocationId | None, int] = field(default_factory=dict)
    known: bool = False

    @property
    def wanted(self) -> int:
        """Units that Shopify asks us for by the last reading; all units of the line if it has no fulfilment orders."""
        return min(sum(self.ours.values()), self.line.quantity) if self.known else self.line.quantity


@dataclass(frozen=True)
class Work:
    """The parts under way, and what Shopify asks for by order line."""

    parts: tuple[Part, ...]
    demand: Mapping[int, LineDemand]


def read(order: Order) -> Work:
    """Read the work of an order. Takes two queries, or one if no warehouse is at work."""
    rows = (
        WmsOrderLine.objects.filter(wms_order__order=order)
        .exclude(wms_order__wms_status__in=NEVER_SENT_AGAIN)
        .select_related("order_line", "wms_order__warehouse__connection")
        .order_by("wms_order__part", "id")
    )
    by_part: dict[int, list[WmsOrderLine]] = {}
    for row in rows:
        by_part.setdefault(row.wms_order_id, []).append(row)
    parts = tuple(Part(lines[0].wms_order, tuple(lines)) for lines in by_part.values())
    for part in parts:
        part.row.order = order
    return Work(parts, _demand(order, parts) if parts else {})


def _demand(order: Order, parts: tuple[Part, ...]) -> dict[int, LineDemand]:
    """Sum up the remaining units of the fulfilment orders for the lines of these parts."""
    asked = {line.order_line_id: LineDemand(line.order_line) for part in parts for line in part.lines}
    rows = FulfillmentOrderLine.objects.filter(fulfillment_order__order=order, order_line__in=asked)
    for row in rows.select_related("fulfillment_order"):
        work, wants = row.fulfillment_order, asked[row.order_line_id]
        wants.known = True
        if work.status in OPEN_STATUSES and row.remaining_quantity:
            ours = work.is_ours and not work.at_foreign_service and work.delivery_method in SHIPPED_METHODS
            places = wants.ours if ours else wants.others
            places[work.location_id] = places.get(work.location_id, 0) + row.remaining_quantity
    return asked
