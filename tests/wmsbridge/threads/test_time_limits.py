"""Tasks that take too long in a pool of threads: they are interrupted, and the worker ends if that does not help."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from celery import signals
from celery.exceptions import SoftTimeLimitExceeded

from tests.architecture.layers import ROOT
from wmsbridge.threads import time_limits


class Sender:
    name = "ops.work"


def run(task: Any) -> None:
    """What Celery says around a task."""
    signals.task_prerun.send(sender=Sender)
    try:
        task()
    finally:
        signals.task_postrun.send(sender=Sender)


def test_a_task_over_the_soft_limit_is_interrupted_where_it_is(settings: Any) -> None:
    settings.CELERY_TASK_SOFT_TIME_LIMIT = 0.05
    ended: list[str] = []

    def busy() -> None:
        try:
            while True:
                time.sleep(0.01)
        except SoftTimeLimitExceeded:
            ended.append("interrupted")

    thread = threading.Thread(target=run, args=[busy])
    thread.start()
    time.sleep(0.1)
    time_limits.enforce()
    thread.join(5)
    assert ended == ["interrupted"]


def test_a_task_within_its_limits_and_one_that_has_ended_are_left_alone(settings: Any) -> None:
    run(lambda: None)
    settings.CELERY_TASK_SOFT_TIME_LIMIT = 0.0
    settings.CELERY_TASK_TIME_LIMIT = 0.0
    time_limits.enforce()
    settings.CELERY_TASK_SOFT_TIME_LIMIT = settings.CELERY_TASK_TIME_LIMIT = 60.0
    run(time_limits.enforce)


HANGS = """
import threading, time
import django
django.setup()
from celery import signals
from django.conf import settings
settings.CELERY_TASK_SOFT_TIME_LIMIT, settings.CELERY_TASK_TIME_LIMIT = 0.1, 0.2
class Sender: name = "ops.work"
def task():
    signals.task_prerun.send(sender=Sender)
    time.sleep(20)
threading.Thread(target=task, daemon=True).start()
from wmsbridge.threads import time_limits
time_limits._watch()
time.sleep(20)
"""


@pytest.mark.django_db
def test_a_worker_whose_task_cannot_be_interrupted_ends(fresh_process: Any) -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HANGS], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 1
    assert time.monotonic() - began < 19
