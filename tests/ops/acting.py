"""A job kind whose handler does what the test says."""

from __future__ import annotations

from collections.abc import Callable

import responses

from ops.models import Job
from ops.net import http
from ops.workers.runner import Queue, job, job_batch

KIND, BATCH_KIND = "test.acts", "test.acts_on_many"
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


@job(KIND, queue=Queue.MAINTENANCE, attempts=3)
def act_on_one(job: Job) -> None:
    _act([job])


@job_batch(BATCH_KIND, queue=Queue.MAINTENANCE, size=3, attempts=3)
def act_on_many(jobs: list[Job]) -> None:
    _act(jobs)
