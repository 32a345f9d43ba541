"""What a worker does around tasks: it checks the database connection, notes runs, and gives lost work back."""

from __future__ import annotations

import uuid
from typing import Any

import structlog
from billiard.exceptions import WorkerLostError
from celery import signals
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from ops.queue import lanes
from ops.workers import dispatch
from wmsbridge.schedules import watch

logger = structlog.get_logger(__name__)


def connect() -> None:
    """Connect the functions to the signals of Celery."""
    signals.task_prerun.connect(check_connection)
    signals.task_failure.connect(give_back)
    signals.task_success.connect(note_run)


def check_connection(**_: object) -> None:
    """Close a database connection that is broken or too old, as Django does before a web request."""
    close_old_connections()


def note_run(sender: Any, **_: object) -> None:
    """Note that a task ended well, if it is on a schedule."""
    watch.note_run(sender.name)


def give_back(sender: Any, task_id: str, exception: BaseException, **_: object) -> None:
    """Give the job of a child process back that died during its run. Celery calls this in the main process at once.

    The id of the message is the lease token of the run. If the database is away too, the lease ends by itself.
    """
    if not isinstance(exception, WorkerLostError) or sender.name != lanes.WORK:
        return
    try:
        dispatch.recover_lease(uuid.UUID(task_id))
    except (OperationalError, InterfaceError):
        logger.warning("lost_work_not_given_back", message=task_id)
    finally:
        connections.close_all()  # the next child process must not inherit them
