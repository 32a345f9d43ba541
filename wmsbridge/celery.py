"""The Celery app, with a queue for each concern. The schedules of beat are in the database, see wmsbridge/schedules.

A Celery message is only a wake-up. The work is a row of `ops.Job`, and the sweep finds rows without a message. So there
is no result backend, no late acknowledgement, no copy of a message until then, and no second attempt to publish it.
"""

import os
import sys

from celery import Celery, signals
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu import Exchange
from kombu import Queue as Route

from ops.queue.queues import Queue
from wmsbridge.monitoring.workers import BeatInside, Heartbeat, Watch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wmsbridge.settings")

app = Celery("wmsbridge")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Each queue has its own exchange and key. With the default ones every queue would get a copy of every message.
app.conf.task_queues = [Route(name, Exchange(name), routing_key=name) for name in map(str, Queue)]
app.conf.task_default_queue = str(Queue.MAINTENANCE)
app.steps["worker"].add(DjangoStructLogInitStep)
app.steps["worker"].add(Heartbeat)
app.steps["worker"].add(Watch)
app.steps["worker"].add(BeatInside)
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize  # otherwise Celery opens a new connection for each task
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_logging(**_: object) -> None:
    """Keep the logging that Django has set up. Without a receiver, Celery sets the root logger to its own level."""
