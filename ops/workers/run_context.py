"""The run that is in progress in this process, and what has to end with it.

All calls of a run share some things, for example points of a budget. They are needed where a call is made, and the
functions between the handler and the call do not use them. So they are attached to the run, and `current()` finds them.
They end with the run, however it ends, and no handler has to take care of them. Nothing else is passed this way: a
function decides by its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from ops.models import Job

Attached = TypeVar("Attached", bound=AbstractContextManager[object])


@dataclass(frozen=True)
class Run:
    """One run of a job or of a batch, or a separate part of a run."""

    name: str
    """The key of the first job, or the name of the part. It is the same at the next attempt."""
    kind: str = ""
    """The job kind; "" for a part."""
    size: int = 1
    """How many jobs are in it."""
    _ends_with_it: ExitStack = field(default_factory=ExitStack)
    _attached: dict[type, object] = field(default_factory=dict)

    def attached(self, kind: type[Attached], make: Callable[[], Attached]) -> Attached:
        """The object of this type that is attached to the run. The first call makes it, enters it and attaches it.

        It is exited when the run ends, with the error if there is one.
        """
        found = self._attached.get(kind)
        if not isinstance(found, kind):
            found = self._attached[kind] = make()
            self._ends_with_it.enter_context(found)
        return found


_current: ContextVar[Run | None] = ContextVar("run", default=None)


def current() -> Run | None:
    """The innermost run in progress; None outside of any run."""
    return _current.get()


@contextmanager
def begin(batch: Sequence[Job]) -> Iterator[Run]:
    """A run of these jobs, around their handler."""
    with _under_way(Run(batch[0].key, kind=batch[0].kind, size=len(batch))) as run:
        yield run


@contextmanager
def part(name: str) -> Iterator[Run]:
    """A part of a run, or of a command, that shares nothing with the rest of it."""
    with _under_way(Run(name)) as run:
        yield run


@contextmanager
def _under_way(run: Run) -> Iterator[Run]:
    """Make this the current run while the block runs, and end afterwards what is attached to it."""
    with run._ends_with_it:
        token = _current.set(run)
        try:
            yield run
        finally:
            _current.reset(token)
