"""Lanes: waking them, and the circuit breaker that keeps one endpoint's trouble its own."""

from __future__ import annotations

import random
from datetime import timedelta

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from ops import redis
from ops.models import Circuit, Lane
from ops.queue.queues import Queue
from ops.refs import endpoint_of, is_inbound, parts_of

logger = structlog.get_logger(__name__)

FAILURES_TO_OPEN = 5
"""Endpoint failures in a row that open a circuit: below any kind's attempts, so an outage kills no job."""

ANSWERS_A_STEP = 5
"""After an outage a lane runs one job at a time, and one more after each so many answers: who comes back is weak."""

FIRST_OPEN = timedelta(seconds=10)
LONGEST_OPEN = timedelta(seconds=30)
AWAKE_SECONDS = 5
"""A wake-up that was lost blocks further ones of its lane for at most this long; the sweep finds the jobs anyway."""


ROOM, LOCAL_ROOM = 4, 2


def room_at_first(name: str) -> int:
    """The concurrency of a new lane, until a person changes it."""
    return LOCAL_ROOM if is_inbound(name) else ROOM


def shop_of(name: str) -> str | None:
    """The domain of the shop whose lane this is ("shop:<domain>", or its inbox); None when it is no shop's."""
    parts = parts_of(endpoint_of(name), "shop", 1)
    return parts[0] if parts else None


def _awake_key(name: str) -> str:
    return f"wmsbridge:awake:{name}"


def wake(name: str) -> None:
    """Tell a dispatcher that a lane has due jobs: one Redis write while a wake-up is under way. May be lost."""
    if not redis.available():
        return
    try:
        if redis.client().set(_awake_key(name), "1", nx=True, ex=AWAKE_SECONDS):
            current_app.send_task("ops.dispatch", args=[name], queue=str(Queue.DISPATCH), retry=False)
    except (redis.RedisError, OperationalError):
        redis.failed()
        logger.info("wake_lost", lane=name)


def awake(name: str) -> None:
    """A dispatcher is about to look at the lane: later jobs must wake it anew. Called before it looks."""
    if not redis.available():
        return
    try:
        redis.client().delete(_awake_key(name))
    except redis.RedisError:
        redis.failed()


def open_for(failures: int) -> timedelta:
    """How long a circuit stays open after this many failures in a row: doubling, capped, with half jitter."""
    doubled = FIRST_OPEN * 2 ** min(max(failures - FAILURES_TO_OPEN, 0), 10)
    longest: timedelta = min(doubled, LONGEST_OPEN)
    return longest * (0.5 + random.random() / 2)  # noqa: S311


def answered(name: str) -> bool:
    """The endpoint gave a proper answer: a circuit closes, and what recovers goes a step on.

    True when the lane is at full speed again, which it was not. A lane that only rests is not called up by the answer
    to a call from before.
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
        recovered = recovering is not None and recovering >= ANSWERS_A_STEP * (lane.concurrency - 1)
        Lane.objects.filter(name=name).update(
            failures=0, circuit=Circuit.CLOSED, open_until=None, recovering=None if recovered else recovering
        )
    return recovered


def rest(name: str, wait: timedelta) -> None:
    """The endpoint asks to be left alone for a while: nothing of the lane goes out, then one probe at a time."""
    Lane.objects.filter(name=name).update(circuit=Circuit.OPEN, open_until=Now() + wait)


def hold(name: str, *, priority: int, wait: timedelta) -> None:
    """The endpoint's budget is used up for work of this priority and below: nothing of it goes out for a while."""
    Lane.objects.filter(~Q(held_until__gt=Now()) | Q(held_priority__gte=priority), name=name).update(
        held_until=Now() + wait, held_priority=priority
    )


def failed(name: str) -> tuple[bool, bool]:
    """The endpoint failed once more. Returns (it is the endpoint's trouble and not the job's, the circuit opened).

    The first failure after an answer may be the job's own; the next ones in a row are not held against their jobs.
    One failure opens the circuit where it is half open or the lane recovers: staff know of that outage already.
    """
    with transaction.atomic():
        lane = Lane.objects.select_for_update().get(name=name)
        failures = lane.failures + 1
        again = lane.circuit != Circuit.CLOSED or lane.recovering is not None
        if opens := again or failures >= FAILURES_TO_OPEN:
            until = Now() + open_for(failures)
            Lane.objects.filter(name=name).update(
                failures=failures, circuit=Circuit.OPEN, open_until=until, recovering=None
            )
        else:
            Lane.objects.filter(name=name).update(failures=failures)
    return opens or lane.failures > 0, opens and not again
