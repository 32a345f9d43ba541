"""The Celery app: queues by concern and the beat table, every schedule in one screen.

A Celery message is a wake-up, never the truth: work is a row of `ops.Job`, and the sweep finds what no
message announced. So there is no result backend, no late acknowledgement, and no second try at a publish.
"""

import os
import sys

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu import Exchange, Queue

from wmsbridge.workers import Heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wmsbridge.settings")

# One queue per concern: fleets are scaled apart. `dispatch` hands lanes out and never waits behind work.
QUEUES = ("submission", "callbacks", "cancellation", "inventory", "maintenance", "dispatch")

app = Celery("wmsbridge")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Each with its own exchange and key: under the default ones every queue would get a copy of every message.
app.conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
app.conf.task_default_queue = "maintenance"
app.steps["worker"].add(DjangoStructLogInitStep)
app.steps["worker"].add(Heartbeat)
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize  # else Celery opens a new connection for each task
app.autodiscover_tasks()

# task -> (seconds between ticks, queue). A tick that nobody took for long is dropped: none pile up. Not sooner, since
# the time it expires at is beat's clock and the worker compares it with its own.
SCHEDULE: dict[str, tuple[float, str]] = {
    "ops.sweep": (2, "dispatch"),
    "wmsbridge.tick": (10, "maintenance"),
    "ops.recheck_parked": (60, "maintenance"),
    "wmsbridge.measure_health": (60, "maintenance"),
    "fulfillment.backfill_all": (3 * 60, "maintenance"),
    "fulfillment.look_up_all": (5 * 60, "maintenance"),
    "inventory.reconcile_all": (15 * 60, "maintenance"),
    "ops.prune": (10 * 60, "maintenance"),
    "fulfillment.erase_personal_data": (10 * 60, "maintenance"),
    "inventory.compare_all": (24 * 60 * 60, "maintenance"),
    "wmsbridge.clear_sessions": (24 * 60 * 60, "maintenance"),
    "shops.check_subscriptions_all": (60 * 60, "maintenance"),
}

TICK_KEPT = 10 * 60.0

app.conf.beat_schedule = {
    task: {"task": task, "schedule": every, "options": {"queue": queue, "expires": max(every, TICK_KEPT)}}
    for task, (every, queue) in SCHEDULE.items()
}
