"""A Shopify that meters: any simulated answers behind a bucket of points, on a clock that tests move by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from unittest import mock

import requests
from django.db.models import F

from ops.models import Job, Lane
from shops.budget import rate_budget
from tests.drain import drain
from tests.shops.budget.shopify_bucket import ShopifyBucket
from tests.shops.budget.test_budget import Clock

Answer = tuple[int, dict[str, str], str]


@dataclass
class Metered:
    """`cost_of` an operation with its variables: (requested, actual) points. Refuses as Shopify does."""

    clock: Clock
    answer: Callable[[requests.PreparedRequest], Answer]
    cost_of: Callable[[str, dict], tuple[float, float]]
    bucket: ShopifyBucket = field(default_factory=lambda: ShopifyBucket(2000, 100))
    charged: float = 0.0

    def __post_init__(self) -> None:
        self.bucket.at = self.clock.now

    def __call__(self, request: requests.PreparedRequest) -> Answer:
        sent = json.loads(request.body or b"{}")
        requested, actual = self.cost_of(sent["operationName"], sent["variables"])
        if not self.bucket.begin(requested, now=self.clock.now):
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return 200, {}, json.dumps({"errors": [error], "extensions": self.told(requested, None)})
        status, headers, body = self.answer(request)
        self.charged += actual
        left = self.bucket.end(requested, actual, now=self.clock.now)
        return (
            status,
            headers,
            json.dumps({**json.loads(body), "extensions": self.told(requested, actual, left)}),
        )

    def told(self, requested: float, actual: float | None, left: float | None = None) -> dict:
        status = {
            "maximumAvailable": self.bucket.maximum,
            "currentlyAvailable": self.bucket.level if left is None else left,
            "restoreRate": self.bucket.restore,
        }
        return {
            "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}
        }


@contextmanager
def by_hand() -> Iterator[Clock]:
    """The budget's clock stands still but for `pass_time`."""
    clock = Clock()
    with mock.patch.object(rate_budget, "_now", clock.text):
        yield clock


def pass_time(clock: Clock, seconds: float) -> None:
    """For the budget, the jobs and the lanes alike."""
    clock.now += seconds
    step = timedelta(seconds=seconds)
    Job.objects.filter(state=Job.State.READY).update(run_at=F("run_at") - step)
    Lane.objects.update(throttled_until=F("throttled_until") - step, open_until=F("open_until") - step)


def work_until(done: Callable[[], bool], clock: Clock, *, within: float, step: float = 0.5) -> float:
    """Run due jobs, and let time pass, until it is done; the seconds it took."""
    began = clock.now
    while True:
        drain(most=5000)
        if done():
            return clock.now - began
        assert clock.now - began < within, f"not done after {clock.now - began:.0f} s"
        pass_time(clock, step)
