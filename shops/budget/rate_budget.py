"""The budget of a shop for GraphQL points and REST calls, shared by all workers. It says when to try again, never
waits.

Both limits are leaky buckets in Redis, changed by atomic scripts (`lua/`). A call reserves its expected cost. Its
answer settles the real cost, and reports the size, the restore rate and the contents of the bucket. Two rules prevent
that Shopify ever answers THROTTLED: calls in flight count as spent, and an answer never gives back points that others
may have spent meanwhile. Without Redis each process keeps to a small share of its own.
"""

from __future__ import annotations

import hashlib
import math
import threading
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import NoScriptError

from ops import redis
from ops.errors import Scope, Throttled
from ops.models import Priority
from shops.budget.limits import POINTS, REST_CALLS, CostReport, Limits, Purse, size_class
from shops.budget.local_bucket import LocalBucket

__all__ = [
    "POINTS",
    "REST_CALLS",
    "CostReport",
    "Limits",
    "Purse",
    "Reservation",
    "close",
    "reserve",
    "settle",
    "size",
    "size_class",
]

logger = structlog.get_logger(__name__)

RESERVATION_SECONDS = 60.0
"""After this time a reservation that nobody settled is charged in full. It is longer than the time-outs of any call."""

RESERVED_SHARE = 0.1
"""The share of the bucket that calls below HIGH leave for submissions and fulfilments."""

AGING_SECONDS = 60.0
"""After this time of refusals a priority may make one call like HIGH, so that a busy shop's stock is pushed, too."""

NEXT_SECONDS = 5.0
"""How long a refused work stays next in line after its wait has ended; it must ask again within this time."""

LONGEST_WAIT = 60.0
SHORTEST_WAIT = 0.05


@dataclass(frozen=True)
class Reservation:
    """Points or calls that are reserved for one call until `settle`."""

    domain: str
    limits: Limits
    operation: str
    token: str
    cost: float
    local: bool
    purse: Purse | None = None


def reserve(
    domain: str,
    *,
    limits: Limits,
    operation: str,
    priority: int = Priority.NORMAL,
    purse: Purse | None = None,
) -> Reservation:
    """Reserve the cost of one call of `operation` (name and size class), or say when it is available.

    LOW is admitted only above 50 % of the bucket, NORMAL above 20 %; both limits fall while it is refused. Both leave
    10 % to HIGH and URGENT, which may use all. The first call of a work fills its `purse`. Its other calls draw on the
    purse, so they do not wait for others. Raises Throttled with the wait until the call fits if nobody else calls.
    """
    token = uuid.uuid4().hex
    admitted, wait, cost, local = _decide(domain, limits, operation, token, priority, purse)
    if not admitted:
        seconds = min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        raise Throttled(
            f"{limits.name} budget of {domain}: {cost:g} for {operation} fit in {seconds:.2f} s",
            wait=timedelta(seconds=seconds),
            scope=Scope.PRIORITY,
        )
    return Reservation(domain, limits, operation, token, cost, local, purse)


def settle(reservation: Reservation, report: CostReport) -> None:
    """Charge the call, and learn from the cost in its answer. Never raises: a lost settlement is charged later."""
    limits = reservation.limits
    _local_bucket(reservation.domain, limits).settle(
        reservation.operation, reservation.cost if reservation.local else 0.0, report
    )
    if reservation.local:
        return
    arguments = [
        reservation.token,
        reservation.operation,
        _text(report.charged),
        _text(report.requested),
        _text(report.available),
        _text(report.maximum),
        _text(report.restore),
        str(report.closed_for),
        reservation.purse.token if reservation.purse else "",
    ]
    _run_or_forget("settle", reservation.domain, limits, arguments)


def close(domain: str, purse: Purse, *, limits: Limits, ended: str, needed: float) -> int:
    """End a work, so that others can use what is left in its purse. Never raises.

    `ended` is done, failed, or refused (for lack of points, after it had made calls). `needed` is the most that it
    needed at once. Returns how many of its runs in a row were refused, without this run if it is done, else with it.
    """
    if purse.left:
        _local_bucket(domain, limits).give_back(purse.left)
        purse.left = 0.0
    return int(
        _run_or_forget("close", domain, limits, [purse.token, purse.who, ended, str(needed), purse.kind]) or 0
    )


