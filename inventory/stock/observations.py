"""Judging what a WMS said against what is known. Pure: nothing here touches the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from wms.models import Connection

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A WMS clock that is further ahead is cut to this: one figure "from next year" must not freeze an item."""


@dataclass(frozen=True)
class Observation:
    """What a WMS said of one item at one warehouse, in WMS item units; None = it did not say."""

    item_code: str
    available: int | None
    on_hand: int | None
    observed_at: datetime  # WMS time: when the figure came to be
    sequence: int | None = None
    known_at: datetime | None = None  # our time: it was told to a read begun then; None = it was no read

    @property
    def holds_at(self) -> datetime:
        """The latest moment for which the figure is known to hold: what was accepted by then is in it."""
        return max(self.observed_at, self.known_at or self.observed_at)

    def figure(self, basis: str) -> int | None:
        """The figure that the connection's basis needs; None = it was not told."""
        return self.on_hand if basis == Connection.StockBasis.ON_HAND else self.available


class Known(Protocol):
    """What a level knows, as far as judging needs it."""

    @property
    def available(self) -> int: ...
    @property
    def on_hand(self) -> int | None: ...
    @property
    def observed_at(self) -> datetime | None: ...
    @property
    def sequence(self) -> int | None: ...


class Verdict(Enum):
    """How an observation stands to what is known."""

    NEWER = "newer"
    SAME = "same"
    OLDER = "older"


def judge(known: Known, seen: Observation) -> Verdict:
    """Whether an observation is news: by sequence when both have one, else by time. A known sequence with other figures
    is no repetition: then time decides too.

    Within one instant and without sequences the later arrival wins (clocks that tick in seconds). A read that repeats
    what is known is no old news, whatever its time: it says that the figure still holds.
    """
    if known.observed_at is None:
        return Verdict.NEWER
    equal = _equal(known, seen)
    if known.sequence is not None and seen.sequence is not None:
        if seen.sequence != known.sequence:
            return Verdict.NEWER if seen.sequence > known.sequence else Verdict.OLDER
        if equal:
            return Verdict.SAME
    if seen.observed_at > known.observed_at:
        return Verdict.NEWER
    if seen.observed_at == known.observed_at:
        return Verdict.SAME if equal else Verdict.NEWER
    return Verdict.SAME if equal and seen.known_at else Verdict.OLDER


def _equal(known: Known, seen: Observation) -> bool:
    return seen.available in (None, known.available) and seen.on_hand in (None, known.on_hand)


def newest_per_item(observations: Iterable[Observation], *, now: datetime) -> dict[str, Observation]:
    """Item code -> its newest observation, with times of the future cut to what a wrong clock explains."""
    newest: dict[str, Observation] = {}
    for seen in observations:
        sane = replace(seen, observed_at=min(seen.observed_at, now + CLOCK_TOLERANCE))
        other = newest.get(seen.item_code)
        if other is None or not _is_before(sane, other):
            newest[seen.item_code] = sane
    return newest


def _is_before(one: Observation, other: Observation) -> bool:
    if one.sequence is not None and other.sequence is not None and one.sequence != other.sequence:
        return one.sequence < other.sequence
    return one.observed_at < other.observed_at
