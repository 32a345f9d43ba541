"""A worker's turn: it works a lane for a slice of time, and goes on with what its own runs made due in other lanes.

So an order that was read is routed and placed by the same process, without a message for each step. Whatever else is
due does not wait for it: before a run begins, other workers are told of every other lane that it left.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection

from ops.queue import lanes
from ops.queue.queues import kinds_beside
from ops.workers import dispatch, runner, scheduling

SLICE_SECONDS = 2.0
"""After this time no further run begins in a turn, so that lanes take turns. A handler that begins just before the end
still has its 50 s within Celery's limits."""


def work(lane: str, *, token: uuid.UUID, queues: Collection[str]) -> int:
    """Work a lane, and the lanes that the runs wake. Returns the number of runs.

    `token`: the lease of all the runs. `queues`: those that this worker serves; kinds of others are left to others.
    """
    ends, runs, others = time.monotonic() + SLICE_SECONDS, 0, kinds_beside(queues)
    waiting = [lane]
    while waiting and (not runs or time.monotonic() < ends):
        claimed = scheduling.claim(waiting[0], token=token, others=others)
        if claimed.for_others:
            lanes.send_wakeup(waiting[0], claimed.for_others)
        own = waiting.pop(0)
        if claimed.job is None:
            continue
        _leave(waiting)
        woken = runner.run(claimed.job).take(queues=queues)
        waiting = list(dict.fromkeys([*woken, own, *waiting]))
        runs += 1
    _leave(waiting)
    return runs


def _leave(waiting: Collection[str]) -> None:
    for lane in waiting:
        dispatch.announce(lane)