def size(domain: str, limits: Limits) -> float | None:
    """Return the size of the bucket, as the last answer reported it; None if there was no answer yet."""
    if not redis.available():
        return None
    try:
        known = redis.client().hget(_keys(domain, limits)[0], "max")
    except redis.RedisError:
        redis.failed()
        return None
    return float(known) if known else None


def _decide(
    domain: str, limits: Limits, operation: str, token: str, priority: int, purse: Purse | None
) -> tuple[bool, float, float, bool]:
    """Decide in Redis, or locally without it; return (admitted, seconds to wait, cost, decided locally)."""
    floor, leave = _shares(priority)
    first = purse is not None and not purse.begun
    if redis.available():
        arguments = [token, operation, str(limits.cost), str(floor), str(leave), str(RESERVATION_SECONDS)]
        arguments.append(str(AGING_SECONDS))
        arguments += [purse.token, str(purse.expected), purse.who] if purse else ["", "0", ""]
        arguments += [str(int(priority)), purse.kind if purse else "", str(int(first)), str(NEXT_SECONDS)]
        try:
            admitted, wait, cost, whole, maximum = _run("reserve", domain, limits, arguments)
        except redis.RedisError as error:
            redis.failed()
            logger.warning("budget_is_local", shop=domain, error=type(error).__name__)
        else:
            is_in = int(admitted) == 1
            if purse:
                purse.maximum, purse.short_of = float(maximum), 0.0 if is_in else float(cost)
                purse.begun |= is_in
                purse.taken |= is_in and float(whole) > float(cost)
            return is_in, float(wait), float(cost), False
    wait, cost = _local_bucket(domain, limits).reserve(operation, floor=floor, leave=leave, purse=purse)
    return wait <= 0, wait, cost, True


def _shares(priority: int) -> tuple[float, float]:
    """Return the share of the bucket below which a call waits, and the share that it must leave to others."""
    if priority >= Priority.LOW:
        return 0.5, RESERVED_SHARE
    if priority >= Priority.NORMAL:
        return 0.2, RESERVED_SHARE
    return 0.0, 0.0


# --- Redis ---


def _now() -> str:
    """Return the time for the scripts; "" = they use Redis's clock."""
    return ""


@cache
def _script(name: str) -> tuple[str, str]:
    """Return the source of a script and its SHA-1, by which Redis knows it."""
    folder = Path(__file__).parent / "lua"
    source = (folder / "bucket.lua").read_text() + (folder / f"{name}.lua").read_text()
    return source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def _run(name: str, domain: str, limits: Limits, arguments: list[str]) -> Any:
    source, digest = _script(name)
    keys = _keys(domain, limits)
    values = [*keys, _now(), str(limits.maximum), str(limits.restore), *arguments]
    try:
        return redis.client().evalsha(digest, len(keys), *values)
    except NoScriptError:
        return redis.client().eval(source, len(keys), *values)


def _run_or_forget(name: str, domain: str, limits: Limits, arguments: list[str]) -> Any:
    """Run a script and return its answer; None if Redis is away."""
    if not redis.available():
        return None
    try:
        return _run(name, domain, limits, arguments)
    except redis.RedisError as error:
        redis.failed()
        logger.warning(f"budget_{name}_lost", shop=domain, error=type(error).__name__)
        return None


def _keys(domain: str, limits: Limits) -> list[str]:
    root = f"shopify:{{{domain}}}:{limits.name}"
    return [root, f"{root}:flight", f"{root}:costs", f"{root}:works"]


def _text(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else str(value)


# --- Without Redis ---


_local_buckets: dict[tuple[str, str], LocalBucket] = {}
_local_buckets_lock = threading.Lock()


def _local_bucket(domain: str, limits: Limits) -> LocalBucket:
    with _local_buckets_lock:
        return _local_buckets.setdefault((domain, limits.name), LocalBucket(limits))
