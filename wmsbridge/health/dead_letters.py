"""What waits for a person."""

from __future__ import annotations

from wmsbridge.health.measuring import Metric, Reading, numbers

_DEAD = "SELECT count(*) FROM ops_job WHERE state = 'dead'"


def dead_letter_depth() -> Reading:
    """Jobs that wait for a person."""
    (depth,) = numbers(_DEAD)
    return Reading(depth, "a person must see to each" if depth else "")


DEAD_LETTER_DEPTH = Metric(
    name="dead_letter_depth",
    label="Dead letters",
    unit="jobs",
    labels=("count",),
    definition="Jobs that wait for a person.",
    advice="Open Dead letters, fix the cause each one names, then choose «Replay».",
    read=dead_letter_depth,
)
