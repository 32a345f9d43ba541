"""Which warehouse an order goes to. Pure: candidates in, a decision with the reason for each warehouse out."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inventory.refs import stock_key
from ops.refs import ParkKey
from wms.ids import WarehousePk
from wms.refs import warehouse_key


class Suitability(enum.StrEnum):
    """Why a warehouse was not chosen, in the order they are looked at."""

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
"""Of several refusals the one that ends first, or by the smallest act of a person, is what an order waits for."""


@dataclass(frozen=True)
class Candidate:
    """A warehouse as it stands now. `needs` are WMS item units by item code; None where a line is not mapped there.

    `never_reported`: of them those that its WMS, which does report stock, never named. That is a wrong item code, or
    an item that the warehouse does not keep; it is not out of stock.
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
    """What was found about one warehouse, in words for staff."""

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
    """The chosen warehouse, or None; and why each one was passed over. `wake_on`: what would change a refusal."""

    chosen: Candidate | None
    assessments: tuple[Assessment, ...]

    @property
    def wake_on(self) -> tuple[ParkKey, ...]:
        """The park keys whose wake makes it worth deciding anew, those of the nearest way out first."""
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
    """The first warehouse, by priority, that may and can send everything."""
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
