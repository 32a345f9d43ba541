"""Steps of a state machine, drawn with the weights they are given: Hypothesis prefers what is simple, and repeats.

Hypothesis draws a seed for each example; each step is noted, so a failing example prints its steps in words.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st

Steps = Mapping[str, tuple[int, tuple[Sequence[Any], ...]]]
"""Name -> (weight, what each argument may be)."""

seeds = st.integers(0, 2**64 - 1)


def drawn(steps: Steps, chance: random.Random) -> tuple[str, tuple[Any, ...]]:
    """The next step: its name and its arguments."""
    (name,) = chance.choices([*steps], [weight for weight, _ in steps.values()])
    how = tuple(chance.choice(choices) for choices in steps[name][1])
    note(f"  {name}{how}")
    return name, how


def same_every_time(*, examples: int, steps: int) -> settings:
    """Settings of a machine that runs the same examples in every test run, and shrinks none."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
