"""Celery's messages are wake-ups: each reaches one queue, and a broker that is away holds nobody up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError

from ops.queue.queues import Queue
from wmsbridge.celery import app

DEAD = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("queue", Queue)
def test_a_message_reaches_its_queue_and_no_other(queue: str, redis_server: redis.Redis) -> None:
    app.send_task("a.task", queue=queue)
    assert {name: redis_server.llen(f"celery:{name}") for name in Queue} == {
        name: int(name == queue) for name in Queue
    }


def test_a_message_without_a_queue_goes_to_maintenance(redis_server: redis.Redis) -> None:
    app.send_task("a.task")
    assert redis_server.llen("celery:maintenance") == 1


@pytest.fixture
def taken(redis_server: redis.Redis) -> Iterator[Any]:
    """A message that a worker has taken, and not acknowledged yet."""
    found: list[Any] = []
    with app.connection_for_read() as connection:
        app.send_task("a.task", queue=Queue.CALLBACKS)
        queue = app.amqp.queues[Queue.CALLBACKS]
        with connection.Consumer([queue], callbacks=[lambda _, message: found.append(message)]):
            connection.drain_events(timeout=5)
            yield found[0]


def test_a_message_that_is_taken_is_in_the_worker_only(redis_server: redis.Redis, taken: Any) -> None:
    assert (taken.headers["task"], redis_server.exists("celery:callbacks", "celery:unacked")) == ("a.task", 0)


def test_a_message_that_was_taken_and_not_begun_is_put_back_when_the_worker_stops(
    redis_server: redis.Redis, taken: Any
) -> None:
    taken.channel.qos.restore_unacked_once()
    assert redis_server.llen("celery:callbacks") == 1


def test_a_publish_to_a_dead_broker_gives_up_at_once() -> None:
    started = time.monotonic()
    with app.connection_for_write(url=DEAD) as connection, pytest.raises(OperationalError):
        app.send_task("a.task", connection=connection)
    assert time.monotonic() - started < 2
