"""What waits for a person, the order submission first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fulfillment.jobs.orders import FIND_ORDER, READ_ORDERS
from fulfillment.jobs.shipments import MOVE
from fulfillment.jobs.wms_orders import ROUTE, SUBMIT
from ops.queue.queues import Queue
from ops.workers import dispatch
from wmsbridge.console import job_descriptions
from wmsbridge.health.measuring import Metric, Part, Reading, Unit, Words, rows

WAY_OF_AN_ORDER = tuple(kind.name for kind in (SUBMIT, ROUTE, READ_ORDERS, FIND_ORDER, MOVE))
"""Kinds that the metric shows at 0 too."""

MOST_NAMED = 5
"""Kinds and lanes that an alert names, of the submission and of the rest."""

_DEAD = """
SELECT kind, lane_id, count(*), min(finished_at) FROM ops_job WHERE state = 'dead' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


@dataclass(frozen=True)
class Heap:
    """Dead letters of one kind in one lane."""

    kind: str
    lane: str
    count: int
    since: datetime

    @property
    def is_submission(self) -> bool:
        """Whether it lies between the webhook of an order and its warehouse, as all work of that queue does."""
        known = dispatch.kind_named(self.kind)
        return known is not None and known.queue == Queue.SUBMISSION

    @property
    def told(self) -> str:
        """In words."""
        work = job_descriptions.work_of(self.kind)
        return f"{self.count} × {self.kind} in {self.lane} (to {work}), the oldest since {self.since:%d %b %H:%M} UTC"


def heaps() -> list[Heap]:
    """Dead letters by kind and lane, the largest heap first."""
    return [Heap(*row) for row in rows(_DEAD)]


def dead_letter_depth() -> Reading:
    """Jobs that wait for a person."""
    found = heaps()
    orders = [heap for heap in found if heap.is_submission]
    others = [heap for heap in found if not heap.is_submission]
    told = f"{_count(orders)} of the order submission, {_count(others)} of other work"
    return Reading(
        float(_count(found)),
        told if found else "",
        _parts(found),
        words=_words(told, orders, others) if found else None,
    )


def _count(heaps: Iterable[Heap]) -> int:
    return sum(heap.count for heap in heaps)


def _parts(heaps: Iterable[Heap]) -> dict[Part, float]:
    """By queue and kind, the submission first; what it mostly consists of is there at 0 too."""
    found: dict[Part, float] = {("submission", kind): 0.0 for kind in WAY_OF_AN_ORDER}
    for heap in sorted(heaps, key=lambda heap: not heap.is_submission):
        part = ("submission" if heap.is_submission else "other", heap.kind)
        found[part] = found.get(part, 0.0) + heap.count
    return found


def _words(told: str, orders: list[Heap], others: list[Heap]) -> Words:
    meaning = []
    if orders:
        meaning.append(f"Orders do not reach their warehouse: {_named(orders)}.")
    if others:
        meaning.append(f"Other work that does not continue by itself: {_named(others)}.")
    return Words(
        title=told,
        meaning=" ".join(meaning),
        action="Open Dead letters, those of the order submission first. Remove the cause that each one names, then "
        "choose «Replay».",
        cause="submission" if orders else "other",
    )


def _named(heaps: list[Heap]) -> str:
    more = _count(heaps[MOST_NAMED:])
    return "; ".join([heap.told for heap in heaps[:MOST_NAMED]] + ([f"{more} more"] if more else []))


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
