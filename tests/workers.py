"""Workers that run jobs side by side in one process: a test decides who goes on, who hangs and who dies, and where.

Each run is a greenlet. Code of the test that is called during a run (a fake of another system, a wrapped function) may
`hang()` or `die()`; everything else, the runner included, is the application's own. A dead worker's frames are kept and
never resumed: as after SIGKILL, no `finally` of theirs runs while the test lasts.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any
from unittest import mock

from django.db import connection
from greenlet import getcurrent, greenlet

from ops.models import Job
from ops.queue import lanes
from ops.workers import leases, runner, scheduling
from tests.drain import due_lanes, finish, load_tasks

BACKOFF, LEASE = timedelta(minutes=5), timedelta(days=1)
MOST = 200
_graves: list[greenlet] = []
_depth = [0]
"""How many transactions are open around the workers."""


def hang() -> None:
    """The worker stands still here until the test lets it go on."""
    _leave("hangs")


def die() -> None:
    """The worker is killed here."""
    _leave("dies")


def _leave(how: str) -> None:
    parent = getcurrent().parent
    assert parent is not None, "only a worker can hang or die"
    assert len(connection.savepoint_ids) == _depth[-1], "its transaction would stay open for everybody"
    parent.switch(how)


class Workers:
    """`hung`: runs that stand still. `ran`: runs by kind."""

    def __init__(self) -> None:
        self.hung: list[greenlet] = []
        self.ran: Counter[str] = Counter()
        self.stays = False

    def work(self) -> None:
        """Run what is due, until nothing is left that does not hang."""
        before = self.ran.total()
        while any(self.serve(lane) for lane in due_lanes()):
            assert self.ran.total() - before < MOST, f"still busy: {self.ran}"

    def serve(self, lane: str) -> bool:
        """A worker takes the next job of a lane and runs it. False if the lane gives none out."""
        batch = scheduling.claim(lane, token=uuid.uuid4()).batch
        if batch:
            self._switch(greenlet(lambda: self._run(batch)))
        return bool(batch)

    def go_on(self, which: int, *, stays: bool = False) -> None:
        """A hung run goes on from where it stands. `stays`: its worker takes the next job of the lane when it ends."""
        self.stays = stays
        self._switch(self.hung.pop(which))

    def _run(self, batch: list[Job]) -> None:
        self.ran[batch[0].kind] += 1
        self.stays = False
        well = runner.run(batch).well
        if self.stays:
            assert batch[0].lease_token
            further = scheduling.claim(batch[0].lane_id, token=batch[0].lease_token, ended=well).batch
            if further:
                self._run(further)
        elif well:
            finish(batch)

    def kill(self, which: int) -> None:
        """A hung run goes no further."""
        _graves.append(self.hung.pop(which))

    def _switch(self, run: greenlet) -> None:
        said = run.switch()
        if not run.dead:
            (self.hung if said == "hangs" else _graves).append(run)


def once(place: Callable[..., Any], act: Callable[[], object]) -> Callable[..., Any]:
    """The function `place`, whose first call begins with `act` (say, `die`)."""
    acts = [act]

    @wraps(place)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if acts:
            acts.pop()()
        return place(*args, **kwargs)

    return wrapped


@contextmanager
def working() -> Iterator[Workers]:
    """Workers in place of the broker; leases and back-offs are so long that no test depends on the machine's speed."""
    load_tasks()
    workers = Workers()
    with ExitStack() as stack:
        _depth.append(len(connection.savepoint_ids))
        stack.callback(_depth.pop)
        stack.enter_context(mock.patch.object(lanes, "_send"))
        stack.enter_context(mock.patch.object(leases, "backoff", return_value=BACKOFF))
        for place in (leases, scheduling):
            stack.enter_context(mock.patch.object(place, "RUN", LEASE))
        yield workers
