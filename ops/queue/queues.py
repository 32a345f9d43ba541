"""The Celery queues, one per concern, so that fleets of workers are scaled apart.

Whoever starts, sends to or watches a queue reads this list. It can be read before Django is set up.
"""

from __future__ import annotations

import enum
from collections.abc import Collection


class Queue(enum.StrEnum):
    """A queue; `docker-compose.yml` has a fleet for each. `DISPATCH` finds what nobody was told of, and
    never waits behind work."""

    SUBMISSION = "submission"
    CALLBACKS = "callbacks"
    CANCELLATION = "cancellation"
    INVENTORY = "inventory"
    MAINTENANCE = "maintenance"
    DISPATCH = "dispatch"


_QUEUES: dict[str, Queue] = {}


def declare(kind: str, queue: Queue) -> None:
    """Note which queue serves a job kind. A declaration of the kind calls this, see `ops.queue.kinds`."""
    _QUEUES[kind] = queue


def queue_of(kind: str) -> Queue:
    """Return the queue that serves a job kind. Any queue will do for a kind that this version does not know."""
    return _QUEUES.get(kind, Queue.MAINTENANCE)


def kinds_beside(queues: Collection[str]) -> list[str]:
    """Return the job kinds that none of these queues serves, of those that this version knows."""
    return [kind for kind, queue in _QUEUES.items() if queue not in queues]
