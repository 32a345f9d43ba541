"""The handlers of job kinds: which function does the work of a kind, and what this version knows how to do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from celery import current_app, shared_task

from ops.models import Job
from ops.queue.kinds import DEFAULT_ATTEMPTS, JobKind, P, TypedJob
from ops.workers import leases

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BatchHandler = Callable[[list[Job]], None]


def handles(kind: JobKind[P]) -> Callable[[Callable[[P], None]], Callable[[P], None]]:
    """Make a function the handler of a job kind.

    The handler gets the payload, is called outside any transaction, must be safe to run again, and ends within 50 s.

    A run takes up to `kind.batch_size` due jobs of one lane and priority, and calls the handler for one after the
    other, in the order in which they became due. Each ends by itself, as if it had run alone.
    """

    def decorate(handler: Callable[[P], None]) -> Callable[[P], None]:
        bind(kind, lambda batch: handler(kind.read(batch[0].payload)), takes_batch=False)
        return handler

    return decorate


def handles_batch(
    kind: JobKind[P],
) -> Callable[[Callable[[list[TypedJob[P]]], None]], Callable[[list[TypedJob[P]]], None]]:
    """As `handles`, for a handler that takes up to `kind.batch_size` due jobs of one lane and priority at once.

    If a batch fails, its jobs are tried again one by one, so that no job dies of the permanent error of another.
    """

    def decorate(handler: Callable[[list[TypedJob[P]]], None]) -> Callable[[list[TypedJob[P]]], None]:
        bind(kind, lambda batch: handler([kind.typed(job) for job in batch]))
        return handler

    return decorate


def bind(kind: JobKind[P], handler: BatchHandler, *, takes_batch: bool = True) -> None:
    """Register the handler with the Celery task of the kind's name, which carries the declaration too.

    No message is sent to that task any more. It gives back what the version before claimed and sent to it.
    """

    def task(job_id: int, token: str) -> None:
        leases.release_unstarted(uuid.UUID(token))

    options: dict[str, Any] = {
        "name": kind.name,
        "job_kind": kind,
        "job_handler": staticmethod(handler),
        "takes_batch": takes_batch,
    }
    shared_task(**options)(task)
    batch_sizes.cache_clear()


def kinds() -> dict[str, JobKind[DataclassInstance]]:
    """Every job kind that this version has a handler for, by name."""
    _load_handlers()
    found = {name: _kind_of(name) for name in sorted(current_app.tasks)}
    return {name: kind for name, kind in found.items() if kind}


def kind_named(name: str) -> JobKind[DataclassInstance] | None:
    """The declaration of a kind; None when this version has no handler for it."""
    _load_handlers()
    return _kind_of(name)


def handler_of(kind: str) -> BatchHandler | None:
    """The handler of a kind; None when this version has none. Call it in a worker, which has imported all of them."""
    return getattr(current_app.tasks.get(kind), "job_handler", None)


def takes_batch(kind: str) -> bool:
    """Whether the handler of a kind takes a batch at once, or its jobs one after the other."""
    return getattr(current_app.tasks.get(kind), "takes_batch", True)


def attempts_of(kind: str) -> int:
    """How many attempts a job of this kind has."""
    known = _kind_of(kind)
    return known.attempts if known else DEFAULT_ATTEMPTS


@cache
def batch_sizes() -> str:
    """How many jobs one run takes, of each kind that takes several, as JSON."""
    return json.dumps({name: kind.batch_size for name, kind in kinds().items() if kind.batch_size > 1})


@cache
def _load_handlers() -> None:
    """Import the modules with handlers. Only a worker has imported them at its start."""
    current_app.loader.import_default_modules()


def _kind_of(name: str) -> JobKind[DataclassInstance] | None:
    return getattr(current_app.tasks.get(name), "job_kind", None)
