"""Lanes are woken here. A circuit breaker keeps the trouble of one endpoint away from all others."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from ops import redis
from ops.models import Circuit, Lane
from ops.queue.queues import Queue, queue_of
from ops.refs import endpoint_of, is_inbound, parts_of

logger = structlog.get_logger(__name__)

FAILURES_TO_OPEN = 5
"""This many failures of an endpoint in a row open its circuit. Each kind has more attempts, so no job dies."""

ANSWERS_PER_STEP = 5
"""After an outage a lane runs one job at a time, and one more after each series of this many answers. So an endpoint
that has just come back is not overloaded."""

FIRST_OPEN = timedelta(seconds=10)
LONGEST_OPEN = timedelta(seconds=30)
WAKEUP_SECONDS = 10
"""A lost wake-up blocks further wake-ups of its lane for at most this long. The sweep finds the jobs in any case."""

WORK = "ops.work"
"""The Celery task that works a lane."""


DEFAULT_CONCURRENCY, LOCAL_CONCURRENCY = 4, 2


def initial_concurrency(name: str) -> int:
    """The concurrency of a new lane, until a person changes it."""
    return LOCAL_CONCURRENCY if is_inbound(name) else DEFAULT_CONCURRENCY


def shop_of(name: str) -> str | None:
    """The domain of the shop to which the lane belongs, inbound or not; None if it belongs to no shop."""
    parts = parts_of(endpoint_of(name), "shop", 1)
    return parts[0] if parts else None


def _wakeup_key(name: str, queue: str) -> str:
    return f"wmsbridge:awake:{queue}:{name}"


@dataclass
class Wakeups:
    """The lanes that were woken in a block, in order, each with the queues of the jobs that are due there."""

    lanes: dict[str, set[Queue]] = field(default_factory=dict)

    def add(self, name: str, queue: Queue) -> None:
        """Note that a lane was woken."""
        self.lanes.setdefault(name, set()).add(queue)

    def send(self) -> None:
        """Tell workers of all these lanes now."""
        self.take(queues=())

    def take(self, *, queues: Collection[str]) -> list[str]:
        """Return the lanes that are woken for these queues, which the caller looks after. Other workers are told of the
        rest.
        """
        woken, self.lanes = self.lanes, {}
        for name, concerned in woken.items():
            for queue in concerned.difference(queues):
                _send(name, queue)
        return [name for name, concerned in woken.items() if concerned.intersection(queues)]


_kept: ContextVar[Wakeups | None] = ContextVar("kept", default=None)


@contextmanager
def kept_wakeups() -> Iterator[Wakeups]:
    """Keep the wake-ups that are sent inside the block, by whatever function: the caller looks after those lanes."""
    wakeups = Wakeups()
    token = _kept.set(wakeups)
    try:
        yield wakeups
    finally:
        _kept.reset(token)


def send_kept() -> None:
    """Send what `kept_wakeups` kept so far, because the run goes on for a while."""
    if (kept := _kept.get()) is not None:
        kept.send()


def send_wakeup(name: str, kind: str) -> None:
    """Tell a worker that a lane has a due job of this kind. This writes to Redis, and may be lost."""
    if (kept := _kept.get()) is not None:
        kept.add(name, queue_of(kind))
    else:
        _send(name, queue_of(kind))


def _send(name: str, queue: Queue) -> None:
    """One message at a time is under way for a lane and a queue, however many jobs are due."""
    if not redis.available():
        return
    try:
        if redis.client().set(_wakeup_key(name, queue), "1", nx=True, ex=WAKEUP_SECONDS):
            current_app.send_task(WORK, args=[name, str(queue)], queue=str(queue), retry=False)
    except (redis.RedisError, OperationalError):
        redis.failed()
        logger.info("wake_lost", lane=name)


def clear_wakeup(name: str, queue: str) -> None:
    """Let the next job wake the lane again. A worker calls this before it looks, so that no job is missed."""
    if not redis.available():
        return
    try:
        redis.client().delete(_wakeup_key(name, queue))
    except redis.RedisError:
        redis.failed()


def circuit_open_time(failures: int) -> timedelta:
    """How long a circuit stays open after this many failures in a row. It doubles up to a limit, with half jitter."""
    doubled = FIRST_OPEN * 2 ** min(max(failures - FAILURES_TO_OPEN, 0), 10)
    longest: timedelta = min(doubled, LONGEST_OPEN)
    return longest * (0.5 + random.random() / 2)  # noqa: S311


def record_answer(name: str) -> bool:
    """The endpoint gave a proper answer, so its circuit closes, and a recovering lane goes one step on.

    Returns True when the lane has just reached full speed again. If the circuit is open only because the endpoint asked
    for a pause, the answer to an earlier call does not close it.
    """
    troubled = Q(failures__gt=0) | Q(circuit=Circuit.HALF_OPEN) | Q(recovering__isnull=False)
    with transaction.atomic():
        lane = (
            Lane.objects.select_for_update()
            .filter(troubled, name=name)
            .exclude(circuit=Circuit.OPEN, failures=0)
            .first()
        )
        if lane is None:
            return False
        out = lane.circuit != Circuit.CLOSED
        recovering = 1 if out else lane.recovering + 1 if lane.recovering is not None else None
        recovered = recovering is not None and recovering >= ANSWERS_PER_STEP * (lane.concurrency - 1)
        Lane.objects.filter(name=name).update(
            failures=0, circuit=Circuit.CLOSED, open_until=None, recovering=None if recovered else recovering
        )
    return recovered


def open_circuit_for(name: str, wait: timedelta) -> None:
    """The endpoint asked for a pause. No job of the lane runs until it is over, and then one at a time, as a probe."""
    Lane.objects.filter(name=name).update(circuit=Circuit.OPEN, open_until=Now() + wait)


def throttle_priority(name: str, *, priority: int, wait: timedelta) -> None:
    """The budget of the endpoint is used up for work of this priority and below, so none of it runs for a while."""
    Lane.objects.filter(
        ~Q(throttled_until__gt=Now()) | Q(throttled_priority__gte=priority), name=name
    ).update(throttled_until=Now() + wait, throttled_priority=priority)


def record_failure(name: str) -> tuple[bool, bool]:
    """The endpoint failed once more. Returns whether it is at fault, not the job, and whether the circuit just opened.

    The first failure after an answer may be the fault of the job. The next failures in a row do not count against their
    jobs. If the circuit is half open or the lane recovers, one failure opens the circuit again. Staff know of that
    outage already, so it does not count as just opened.
    """
    with transaction.atomic():
        lane = Lane.objects.select_for_update().get(name=name)
        failures = lane.failures + 1
        again = lane.circuit != Circuit.CLOSED or lane.recovering is not None
        if opens := again or failures >= FAILURES_TO_OPEN:
            until = Now() + circuit_open_time(failures)
            Lane.objects.filter(name=name).update(
                failures=failures, circuit=Circuit.OPEN, open_until=until, recovering=None
            )
        else:
            Lane.objects.filter(name=name).update(failures=failures)
    return opens or lane.failures > 0, opens and not again
