"""The run that is under way in this process: whose it is, and what has to end with it.

What a lower layer takes for a whole run (points of a budget, say) it hangs on the run, so that it is given back however
the run ends, and no handler has to think of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ops.models import Job


@dataclass(frozen=True)
class Run:
    """One run of a job, or of several that were taken along."""

    key: str  # of the first job
    kind: str
    size: int  # jobs in it
    held: ExitStack  # is closed, with the error if there is one, when the run ends
    found: dict[str, Any] = field(default_factory=dict)  # what was hung on it, by name


_current: ContextVar[Run | None] = ContextVar("run", default=None)


def current() -> Run | None:
    """The run under way; None outside of any."""
    return _current.get()


@contextmanager
def begin(batch: Sequence[Job]) -> Iterator[Run]:
    """Around the handler: what is hung on the run is closed when it ends."""
    with ExitStack() as held:
        run = Run(key=batch[0].key, kind=batch[0].kind, size=len(batch), held=held)
        token = _current.set(run)
        try:
            yield run
        finally:
            _current.reset(token)
