"""The Celery queues, one per concern, so that fleets of workers are scaled apart.

Whoever starts, sends to or watches a queue reads this list. It can be read before Django is set up.
"""

from __future__ import annotations

import enum


class Queue(enum.StrEnum):
    """A queue; `docker-compose.yml` has a fleet for each. `DISPATCH` hands lanes out and never waits behind work."""

    SUBMISSION = "submission"
    CALLBACKS = "callbacks"
    CANCELLATION = "cancellation"
    INVENTORY = "inventory"
    MAINTENANCE = "maintenance"
    DISPATCH = "dispatch"
