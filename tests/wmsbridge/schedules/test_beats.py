"""Real beats, one and two, on the test's database and broker."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from ops.models import Job
from tests.builders import make_connection, make_shop, make_warehouse
from tests.end_to_end.installation.waiting import until
from wmsbridge.embedded.processes import running
from wmsbridge.schedules.scheduler import ALIVE

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

DELTA, QUEUE = "inventory.reconcile_all", "celery:maintenance"


@contextmanager
def beat(folder: Path, name: str = "beat") -> Iterator[Path]:
    """Runs until the end of the block; its log. Looks at the clock and at the rows every second."""
    database = connection.settings_dict["NAME"]
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()
    celery = [sys.executable, "-m", "celery", "--workdir", str(settings.BASE_DIR), "--app", "wmsbridge"]
    command = [
        "env",
        f"DATABASE_URL={address}",
        *celery,
        "beat",
        "--max-interval",
        "1",
        "--loglevel",
        "INFO",
    ]
    log = folder / f"{name}.log"
    with running(command, log=log, ready=lambda: "is starting" in log.read_text(), stop=signal.SIGTERM):
        yield log


@pytest.fixture
def only_the_delta(redis_server: redis.Redis) -> PeriodicTask:
    """Everything else is switched off; the delta runs every quarter of an hour."""
    redis_server.flushall()
    for row in PeriodicTask.objects.exclude(name=DELTA):
        row.enabled = False
        row.save()
    return PeriodicTask.objects.get(name=DELTA)


def sent(broker: redis.Redis) -> list[str]:
    """The tasks of the messages that nobody took yet."""
    return [json.loads(each)["headers"]["task"] for each in broker.lrange(QUEUE, 0, -1)]


def every_second(row: PeriodicTask) -> None:
    """As the console saves a change, but below the bound that it keeps."""
    row.interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    row.save()


def test_beat_takes_up_an_interval_and_a_switch_without_a_restart(
    only_the_delta: PeriodicTask, redis_server: redis.Redis, tmp_path: Path
) -> None:
    ALIVE.unlink(missing_ok=True)
    with beat(tmp_path):
        until(ALIVE.exists, what="a look at the clock")
        assert sent(redis_server) == []
        every_second(only_the_delta)
        until(lambda: len(sent(redis_server)) >= 2, what="messages every second")
        assert set(sent(redis_server)) == {DELTA}
        only_the_delta.refresh_from_db()
        only_the_delta.enabled = False
        only_the_delta.save()
        until(partial(_is_silent, redis_server), what="silence after the switch")


def _is_silent(broker: redis.Redis) -> bool:
    broker.delete(QUEUE)
    try:
        until(lambda: sent(broker), what="a message", seconds=2.5)
    except AssertionError:
        return True
    return False


def test_two_beats_send_twice_and_the_work_is_done_once(
    only_the_delta: PeriodicTask, redis_server: redis.Redis, tmp_path: Path
) -> None:
    make_warehouse(make_shop(), make_connection())
    every_second(only_the_delta)
    with beat(tmp_path), beat(tmp_path, "another"):
        until(lambda: len(sent(redis_server)) >= 4, what="messages of both")
    current_app.loader.import_default_modules()
    for name in sent(redis_server):
        current_app.tasks[name]()
    assert Job.objects.filter(kind="inventory.reconcile").count() == 1
