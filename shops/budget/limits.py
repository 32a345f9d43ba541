"""The data of a budget: its kinds of buckets, the cost that an answer reports, and the points of one work."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """One kind of bucket, with the values that are assumed until an answer reports the real ones."""

    name: str
    maximum: float
    restore: float  # per second
    cost: float  # of a call that was never made before


POINTS = Limits("points", maximum=1000, restore=50, cost=100)
"""GraphQL cost points. Observed: 2000 at 100/s (standard plan); older: 1000 at 50/s. Learned from `throttleStatus`."""

REST_CALLS = Limits("rest", maximum=40, restore=2, cost=1)
"""REST calls, standard plan: bucket of 40, 2/s; always 20 s of restore (80 at 4/s, 400 at 20/s)."""


@dataclass
class Purse:
    """The points of one work of several calls, from its first call to `close`. Nobody else can use them meanwhile.

    If the points did not suffice, the need is remembered under `who`, and the next run asks for that many.
    """

    who: str
    kind: str = ""  # the usual need of such works is remembered under it; "" = it is not remembered
    expected: float = 0.0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: bool = False
    taken: bool = False  # whether it got more than its first call needs
    left: float = 0.0  # points left; only used without Redis
    short_of: float = 0.0  # the cost of the call that was refused last
    maximum: float = 0.0  # the size of the bucket


@dataclass(frozen=True)
class CostReport:
    """The cost of a call, as its answer reports it; None = it did not report the value."""

    charged: float | None = None
    requested: float | None = None
    available: float | None = None
    maximum: float | None = None
    restore: float | None = None
    closed_for: float = 0.0  # seconds for which nothing may be sent (429 Retry-After)


def size_class(variables: Mapping[str, Any], *, page_sizes: Collection[str] = ()) -> str:
    """Return a name for calls of one operation that cost about the same.

    It has the number of elements in lists, rounded up to a power of two, and the page sizes: Shopify computes the cost
    of a connection by first/last, and that of `nodes(ids:)` by the number of ids.
    """
    elements = _elements(variables)
    rounded = 1 << (elements - 1).bit_length() if elements else 0
    pages = [f"{name}={variables.get(name)}" for name in sorted(page_sizes)]
    return ",".join([str(rounded), *pages])


def _elements(value: object) -> int:
    """Count the elements of all lists in a value."""
    if isinstance(value, Mapping):
        return sum(_elements(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return len(value) + sum(_elements(inner) for inner in value)
    return 0
