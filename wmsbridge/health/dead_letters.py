"""Counts the jobs that wait for a person. Those of the order submission come first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fulfillment.jobs.orders import FIND_ORDER, READ_ORDERS
from fulfillment.jobs.shipments import MOVE
from fulfillment.jobs.wms_orders import ROUTE, SUBMIT
from ops.queue.queues import Queue
from ops.workers import handlers
from wmsbridge.console import job_descriptions
from wmsbridge.health.measuring import AlertText, Metric, Part, Reading, Unit, rows

SUBMISSION_KINDS = tuple(kind.name for kind in (SUBMIT, ROUTE, READ_ORDERS, FIND_ORDER, MOVE))
"""The metric shows these kinds even if it counts none."""

MOST_NAMED = 5
"""An alert names at most this many groups of the submission, and as many of other work."""

_DEAD = """
SELECT kind, lane_id, count(*), min(finished_at) FROM ops_job WHERE state = 'dead' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of one kind in one lane."""

    kind: str
    lane: str
    count: int
    since: datetime

    @property
    def is_submission(self) -> bool:
        """Whether the kind is work between the webhook of an order and its warehouse: all kinds of that queue are."""
        known = handlers.kind_named(self.kind)
        return known is not None and known.queue == Queue.SUBMISSION

    @property
    def summary(self) -> str:
        """How many there are, of what, and since when."""
        work = job_descriptions.work_of(self.kind)
        return f"{self.count} × {self.kind} in {self.lane} (to {work}), the oldest since {self.since:%d %b %H:%M} UTC"


def groups() -> list[DeadLetters]:
    """The dead letters by kind and lane, the largest group first."""
    return [DeadLetters(*row) for row in rows(_DEAD)]


def dead_letter_depth() -> Reading:
    """Read the metric: the number of jobs that wait for a person."""
    found = groups()
    orders = [group for group in found if group.is_submission]
    others = [group for group in found if not group.is_submission]
    summary = f"{_total(orders)} of the order submission, {_total(others)} of other work"
    return Reading(
        float(_total(found)),
        summary if found else "",
        _parts(found),
        alert_text=_alert_text(summary, orders, others) if found else None,
    )


def _total(groups: Iterable[DeadLetters]) -> int:
    return sum(group.count for group in groups)


def _parts(groups: Iterable[DeadLetters]) -> dict[Part, float]:
    """The numbers by queue and kind, the submission first. The kinds of the submission are there even if they are 0."""
    found: dict[Part, float] = {("submission", kind): 0.0 for kind in SUBMISSION_KINDS}
    for group in sorted(groups, key=lambda group: not group.is_submission):
        part = ("submission" if group.is_submission else "other", group.kind)
        found[part] = found.get(part, 0.0) + group.count
    return found


def _alert_text(summary: str, orders: list[DeadLetters], others: list[DeadLetters]) -> AlertText:
    """The text of the alert. Its cause changes only if the submission is affected, or no longer is."""
    meaning = []
    if orders:
        meaning.append(f"Orders do not reach their warehouse: {_named(orders)}.")
    if others:
        meaning.append(f"Other work that does not continue by itself: {_named(others)}.")
    return AlertText(
        title=summary,
        meaning=" ".join(meaning),
        action="Open Dead letters, those of the order submission first. Remove the cause that each one names, then "
        "choose «Replay».",
        cause="submission" if orders else "other",
    )


def _named(groups: list[DeadLetters]) -> str:
    """Name the largest groups, and say how many dead letters the others have."""
    more = _total(groups[MOST_NAMED:])
    return "; ".join([group.summary for group in groups[:MOST_NAMED]] + ([f"{more} more"] if more else []))


DEAD_LETTER_DEPTH = Metric(
    name="dead_letter_depth",
    label="Dead letters",
    unit=Unit.JOBS,
    labels=("queue", "kind"),
    definition="Jobs that failed for good, or used up their attempts, and wait for a person. Those of the order "
    "submission (from the webhook of an order to its warehouse) come first: while one waits, an order may not leave. "
    "Any at all raises the alert, until each was replayed or discarded.",
    advice="Open Dead letters, remove the cause that each one names, then choose «Replay».",
    read=dead_letter_depth,
)
