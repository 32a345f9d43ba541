"""What a worker does around tasks: it checks the database connection, notes runs, and gives lost work back."""

from __future__ import annotations

import gc
from typing import Any

import structlog
from celery import signals
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from ops.workers import dispatch
from wmsbridge.schedules import watch

logger = structlog.get_logger(__name__)


def connect() -> None:
    """Connect the functions to the signals of Celery."""
    signals.celeryd_after_setup.connect(give_back)
    signals.celeryd_after_setup.connect(keep_what_is_loaded)
    signals.task_prerun.connect(check_connection)
    signals.task_success.connect(note_run)


def check_connection(**_: object) -> None:
    """Close a database connection that is broken or too old, as Django does before a web request."""
    close_old_connections()


def note_run(sender: Any, **_: object) -> None:
    """Note that a task ended well, if it is on a schedule."""
    watch.note_run(sender.name)


def give_back(sender: str, **_: object) -> None:
    """A worker starts: what one of its name was at before is due again. `sender`: the name.

    If the database is away too, the leases end by themselves.
    """
    try:
        found = dispatch.recover_worker(sender)
    except (OperationalError, InterfaceError):
        logger.warning("lost_work_not_given_back", worker=sender)
    else:
        logger.info("worker_starts", worker=sender, given_back=found)
    finally:
        connections.close_all()


def keep_what_is_loaded(**_: object) -> None:
    """Leave out of the garbage collections what stays for as long as the worker lives."""
    gc.collect()
    gc.freeze()
