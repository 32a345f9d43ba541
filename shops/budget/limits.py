"""What a budget is about: kinds of buckets, what an answer tells of a call's cost, what a work holds. Plain data."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """One kind of bucket and what to assume of it until an answer tells more."""

    name: str
    maximum: float
    restore: float  # per second
    cost: float  # of a call never seen


POINTS = Limits("points", maximum=1000, restore=50, cost=100)
"""GraphQL cost points. Observed: 2000 at 100/s (standard plan); older: 1000 at 50/s. Learned from `throttleStatus`."""

REST_CALLS = Limits("rest", maximum=40, restore=2, cost=1)
"""REST calls, standard plan: bucket of 40, 2/s; always 20 s of restore (80 at 4/s, 400 at 20/s)."""


@dataclass
class Purse:
    """The points of one work of several calls, from its first call to `close`. What is in it is spent for all others.

    What a work lacked is remembered under `who`, and is what it asks for the next time.
    """

    who: str
    kind: str = ""  # what such works usually need is remembered under it; "" = not at all
    expected: float = 0.0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: bool = False
    taken: bool = False  # more than the first call needs
    left: float = 0.0  # without Redis
    short_of: float = 0.0  # cost of the call that was refused last
    maximum: float = 0.0  # of the bucket


@dataclass(frozen=True)
class Receipt:
    """What an answer told about its cost; None = it did not tell."""

    charged: float | None = None
    requested: float | None = None
    available: float | None = None
    maximum: float | None = None
    restore: float | None = None
    closed_for: float = 0.0  # seconds for which nothing may be sent (429 Retry-After)


def size_class(variables: Mapping[str, Any], *, page_sizes: Collection[str] = ()) -> str:
    """Calls of one operation that cost about the same: elements in lists (to the next power of two), page sizes.

    Shopify scales a connection by first/last and `nodes(ids:)` by the number of ids.
    """
    elements = _elements(variables)
    rounded = 1 << (elements - 1).bit_length() if elements else 0
    pages = [f"{name}={variables.get(name)}" for name in sorted(page_sizes)]
    return ",".join([str(rounded), *pages])


def _elements(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(_elements(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return len(value) + sum(_elements(inner) for inner in value)
    return 0
