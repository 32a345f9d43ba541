"""Which of two quantities wins, decided without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from inventory.stock.observations import CLOCK_TOLERANCE, Observation, Verdict, judge, newest_per_item

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Known:
    available: int = 5
    on_hand: int | None = 8
    observed_at: datetime | None = NOON
    sequence: int | None = None


def seen(
    at: datetime = NOON, sequence: int | None = None, available: int | None = 5, read: bool = False
) -> Observation:
    return Observation("MUG", available, 8, at, sequence, known_at=NOON + 60 * SECOND if read else None)


@pytest.mark.parametrize(
    ("known", "observation", "verdict"),
    [
        (Known(observed_at=None), seen(NOON - SECOND), Verdict.NEWER),
        (Known(), seen(NOON + SECOND), Verdict.NEWER),
        (Known(), seen(NOON - SECOND), Verdict.OLDER),
        (Known(), seen(NOON), Verdict.SAME),
        (Known(), seen(NOON, available=None), Verdict.SAME),
        (Known(), seen(NOON, available=6), Verdict.NEWER),
        (Known(sequence=7), seen(NOON - SECOND, sequence=8), Verdict.NEWER),
        (Known(sequence=7), seen(NOON + SECOND, sequence=6), Verdict.OLDER),
        (Known(sequence=7), seen(NOON + SECOND, sequence=7), Verdict.SAME),
        (Known(sequence=7), seen(NOON + SECOND, sequence=7, available=1), Verdict.NEWER),
        (Known(sequence=7), seen(NOON - SECOND, sequence=7, available=1), Verdict.OLDER),
        (Known(sequence=7), seen(NOON - SECOND), Verdict.OLDER),
        (Known(), seen(NOON - SECOND, sequence=9), Verdict.OLDER),
        (Known(), seen(NOON - SECOND, read=True), Verdict.SAME),
        (Known(), seen(NOON - SECOND, available=6, read=True), Verdict.OLDER),
    ],
)
def test_newer_is_by_sequence_when_both_have_one_else_by_time(
    known: Known, observation: Observation, verdict: Verdict
) -> None:
    assert judge(known, observation) is verdict


def test_of_several_observations_of_an_item_the_newest_is_kept() -> None:
    older, newer, other = seen(NOON), seen(NOON + SECOND), Observation("CUP", 1, 1, NOON)
    assert newest_per_item([newer, other, older], now=NOON) == {"MUG": newer, "CUP": other}


def test_a_quantity_from_the_far_future_is_cut_to_what_a_wrong_clock_explains() -> None:
    kept = newest_per_item([seen(NOON + timedelta(days=365))], now=NOON)
    assert kept["MUG"].observed_at == NOON + CLOCK_TOLERANCE


def test_a_read_is_known_to_hold_when_it_was_begun() -> None:
    assert seen(NOON, read=True).valid_at == NOON + 60 * SECOND
    assert seen(NOON).valid_at == NOON


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (seen(NOON, sequence=2), seen(NOON + SECOND, sequence=1), 0),
        (seen(NOON, sequence=1), seen(NOON - SECOND, sequence=2), 1),
        (seen(NOON, sequence=1), seen(NOON - SECOND, sequence=1), 0),
        (seen(NOON, sequence=1), seen(NOON + SECOND, sequence=1), 1),
        (seen(NOON, sequence=9), seen(NOON + SECOND), 1),
        (seen(NOON), seen(NOON - SECOND, sequence=9), 0),
        (seen(NOON), seen(NOON), 1),
        (seen(NOON, sequence=1), seen(NOON, sequence=1), 1),
    ],
)
def test_of_two_observations_the_later_one_is_kept_and_of_two_alike_the_last(
    first: Observation, second: Observation, kept: int
) -> None:
    found = newest_per_item([first, replace(second, available=1)], now=NOON)["MUG"]
    assert (found.available == 1) == bool(kept)
