"""Reads what warehouses still work on for an order, and what Shopify asks for. `surplus` compares the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fulfillment import coverage
from fulfillment.models import FulfillmentOrderLine, Order, OrderLine, WmsOrder, WmsOrderLine
from fulfillment.models.order_rows import OrderRows
from fulfillment.readiness import OPEN_STATUSES
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
    parts = _parts(rows)
    for part in parts:
        part.row.order = order
    lines = {line.order_line_id for part in parts for line in part.lines}
    requests = FulfillmentOrderLine.objects.filter(fulfillment_order__order=order, order_line__in=lines)
    return Work(parts, _demand(parts, requests.select_related("fulfillment_order")) if parts else {})


def of(rows: OrderRows) -> Work:
    """The work of an order by its rows. Pure. Of the WMS orders and warehouses it has the fields that `rows` have."""
    parts = _parts(line for line in rows.given if line.wms_order.wms_status not in NEVER_SENT_AGAIN)
    return Work(parts, _demand(parts, rows.requests))


def _parts(lines: Iterable[WmsOrderLine]) -> tuple[Part, ...]:
    by_part: dict[int, list[WmsOrderLine]] = {}
    for line in lines:
        by_part.setdefault(line.wms_order_id, []).append(line)
    return tuple(Part(its[0].wms_order, tuple(its)) for its in by_part.values())


def _demand(parts: Iterable[Part], requests: Iterable[FulfillmentOrderLine]) -> dict[int, LineDemand]:
    """Sum up the remaining units of the fulfilment orders for the lines of these parts."""
    asked = {line.order_line_id: LineDemand(line.order_line) for part in parts for line in part.lines}
    for row in requests:
        if (wants := asked.get(row.order_line_id)) is None:
            continue
        work = row.fulfillment_order
        wants.known = True
        if work.status in OPEN_STATUSES and row.remaining_quantity:
            places = wants.ours if coverage.is_to_ship(work) else wants.others
            places[work.location_id] = places.get(work.location_id, 0) + row.remaining_quantity
    return asked
