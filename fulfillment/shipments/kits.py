"""Finds the shipments in which the items of one sold unit left, if they left in several. Pure, except for one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fulfillment.models import Shipment, ShipmentCount, WmsOrderLine

MAY_SHARE_UNITS = """
EXISTS (SELECT FROM fulfillment_wmsorderline AS line
         WHERE line.wms_order_id = part.id AND (line.per_unit > 1 OR EXISTS (
               SELECT FROM fulfillment_wmsorderline AS other
                WHERE other.wms_order_id = part.id AND other.order_line_id = line.order_line_id
                  AND other.id <> line.id)))
"""
"""A column of a statement: whether the WMS order `part` has kits or packs. Shipments bear it as `may_share_units`."""


@dataclass
class _Component:
    """Units of one item of a kit that left, in the order of counting: each running total with the shipment that reached
    it."""

    per_unit: int
    total: int = 0
    shipments: list[tuple[int, int]] = field(default_factory=list)

    def add(self, shipment_id: int, units: int) -> None:
        self.total += units
        self.shipments.append((self.total, shipment_id))

    def between(self, first: int, last: int) -> list[int]:
        """The shipments that brought the items of the kits number `first` up to, but without, number `last`."""
        start, end = first * self.per_unit, last * self.per_unit
        found, begin = [], 0
        for until, shipment_id in self.shipments:
            if begin < end and until > start:
                found.append(shipment_id)
            begin = until
        return found


def earlier_shipments(
    lines: Iterable[WmsOrderLine], counts: Iterable[tuple[int, int, int]]
) -> dict[int, list[int]]:
    """For each shipment that completes units: the other shipments that brought items of these units. Pure.

    `counts`: shipment id, WMS order line id and units, in the order of counting.
    """
    kits: dict[int, dict[int, _Component]] = {}
    kit_of: dict[int, int] = {}
    for line in lines:
        kits.setdefault(line.order_line_id, {})[line.id] = _Component(line.per_unit)
        kit_of[line.id] = line.order_line_id
    found: dict[int, set[int]] = {}
    for shipment_id, line_id, units in counts:
        parts = kits[kit_of[line_id]]
        before = _complete_units(parts)
        parts[line_id].add(shipment_id, units)
        for component in parts.values() if _complete_units(parts) > before else ():
            mine = found.setdefault(shipment_id, set())
            mine.update(component.between(before, _complete_units(parts)))
    others = {shipment_id: sorted(mine - {shipment_id}) for shipment_id, mine in found.items()}
    return {shipment_id: each for shipment_id, each in others.items() if each}


def _complete_units(parts: Mapping[int, _Component]) -> int:
    """Kits that are complete: the minimum over their components."""
    return min(part.total // part.per_unit for part in parts.values())


def shipments_of_same_units(shipment: Shipment) -> Sequence[Shipment]:
    """The other shipments that brought items of the units that this shipment completes, the oldest first."""
    if not getattr(shipment, "may_share_units", True):
        return []
    lines = list(shipment.wms_order.lines.all()) if shipment.wms_order else []
    if len({line.order_line_id for line in lines}) == len(lines) and all(x.per_unit == 1 for x in lines):
        return []
    counts = ShipmentCount.objects.filter(shipment__wms_order_id=shipment.wms_order_id).order_by("id")
    others = earlier_shipments(lines, counts.values_list("shipment_id", "wms_order_line_id", "quantity"))
    return list(Shipment.objects.filter(id__in=others.get(shipment.id, [])).order_by("id"))
