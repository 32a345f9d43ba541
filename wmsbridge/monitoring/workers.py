"""Whether the fleet is there: every worker says so itself, and so does the clockwork as a whole.

A worker writes the queues it serves under its name, from its main process, every HEARTBEAT seconds. The tick
proves more: beat sent it, the broker carried it, a worker ran it.
"""

from __future__ import annotations

import json
import time
from typing import Any

from celery import bootsteps
from kombu.exceptions import OperationalError

from ops import redis

HEARTBEAT = 10.0
MISSED_AFTER = 35
"""Seconds after which a silent worker counts as gone: three heartbeats and a bit."""

TICK_MISSED_AFTER = 60
_PREFIX = "wmsbridge:worker:"
_TICK = "wmsbridge:tick"
_WATCHED = "wmsbridge:watched:"
WATCH_EVERY = 60.0


class Repeated(bootsteps.StartStopStep):
    """A Celery worker's boot step: something that its main process does again and again, as long as it runs."""

    requires = ("celery.worker.components:Timer",)
    every: float

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.timer: Any = None

    def act(self, worker: Any) -> None:
        """What is done every `every` seconds. Never raises."""
        raise NotImplementedError

    def start(self, parent: Any) -> None:
        """From the next time on."""
        self.timer = parent.timer.call_repeatedly(self.every, self.act, (parent,))

    def stop(self, parent: Any) -> None:
        """Ends with the worker."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Heartbeat(Repeated):
    """Keeps the worker's key in Redis alive."""

    every = HEARTBEAT

    def act(self, worker: Any) -> None:
        """Say so."""
        note_worker(worker)

    def start(self, parent: Any) -> None:
        """Say so now, and every HEARTBEAT seconds."""
        note_worker(parent)
        super().start(parent)

    def stop(self, parent: Any) -> None:
        """A worker that leaves properly is gone at once."""
        super().stop(parent)
        try:
            redis.client().delete(_PREFIX + parent.hostname)
        except redis.RedisError:
            redis.failed()


class Watch(Repeated):
    """Has the schedules looked at, beat or no beat, once a minute by each queue. Not at once: what is overdue after a
    standstill runs first."""

    every = WATCH_EVERY

    def act(self, worker: Any) -> None:
        """Send the message."""
        send_watch(worker)


def send_watch(worker: Any) -> None:
    """Send the message to each queue that this worker serves, unless another worker did within the minute.

    To each, since one queue could not tell that it stands still itself.
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
    """Write that this worker lives and which queues it serves. A Redis that is away is no reason to stop."""
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
    """Worker name -> queues, of every worker heard of lately. Raises RedisError."""
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
