"""What a shop lets us call: GraphQL points and REST calls, for all workers. Says "not now, but then", never sleeps.

Both limits are leaky buckets, kept in Redis by one atomic script each way (`lua/`): a call reserves its expected cost,
and its answer settles what it really cost and teaches size, restore rate and contents of the bucket. The rules that
keep us from ever earning a THROTTLED: what is in flight counts as spent, and an answer never gives back what others
may have spent meanwhile. Without Redis each process keeps to a small share of its own.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import NoScriptError

from ops import redis
from ops.errors import Throttled
from ops.models import Priority

logger = structlog.get_logger(__name__)

HOLD_SECONDS = 60.0
"""After this a reservation that nobody settled is charged in full: longer than any call's time-outs."""

LEFT_BEHIND = 0.1
"""Share of the bucket that calls below HIGH leave for submissions and fulfilments."""

PATIENCE_SECONDS = 60.0
"""After this long of refusals a priority asks as an equal for one call: a busy shop's stock must be pushed, too."""

LOCAL_SHARE = 1 / 8
"""Share of a bucket that one process takes when Redis is away: one over the usual number of processes."""

LONGEST_WAIT = 60.0
SHORTEST_WAIT = 0.05


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


@dataclass(frozen=True)
class Reservation:
    """Room taken for one call until `settle`."""

    domain: str
    limits: Limits
    operation: str
    token: str
    cost: float
    local: bool


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


def reserve(domain: str, *, limits: Limits, operation: str, priority: int = Priority.NORMAL) -> Reservation:
    """Take room for one call of `operation` (name and size class), or say when there will be.

    LOW is admitted only above 50 % of the bucket, NORMAL above 20 % (less the longer it is refused), both leave 10 %
    behind; HIGH and URGENT take all.
    Raises Throttled(wait = until it fits, if nobody else calls meanwhile).
    """
    token = uuid.uuid4().hex
    admitted, wait, cost, local = _ask(domain, limits, operation, token, priority)
    if not admitted:
        seconds = min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        raise Throttled(
            f"{limits.name} budget of {domain}: {cost:g} for {operation} fit in {seconds:.2f} s",
            wait=timedelta(seconds=seconds),
            budget=True,
        )
    return Reservation(domain, limits, operation, token, cost, local)


def settle(reservation: Reservation, receipt: Receipt) -> None:
    """Charge the call and learn from its answer. Never raises: a lost settlement only expires later."""
    limits = reservation.limits
    _local_bucket(reservation.domain, limits).settle(
        reservation.operation, reservation.cost if reservation.local else 0.0, receipt
    )
    if reservation.local or not redis.available():
        return
    arguments = [
        reservation.token,
        reservation.operation,
        _text(receipt.charged),
        _text(receipt.requested),
        _text(receipt.available),
        _text(receipt.maximum),
        _text(receipt.restore),
        str(receipt.closed_for),
    ]
    try:
        _run("settle", reservation.domain, limits, arguments)
    except redis.RedisError as error:
        redis.failed()
        logger.warning("budget_not_settled", shop=reservation.domain, error=type(error).__name__)


def _ask(
    domain: str, limits: Limits, operation: str, token: str, priority: int
) -> tuple[bool, float, float, bool]:
    """(admitted, seconds to wait, cost, decided locally)."""
    floor, leave = _shares(priority)
    if redis.available():
        arguments = [token, operation, str(limits.cost), str(floor), str(leave), str(HOLD_SECONDS)]
        arguments.append(str(PATIENCE_SECONDS))
        try:
            admitted, wait, cost = _run("reserve", domain, limits, arguments)
        except redis.RedisError as error:
            redis.failed()
            logger.warning("budget_is_local", shop=domain, error=type(error).__name__)
        else:
            return int(admitted) == 1, float(wait), float(cost), False
    wait, cost = _local_bucket(domain, limits).reserve(operation, floor=floor, leave=leave)
    return wait <= 0, wait, cost, True


def _shares(priority: int) -> tuple[float, float]:
    """(share of the bucket below which a call waits, share it must leave behind)."""
    if priority >= Priority.LOW:
        return 0.5, LEFT_BEHIND
    if priority >= Priority.NORMAL:
        return 0.2, LEFT_BEHIND
    return 0.0, 0.0


# --- Redis ---


def _now() -> str:
    """The scripts' clock: "" = Redis's own."""
    return ""


@cache
def _script(name: str) -> tuple[str, str]:
    folder = Path(__file__).parent / "lua"
    source = (folder / "bucket.lua").read_text() + (folder / f"{name}.lua").read_text()
    return source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def _run(name: str, domain: str, limits: Limits, arguments: list[str]) -> Any:
    source, digest = _script(name)
    root = f"shopify:{{{domain}}}:{limits.name}"
    keys = [root, f"{root}:flight", f"{root}:costs"]
    values = [*keys, _now(), str(limits.maximum), str(limits.restore), *arguments]
    try:
        return redis.client().evalsha(digest, len(keys), *values)
    except NoScriptError:
        return redis.client().eval(source, len(keys), *values)


def _text(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else str(value)


# --- Without Redis ---


class LocalBucket:
    """One process's small share of a bucket, charged before the call and refunded after it."""

    def __init__(self, limits: Limits) -> None:
        self._lock = threading.Lock()
        self._maximum = limits.maximum * LOCAL_SHARE
        self._restore = limits.restore * LOCAL_SHARE
        self._default_cost = limits.cost
        self._costs: dict[str, float] = {}
        self._level = self._maximum
        self._at = time.monotonic()

    def reserve(self, operation: str, *, floor: float, leave: float) -> tuple[float, float]:
        """(seconds to wait: 0 = taken, cost)."""
        with self._lock:
            self._advance()
            cost = self._costs.get(operation, self._default_cost)
            need = min(self._maximum, max(self._maximum * floor, cost + self._maximum * leave))
            if self._level + 1e-9 < need:
                return (need - self._level) / self._restore, cost
            self._level -= cost
            return 0.0, cost

    def settle(self, operation: str, reserved: float, receipt: Receipt) -> None:
        """Give back what was reserved but not charged; remember sizes and costs, also while Redis is there."""
        with self._lock:
            self._advance()
            self._maximum = (receipt.maximum or self._maximum / LOCAL_SHARE) * LOCAL_SHARE
            self._restore = (receipt.restore or self._restore / LOCAL_SHARE) * LOCAL_SHARE
            if receipt.requested is not None:
                self._costs[operation] = max(receipt.requested, self._costs.get(operation, 0.0))
            charged = reserved if receipt.charged is None else receipt.charged
            level = self._level + (reserved - charged if reserved else 0.0)
            level -= receipt.closed_for * self._restore
            if receipt.available is not None:
                level = min(level, receipt.available)
            self._level = min(level, self._maximum)

    def _advance(self) -> None:
        now = time.monotonic()
        self._level = min(self._maximum, self._level + (now - self._at) * self._restore)
        self._at = now


_local_buckets: dict[tuple[str, str], LocalBucket] = {}
_local_buckets_lock = threading.Lock()


def _local_bucket(domain: str, limits: Limits) -> LocalBucket:
    with _local_buckets_lock:
        return _local_buckets.setdefault((domain, limits.name), LocalBucket(limits))
