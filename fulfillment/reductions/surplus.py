"""Computes the surplus: units that warehouses were given, have not shipped, and that Shopify no longer asks us for.
Pure.

Shopify still asks for the units of a shipment that it does not know of. So the surplus may be found a little later, but
never too early. Units on hold and scheduled units are asked for, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fulfillment.models import Order
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions.units_at_work import LineDemand, Part, Units, Work
from wms.vocabulary.statuses import WmsStatus

SECOND_LOOK = timedelta(seconds=5)
"""After a reading that shows a new surplus, Shopify is read again after this time, before a WMS is asked for a
change."""

_EASY_FIRST = (
    WmsStatus.PENDING,
    WmsStatus.REJECTED,
    WmsStatus.ACCEPTED,
    WmsStatus.SUBMITTING,
    WmsStatus.UNKNOWN,
    WmsStatus.CANCEL_REQUESTED,
    WmsStatus.PICKING,
    WmsStatus.PACKED,
    WmsStatus.MANIFESTED,
    WmsStatus.PARTIALLY_SHIPPED,
)
_BEING_ASKED = (ChangeRequest.CANCEL_ASKED, ChangeRequest.REDUCTION_ASKED)
_DECLINED = (ChangeRequest.CANCEL_DECLINED, ChangeRequest.REDUCTION_DECLINED)


@dataclass(frozen=True)
class Surplus:
    """Units too many, by WMS order (our row id) and order line (our row id)."""

    by_part: Mapping[int, Units]

    def __bool__(self) -> bool:
        return bool(self.by_part)

    @property
    def units(self) -> Units:
        """The units by order line, of all WMS orders together."""
        total: Units = {}
        for units in self.by_part.values():
            for line, count in units.items():
                total[line] = total.get(line, 0) + count
        return total

    def units_of(self, part: Part) -> Units:
        """The units of one part that are too many."""
        return self.by_part.get(part.row.id, {})

    def is_all_of(self, part: Part) -> bool:
        """Whether none of the units are wanted that a part still has to send."""
        return bool(self.units_of(part)) and self.units_of(part) == part.left()


def measure(work: Work) -> Surplus:
    """The surplus by the last reading of Shopify's fulfilment orders."""
    return _distribute(work, {line: asked.wanted for line, asked in work.demand.items()})


def removed_or_refunded(work: Work) -> Surplus:
    """The surplus that does not depend on fulfilment orders: units that were removed from the order, or refunded.

    It is certain even while Shopify makes the fulfilment orders anew.
    """
    return _distribute(work, {line: asked.line.quantity for line, asked in work.demand.items()})


def confirmed(order: Order, work: Work, found: Surplus) -> Surplus:
    """The surplus for which a WMS may be asked: two readings showed it, or the units are gone from the order itself."""
    since = order.surplus and datetime.fromisoformat(order.surplus["since"])
    if since and order.read_at > since + SECOND_LOOK / 2:
        return found
    return limited_to(work, found, removed_or_refunded(work).units)


def limited_to(work: Work, found: Surplus, limit: Units) -> Surplus:
    """`found`, but of each line at most `limit` units."""
    wanted = _units_left(work.parts)
    for line, count in found.units.items():
        wanted[line] -= min(count, limit.get(line, 0))
    return _distribute(work, wanted)


def _units_left(parts: Iterable[Part]) -> Units:
    """Units that these parts still have to send, by order line."""
    left: Units = {}
    for part in parts:
        for line, count in part.left().items():
            left[line] = left.get(line, 0) + count
    return left


def _distribute(work: Work, wanted: Mapping[int, int]) -> Surplus:
    """Decide which parts have the units too many, if `wanted` units of each line are still wanted.

    First come parts at whose location Shopify asks for fewer units, then parts that are easy to stop. A part that was
    asked already comes before others, so that no two parts are stopped for the same unit.
    """
    found: dict[int, Units] = {}
    ranked = sorted(work.parts, key=_rank)
    for line, left in _units_left(work.parts).items():
        open_count = left - wanted.get(line, 0)
        asked = work.demand.get(line)
        for here_only in (True, False):
            for part in ranked:
                take = min(open_count, part.left().get(line, 0) - found.get(part.row.id, {}).get(line, 0))
                if here_only:
                    take = min(take, _too_many_here(part, line, work.parts, asked))
                if take > 0:
                    units = found.setdefault(part.row.id, {})
                    units[line] = units.get(line, 0) + take
                    open_count -= take
    return Surplus(found)


def _rank(part: Part) -> tuple[int, int, int]:
    """The order in which parts are chosen: those that are being asked first, those that declined last."""
    request = part.row.change_request
    turn = 0 if request in _BEING_ASKED else 2 if request in _DECLINED else 1
    return turn, _EASY_FIRST.index(WmsStatus(part.row.wms_status)), -part.row.part


def _too_many_here(part: Part, line: int, parts: Iterable[Part], asked: LineDemand | None) -> int:
    """Units that the parts of this location have beyond what Shopify asks for there."""
    here = _units_left(each for each in parts if each.location_id == part.location_id)
    return here.get(line, 0) - (asked.ours.get(part.location_id, 0) if asked else 0)
