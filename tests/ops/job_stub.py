"""A job kind whose handler does what the test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import responses

from ops.models import Job
from ops.net import http
from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from ops.workers.handlers import bind

KIND, BATCH_KIND, EACH_KIND = "test.acts", "test.acts_on_many", "test.acts_on_each"
Act = Callable[[list[Job]], object]
acts: list[Act] = []
"""What the next runs do, in order; nothing left = they end well."""


def _act(jobs: list[Job]) -> None:
    if acts:
        acts.pop(0)(jobs)


def raising(error: Exception) -> Act:
    """A run that ends with this error."""

    def act(_: list[Job]) -> None:
        raise error

    return act


def answered(_: list[Job]) -> None:
    """A run whose endpoint gives an answer."""
    url = "https://wms.test/"
    with responses.RequestsMock() as endpoint:
        endpoint.get(url, json={})
        http.send("GET", url, changes=False, what="a look", pool="test")


def act_on(jobs: list[Job]) -> None:
    _act(jobs)  # looked up at each run: tests put another in its place


@dataclass(frozen=True)
class Nothing:
    """No payload: what a run does is given by the test."""


ONE = JobKind(
    KIND, Nothing, queue=Queue.MAINTENANCE, attempts=3, work="do what the test says", if_dead="It is a test."
)
MANY = JobKind(
    BATCH_KIND,
    Nothing,
    queue=Queue.MAINTENANCE,
    attempts=3,
    batch_size=3,
    work="do what the test says",
    if_dead="It is a test.",
)
EACH = replace(MANY, name=EACH_KIND)
"""One run does several of them, one after the other."""
for _kind in (ONE, MANY, EACH):
    bind(_kind, act_on, takes_batch=_kind is not EACH)
