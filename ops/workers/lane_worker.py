"""A worker's turn: it works a lane for a slice of time, and goes on with what its own runs made due in other lanes.

So an order that was read is routed and placed by the same process, without a message for each step. Whatever else is
due does not wait for it: before a run begins, other workers are told of every other lane that it left.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable

from ops.net import deadlines
from ops.queue import lanes
from ops.queue.queues import kinds_beside
from ops.workers import dispatch, runner, scheduling

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
    ends, runs, others = time.monotonic() + SLICE_SECONDS, 0, kinds_beside(queues)
    waiting, untold = [lane], list[str]()
    while waiting and (not runs or time.monotonic() < ends):
        own = waiting.pop(0)
        claimed = scheduling.claim(own, token=token, others=others)
        if claimed.for_others:
            lanes.send_wakeup(own, claimed.for_others)
        if claimed.job is None:
            continue
        _leave(each for each in untold if each in waiting)
        wakeups = runner.run(claimed.job, has_mates=claimed.has_mates, lane_troubled=claimed.lane_troubled)
        woken = wakeups.take(queues=queues)
        waiting = list(dict.fromkeys([*woken, own, *waiting]))
        # A lane that is not full is told of by its claim, and by whoever wakes it. Into a full one nobody else gets.
        untold = [*woken, own] if claimed.lane_full else woken
        runs += 1
    _leave(waiting)
    return runs


def _leave(lanes_left: Iterable[str]) -> None:
    for lane in lanes_left:
        dispatch.announce(lane)
