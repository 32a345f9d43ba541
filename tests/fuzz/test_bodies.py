"""Mutated bodies at both doors, and through the jobs that they make. `make fuzz` plays many more of them.

FUZZ_BODIES: how many; FUZZ_SEED; FUZZ_BATCH: only this one; FUZZ_SECONDS: no batch begins after them; FUZZ_FOLDER: for
what is found.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fuzz.batches import SIZE, Played, open_doors, play

BODIES = int(os.environ.get("FUZZ_BODIES") or 400)
SEED = int(os.environ.get("FUZZ_SEED") or 1)
ONLY = os.environ.get("FUZZ_BATCH") or ""
SECONDS = float(os.environ.get("FUZZ_SECONDS") or "inf")
FOLDER = Path(os.environ.get("FUZZ_FOLDER") or ".fuzz")


@dataclass
class Tally:
    """All batches together."""

    began: float = field(default_factory=time.monotonic)
    bodies: int = 0
    calls: int = 0
    stored: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def add(self, played: Played) -> None:
        """One batch more."""
        self.bodies += len(played.deliveries)
        self.calls += played.calls
        self.stored += played.stored
        self.statuses += played.statuses
        self.runs += played.runs
        self.found.update(each.what for each in played.findings)
        if played.findings:
            print(
                f"replay: make fuzz FUZZ_SEED={played.seed} FUZZ_BATCH={played.number}", played.write(FOLDER)
            )

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        return "; ".join(
            [
                f"seed {SEED}: {self.bodies} bodies in {seconds:.0f} s, answered {dict(sorted(self.statuses.items()))}",
                f"{self.stored} became jobs",
                f"{self.runs.total()} runs of {len(self.runs)} kinds with {self.calls} calls",
                f"found: {dict(self.found) or 'nothing'}",
            ]
        )


def _numbers(began: float) -> Iterator[int]:
    """Of the batches to play."""
    if ONLY:
        yield int(ONLY)
        return
    for number in range(-(-BODIES // SIZE)):
        if time.monotonic() - began > SECONDS:
            return
        yield number


@pytest.fixture
def silence() -> Iterator[None]:
    """Thousands of warnings that are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.django_db(transaction=True)
def test_no_body_and_no_answer_is_met_by_a_bug(monkeypatch: pytest.MonkeyPatch, silence: None) -> None:
    tally = Tally()
    with open_doors(monkeypatch):
        for number in _numbers(tally.began):
            tally.add(play(SEED, number))
            print(tally, flush=True)
    assert not tally.found
    assert ONLY or len(tally.runs) > 30, "hardly a body came through the doors"
