"""Compares what a WMS reported with what is known. The functions are pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from wms.models import Connection

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead a WMS's clock may be; later times are cut, so that a report "from next year" does not freeze an
item."""


@dataclass(frozen=True)
class Observation:
    """What a WMS reported of one item at one warehouse, in WMS item units; None = it did not report it."""

    item_code: str
    available: int | None
    on_hand: int | None
    observed_at: datetime  # when the quantity came about, by the WMS's clock
    sequence: int | None = None
    known_at: datetime | None = None  # when our read began that returned it; None = no read returned it

    @property
    def valid_at(self) -> datetime:
        """The latest time at which the quantity is known to be valid: it is net of all orders accepted by then."""
        return max(self.observed_at, self.known_at or self.observed_at)

    def quantity(self, basis: str) -> int | None:
        """The quantity that the connection's basis needs; None = it was not reported."""
        return self.on_hand if basis == Connection.StockBasis.ON_HAND else self.available


class Known(Protocol):
    """The values of a level that an observation is compared with."""

    @property
    def available(self) -> int: ...
    @property
    def on_hand(self) -> int | None: ...
    @property
    def observed_at(self) -> datetime | None: ...
    @property
    def sequence(self) -> int | None: ...


class Verdict(Enum):
    """The age of an observation, compared with what is known."""

    NEWER = "newer"
    SAME = "same"
    OLDER = "older"


def judge(known: Known, seen: Observation) -> Verdict:
    """Decide whether an observation is newer: by sequence if both have one, else by time.

    If a known sequence comes with other quantities, it is no repetition, and the time decides too. At the same time and
    without sequences the later arrival wins, since some clocks tick in seconds. A read that repeats the known
    quantities is never older, whatever its time: it says that they are still valid.
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
    """Whether the observation repeats the known quantities; one that was not reported differs from nothing."""
    return seen.available in (None, known.available) and seen.on_hand in (None, known.on_hand)


def newest_per_item(observations: Iterable[Observation], *, now: datetime) -> dict[str, Observation]:
    """Return the newest observation of each item; times beyond CLOCK_TOLERANCE in the future are cut to it."""
    newest: dict[str, Observation] = {}
    for seen in observations:
        sane = replace(seen, observed_at=min(seen.observed_at, now + CLOCK_TOLERANCE))
        other = newest.get(seen.item_code)
        if other is None or not _is_before(sane, other):
            newest[seen.item_code] = sane
    return newest


def _is_before(one: Observation, other: Observation) -> bool:
    """Compare two observations by sequence if both have one, else by time."""
    if one.sequence is not None and other.sequence is not None and one.sequence != other.sequence:
        return one.sequence < other.sequence
    return one.observed_at < other.observed_at
