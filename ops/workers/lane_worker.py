"""A worker's turn: it works a lane for a slice of time, and goes on with what its own runs made due in other lanes.

So an order that was read is routed and placed by the same process, without a message for each step. Whatever else is
due does not wait for it: before a run begins, other workers are told of every other lane that it left.

A run that ended well is ended by the claim that follows, with one statement. The claim looks at the lane of that run
too, because only this worker may know of what is due there: a lane that was full refused others, and what was asked for
once more during the run was running when they looked.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

import structlog

from ops.models import Job
from ops.net import deadlines
from ops.queue import lanes
from ops.queue.queues import kinds_beside
from ops.workers import runner, scheduling

logger = structlog.get_logger(__name__)

SLICE_SECONDS = 2.0
"""After this time no further run begins in a turn, so that lanes take turns. A handler that begins just before the end
still has its 50 s within Celery's limits."""

CALL_SECONDS = 49.0
"""After this time no call of the turn waits for an answer any more. A thread that waits cannot be interrupted: it would
go on until the hard limit, which ends the worker with all its other runs."""


def work(lane: str, *, token: uuid.UUID, queues: Collection[str]) -> int:
    """Work a lane, and the lanes that the runs wake. Returns the number of runs.

    `token`: the lease of all the runs. `queues`: those that this worker serves; kinds of others are left to others.
    """
    with deadlines.within(CALL_SECONDS):
        return _work(lane, token=token, queues=queues)


def _work(lane: str, *, token: uuid.UUID, queues: Collection[str]) -> int:
    turn = _Turn(token, queues, kinds_beside(queues), [lane])
    ends, runs = time.monotonic() + SLICE_SECONDS, 0
    while turn.waiting and (not runs or time.monotonic() < ends):
        claimed = turn.claim(*turn.waiting)
        if claimed.batch:
            turn.run(claimed)
            runs += 1
    if turn.waiting:
        turn.leave()
    return runs


@dataclass
class _Turn:
    token: uuid.UUID
    queues: Collection[str]
    others: Collection[str]
    """The kinds that are left to other workers."""
    waiting: list[str]
    """The lanes to look at, in order."""
    untold: list[str] = field(default_factory=list)
    """Those that other workers were not told of."""
    ended: Job | None = None
    """The first job of a run that ended well, if this is not stored yet."""

    def claim(self, *wanted: str) -> scheduling.Claimed:
        """Store the end of the run before, begin the next one, and tell other workers of what is left."""
        claimed = scheduling.claim(
            *wanted,
            token=self.token,
            others=self.others,
            untold=self.untold,
            ended=self.ended is not None,
        )
        if claimed.lease_lost:
            logger.info("lease_lost", job=self.ended and self.ended.id)
        for lane, kind in claimed.to_tell:
            lanes.send_wakeup(lane, kind)
        self.ended = None
        self.waiting = self.waiting[claimed.looked_at :]
        self.untold = [] if claimed.batch else [each for each in self.untold if each in self.waiting]
        return claimed

    def run(self, claimed: scheduling.Claimed) -> None:
        """Run what was claimed. What it woke comes next, then its own lane."""
        first = claimed.batch[0]
        run = runner.run(claimed.batch, lane_troubled=claimed.lane_troubled)
        woken = run.wakeups.take(queues=self.queues)
        # A lane that is not full is told of by its claim, and by whoever wakes it. Into a full one nobody else gets.
        self.untold = [*woken, first.lane_id] if claimed.lane_full else woken
        self.waiting = list(dict.fromkeys([*woken, first.lane_id, *self.waiting]))
        self.ended = first if run.well else None

    def leave(self) -> None:
        """Store the end of the last run, and tell other workers of what is left."""
        self.untold = self.waiting
        self.claim()
