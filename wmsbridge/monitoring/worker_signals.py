"""What a worker's main process and its children do around tasks: check the database connection, give back lost work."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import structlog
from billiard.exceptions import WorkerLostError
from celery import signals
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from ops.workers import dispatch
from wmsbridge.schedules import watch

logger = structlog.get_logger(__name__)


def connect() -> None:
    """To Celery's signals."""
    signals.task_prerun.connect(check_connection)
    signals.task_failure.connect(give_back)
    signals.task_success.connect(note_run)


def check_connection(**_: object) -> None:
    """As a web request does: a connection that is broken or too old is opened anew."""
    close_old_connections()


def note_run(sender: Any, **_: object) -> None:
    """A task ended well: of those on a schedule it is kept when."""
    watch.note_run(sender.name)


def give_back(exception: BaseException, args: Sequence[Any] = (), **_: object) -> None:
    """A child died in the middle of a task, which Celery tells in the main process at once.

    The message of a job holds its id and its lease. When the database is away as well, the lease ends by itself.
    """
    if not isinstance(exception, WorkerLostError) or len(args) != 2:
        return
    try:
        dispatch.recover_lease(uuid.UUID(args[1]))
    except (OperationalError, InterfaceError):
        logger.warning("lost_work_not_given_back", job=args[0])
    finally:
        connections.close_all()  # the next child is forked from this process
