"""Notes in Redis which workers live, and whether scheduled tasks run.

The main process of each worker writes its queues under its name, every HEARTBEAT seconds. The tick proves more: beat
sent a task, the broker carried it, and a worker ran it.
"""

from __future__ import annotations

import json
import time
from typing import Any

import structlog
from celery import bootsteps
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.exceptions import OperationalError

from ops import redis

logger = structlog.get_logger(__name__)

HEARTBEAT = 10.0
MISSED_AFTER = 35
"""A worker that was silent for this many seconds counts as gone. This is a little more than three heartbeats."""

TICK_MISSED_AFTER = 60
_PREFIX = "wmsbridge:worker:"
_TICK = "wmsbridge:tick"
_WATCHED = "wmsbridge:watched:"
WATCH_EVERY = 60.0


class Repeated(bootsteps.StartStopStep):
    """A boot step of a Celery worker: its main process does something at intervals, as long as it runs."""

    requires = ("celery.worker.components:Timer",)
    every: float

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.timer: Any = None

    def act(self, worker: Any) -> None:
        """Do it. This is called every `every` seconds, and must not raise."""
        raise NotImplementedError

    def start(self, parent: Any) -> None:
        """Begin after the first interval."""
        self.timer = parent.timer.call_repeatedly(self.every, self.act, (parent,))

    def stop(self, parent: Any) -> None:
        """Stop when the worker stops."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Heartbeat(Repeated):
    """Writes at intervals that the worker lives."""

    every = HEARTBEAT

    def act(self, worker: Any) -> None:
        """Write it."""
        note_worker(worker)

    def start(self, parent: Any) -> None:
        """Write it now, and then every HEARTBEAT seconds."""
        note_worker(parent)
        super().start(parent)

    def stop(self, parent: Any) -> None:
        """Remove the worker at once when it stops properly."""
        super().stop(parent)
        try:
            redis.client().delete(_PREFIX + parent.hostname)
        except redis.RedisError:
            redis.failed()


class Watch(Repeated):
    """Has the schedules checked once a minute by each queue, whether beat runs or not.

    It does not begin at once, so that tasks that are overdue after a standstill run first.
    """

    every = WATCH_EVERY

    def act(self, worker: Any) -> None:
        """Send the message."""
        send_watch(worker)


class BeatInside(Repeated):
    """Ends a worker that was started with `--beat` if its beat has died, so that the supervisor starts both.

    Celery would go on without it, and nothing would be tried again any more.
    """

    every = HEARTBEAT

    def act(self, worker: Any) -> None:
        """Look after it. Runs that are under way end well."""
        if worker.beat is not None and not worker.beat.is_alive():
            logger.critical("beat_died", worker=worker.hostname)
            worker_state: Any = state
            worker_state.should_stop = EX_FAILURE


def send_watch(worker: Any) -> None:
    """Send the message to each queue of this worker, unless another worker did so within the minute.

    Every queue gets it, because a queue that stands still cannot say so itself.
    """
    try:
        for queue in worker.app.amqp.queues.consume_from:
            if redis.client().set(_WATCHED + queue, worker.hostname, nx=True, ex=int(WATCH_EVERY) - 5):
                worker.app.send_task(
                    "wmsbridge.watch_schedules", queue=queue, expires=WATCH_EVERY, retry=False
                )
    except (redis.RedisError, OperationalError):
        redis.failed()


def note_worker(worker: Any) -> None:
    """Write that this worker lives, and which queues it serves. Without Redis the worker goes on."""
    queues = sorted(worker.app.amqp.queues.consume_from)
    try:
        redis.client().set(_PREFIX + worker.hostname, json.dumps(queues), ex=MISSED_AFTER)
    except redis.RedisError:
        redis.failed()


def note_tick() -> None:
    """Write that a scheduled task was run just now."""
    try:
        redis.client().set(_TICK, str(time.time()), ex=TICK_MISSED_AFTER)
    except redis.RedisError:
        redis.failed()


def seen() -> dict[str, list[str]]:
    """The queues of every worker that wrote lately, by its name. Raises RedisError."""
    names = list(redis.client().scan_iter(match=_PREFIX + "*", count=500))
    values = redis.client().mget(names) if names else []
    return {
        name.removeprefix(_PREFIX): json.loads(value)
        for name, value in zip(names, values, strict=True)
        if value
    }


def ticking() -> bool:
    """Whether a scheduled task was run within TICK_MISSED_AFTER seconds. Raises RedisError."""
    return bool(redis.client().exists(_TICK))
