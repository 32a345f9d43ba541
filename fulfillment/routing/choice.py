"""Chooses the warehouse for an order. Pure: candidates in, a decision with an assessment of each warehouse out."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inventory.refs import stock_key
from ops.refs import ParkKey
from wms.ids import WarehousePk
from wms.refs import warehouse_key


class Suitability(enum.StrEnum):
    """Why a warehouse was or was not chosen, in the order in which the reasons are checked."""

    INACTIVE = "inactive"
    PAUSED = "paused"
    COUNTRY = "country"
    NOT_MAPPED = "not_mapped"
    CAPACITY = "capacity"
    NO_ITEM = "no_item"
    STOCK = "stock"
    CHOSEN = "chosen"
    NOT_NEEDED = "not_needed"


_EASIEST_FIRST = {
    outcome: rank
    for rank, outcome in enumerate(
        (
            Suitability.STOCK,
            Suitability.PAUSED,
            Suitability.CAPACITY,
            Suitability.NOT_MAPPED,
            Suitability.COUNTRY,
            Suitability.INACTIVE,
        )
    )
}
"""Refusals in the order in which an order waits for them: first those that end soonest, or with the least effort."""


@dataclass(frozen=True)
class Candidate:
    """A warehouse in its present state. `needs`: WMS item units by item code; None if a line is not mapped there.

    `never_reported`: needed items that its WMS has never named, although it reports stock. The item code is wrong, or
    the warehouse does not keep the item; it is not out of stock.
    """

    id: WarehousePk
    name: str
    priority: int
    active: bool
    paused: bool
    countries: frozenset[str]
    capacity_left: int | None
    needs: Mapping[str, int] | None
    unmapped: tuple[str, ...]
    free: Mapping[str, int]
    never_reported: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Assessment:
    """What was found about one warehouse, in words for staff. `keys`: the park keys of what would change it."""

    warehouse_id: int
    name: str
    outcome: Suitability
    detail: str = ""
    keys: tuple[ParkKey, ...] = ()

    def __str__(self) -> str:
        if self.outcome == Suitability.NO_ITEM:
            return f"{self.name} has no item {self.detail}"
        return f"{self.name}: {self.outcome} {self.detail}".strip()


@dataclass(frozen=True)
class Decision:
    """The chosen warehouse, or None, and the assessment of each warehouse."""

    chosen: Candidate | None
    assessments: tuple[Assessment, ...]

    @property
    def wake_on(self) -> tuple[ParkKey, ...]:
        """The park keys whose wake makes it worth deciding anew. Those of the easiest way out come first."""
        in_turn = sorted(
            self.assessments,
            key=lambda assessment: _EASIEST_FIRST.get(assessment.outcome, len(_EASIEST_FIRST)),
        )
        return tuple(dict.fromkeys(key for assessment in in_turn for key in assessment.keys))

    def as_json(self) -> list[dict[str, str | int]]:
        """The assessments as they are stored with the order."""
        return [
            {"warehouse": v.warehouse_id, "name": v.name, "outcome": str(v.outcome), "detail": v.detail}
            for v in self.assessments
        ]


def decide(candidates: Sequence[Candidate], *, country: str) -> Decision:
    """Choose the first warehouse, by priority, that may send everything and can."""
    chosen: Candidate | None = None
    assessments = []
    for candidate in sorted(candidates, key=lambda c: (c.priority, c.id)):
        if chosen is not None:
            assessments.append(Assessment(candidate.id, candidate.name, Suitability.NOT_NEEDED))
            continue
        refusal = _refusal(candidate, country=country)
        if refusal is None:
            chosen = candidate
        assessments.append(refusal or Assessment(candidate.id, candidate.name, Suitability.CHOSEN))
    return Decision(chosen=chosen, assessments=tuple(assessments))


def _refusal(candidate: Candidate, *, country: str) -> Assessment | None:
    """The first reason why a warehouse cannot get the order; None if it can."""

    def unsuitable(outcome: Suitability, detail: str = "", keys: tuple[ParkKey, ...] = ()) -> Assessment:
        own = (warehouse_key(candidate.id),)
        return Assessment(candidate.id, candidate.name, outcome, detail, keys + own)

    if not candidate.active:
        return unsuitable(Suitability.INACTIVE)
    if candidate.paused:
        return unsuitable(Suitability.PAUSED)
    if candidate.countries and country not in candidate.countries:
        return unsuitable(Suitability.COUNTRY, f"does not serve {country or 'an unknown country'}")
    if candidate.needs is None:
        return unsuitable(Suitability.NOT_MAPPED, ", ".join(candidate.unmapped))
    if candidate.capacity_left is not None and candidate.capacity_left <= 0:
        return unsuitable(Suitability.CAPACITY, "daily capacity used up")
    short = {item: units for item, units in candidate.needs.items() if candidate.free.get(item, 0) < units}
    keys = tuple(stock_key(candidate.id, item) for item in sorted(short))
    if strange := sorted(short.keys() & candidate.never_reported):
        return unsuitable(Suitability.NO_ITEM, ", ".join(strange), keys)
    if short:
        detail = ", ".join(
            f"{item}: {candidate.free.get(item, 0)} of {units}" for item, units in sorted(short.items())
        )
        return unsuitable(Suitability.STOCK, detail, keys)
    return None
