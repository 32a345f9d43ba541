"""Kinds of jobs. Each is declared once, with its name, its payload, its queue, and its texts for staff.

A `JobKind` is declared in the `jobs` module of the app that does the work. If a lower app causes the work, it declares
an `EventKind`, and the higher app makes a `JobKind` of it, because a lower app must not name a higher one.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from functools import cached_property
from keyword import iskeyword
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from ops.errors import Permanent
from ops.models import Job, Priority
from ops.queue.jobs import NewJob
from ops.queue.queues import Queue, declare
from ops.refs import NO_SUBJECT, LaneName, Subject
from ops.text.untrusted import misfits

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P", bound="DataclassInstance")

DEFAULT_ATTEMPTS = 10

AT_ONCE = timedelta(0)


@dataclass(frozen=True)
class EventKind(Generic[P]):
    """A name under which work is enqueued, and the frozen dataclass that its payload is.

    The fields of the payload are the keys of the stored JSON; `return_` is the key "return". A field that is added
    later needs a default, because the queue still has rows of the version before. With `coalesces` there is one row per
    key, which becomes ready again; without it a known key is a duplicate. See `ops.queue.jobs`.
    """

    name: str
    payload: type[P]
    _: KW_ONLY
    priority: Priority = Priority.NORMAL
    coalesces: bool = True

    def new(
        self,
        payload: P,
        *,
        key: str,
        lane: LaneName,
        subject: Subject = NO_SUBJECT,
        partition: str = "",
        priority: Priority | None = None,
        delay: timedelta = AT_ONCE,
        yields: bool = False,
    ) -> NewJob:
        """A job of this kind. It is not stored before it is enqueued."""
        return NewJob(
            self.name,
            key=key,
            lane=lane,
            payload=self.write(payload),
            subject=subject,
            partition=partition,
            priority=self.priority if priority is None else priority,
            delay=delay,
            coalesce=self.coalesces,
            yields=yields,
        )

    def write(self, payload: P) -> dict[str, object]:
        """The payload as JSON. A field whose default is None is left out while it is None."""
        return {
            _key_of(each.name): _plain(value)
            for each in fields(payload)
            if (value := getattr(payload, each.name)) is not None or each.default is not None
        }

    def read(self, stored: object) -> P:
        """Read the payload of a row. Unknown keys are ignored.

        Raises Permanent if the row does not fit the declaration, so the job becomes a dead letter.
        """
        if isinstance(stored, dict):
            stored = {_field_of(key): value for key, value in stored.items()}
        try:
            return self._parser.validate_python(stored)
        except ValidationError as error:
            wrong = misfits(error, name=_key_of)
            raise Permanent(f"the payload does not fit the job kind {self.name}: {wrong}") from error

    def typed(self, job: Job) -> TypedJob[P]:
        """A job of this kind with its payload. Raises Permanent as `read` does."""
        return TypedJob(
            self.read(job.payload),
            LaneName(job.lane_id),
            job.subject,
            Priority(job.priority),
            job.created_at,
        )

    @cached_property
    def _parser(self) -> TypeAdapter[P]:
        return TypeAdapter(self.payload)


@dataclass(frozen=True)
class JobKind(EventKind[P]):
    """An event kind with the queue whose workers do it, and with words for staff.

    `work` completes «Its work is to …». `if_dead` says in sentences what its death means, and `remedy` what removes the
    usual cause. If `replay_helps` is False, a replay of the same payload fails again. `batch_size` is how many due jobs
    of one lane one run takes.
    """

    _: KW_ONLY
    queue: Queue
    work: str
    if_dead: str
    remedy: str = ""
    replay_helps: bool = True
    attempts: int = DEFAULT_ATTEMPTS
    batch_size: int = 1

    def __post_init__(self) -> None:
        declare(self.name, self.queue)

    @classmethod
    def of(
        cls,
        event: EventKind[P],
        *,
        queue: Queue,
        work: str,
        if_dead: str,
        remedy: str = "",
        replay_helps: bool = True,
        batch_size: int = 1,
    ) -> JobKind[P]:
        """Make a job kind of an event kind that a lower app declares."""
        return JobKind(
            event.name,
            event.payload,
            priority=event.priority,
            coalesces=event.coalesces,
            queue=queue,
            work=work,
            if_dead=if_dead,
            remedy=remedy,
            replay_helps=replay_helps,
            batch_size=batch_size,
        )


@dataclass(frozen=True)
class TypedJob(Generic[P]):
    """A job with its payload, for the handler of a batch."""

    payload: P
    lane: LaneName
    subject: Subject
    priority: Priority
    created_at: datetime


def _plain(value: object) -> object:
    """The value as JSON has it. Times keep their microseconds, which Django's encoder cuts off."""
    match value:
        case datetime():
            return value.isoformat()
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value


def _field_of(key: str) -> str:
    return f"{key}_" if iskeyword(key) else key


def _key_of(field: str) -> str:
    return field.removesuffix("_")
