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
from shops.budget.limits import POINTS, REST_CALLS, Limits, Purse, Receipt, size_class
from shops.budget.local_bucket import LocalBucket

__all__ = [
    "POINTS",
    "REST_CALLS",
    "Limits",
    "Purse",
    "Receipt",
    "Reservation",
    "close",
    "reserve",
    "settle",
    "size",
    "size_class",
]

logger = structlog.get_logger(__name__)

HOLD_SECONDS = 60.0
"""After this a reservation that nobody settled is charged in full: longer than any call's time-outs."""

LEFT_BEHIND = 0.1
"""Share of the bucket that calls below HIGH leave for submissions and fulfilments."""

PATIENCE_SECONDS = 60.0
"""After this long of refusals a priority asks as an equal for one call: a busy shop's stock must be pushed, too."""

NEXT_SECONDS = 5.0
"""How long a work that was refused keeps the next place, beyond the wait it was told: it has to come back by then."""

LONGEST_WAIT = 60.0
SHORTEST_WAIT = 0.05


@dataclass(frozen=True)
class Reservation:
    """Room taken for one call until `settle`."""

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
    """Take room for one call of `operation` (name and size class), or say when there will be.

    LOW is admitted only above 50 % of the bucket, NORMAL above 20 % (less the longer it is refused), both leave 10 %
    behind; HIGH and URGENT take all. The first call of a work fills its `purse`, the others draw on it: they wait for
    nobody. Raises Throttled(wait = until it fits, if nobody else calls meanwhile).
    """
    token = uuid.uuid4().hex
    admitted, wait, cost, local = _ask(domain, limits, operation, token, priority, purse)
    if not admitted:
        seconds = min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        raise Throttled(
            f"{limits.name} budget of {domain}: {cost:g} for {operation} fit in {seconds:.2f} s",
            wait=timedelta(seconds=seconds),
            scope=Scope.PRIORITY,
        )
    return Reservation(domain, limits, operation, token, cost, local, purse)


def settle(reservation: Reservation, receipt: Receipt) -> None:
    """Charge the call and learn from its answer. Never raises: a lost settlement only expires later."""
    limits = reservation.limits
    _local_bucket(reservation.domain, limits).settle(
        reservation.operation, reservation.cost if reservation.local else 0.0, receipt
    )
    if reservation.local:
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
        reservation.purse.token if reservation.purse else "",
    ]
    _run_or_forget("settle", reservation.domain, limits, arguments)


def close(domain: str, purse: Purse, *, limits: Limits, ended: str, needed: float) -> int:
    """The work is over: what is left in its purse is everybody's again. `ended`: done, refused (for want of points,
    after it had called), failed. `needed`: the most it had to have at once.

    Returns how many of its runs in a row were refused so: before this one when it is done, else with it. Never raises.
    """
    if purse.left:
        _local_bucket(domain, limits).give_back(purse.left)
        purse.left = 0.0
    return int(
        _run_or_forget("close", domain, limits, [purse.token, purse.who, ended, str(needed), purse.kind]) or 0
    )


def size(domain: str, limits: Limits) -> float | None:
    """How much the bucket holds when it is full, as the last answer told; None = no answer yet."""
    if not redis.available():
        return None
    try:
        known = redis.client().hget(_keys(domain, limits)[0], "max")
    except redis.RedisError:
        redis.failed()
        return None
    return float(known) if known else None


def _ask(
    domain: str, limits: Limits, operation: str, token: str, priority: int, purse: Purse | None
) -> tuple[bool, float, float, bool]:
    """(admitted, seconds to wait, cost, decided locally)."""
    floor, leave = _shares(priority)
    first = purse is not None and not purse.begun
    if redis.available():
        arguments = [token, operation, str(limits.cost), str(floor), str(leave), str(HOLD_SECONDS)]
        arguments.append(str(PATIENCE_SECONDS))
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
    keys = _keys(domain, limits)
    values = [*keys, _now(), str(limits.maximum), str(limits.restore), *arguments]
    try:
        return redis.client().evalsha(digest, len(keys), *values)
    except NoScriptError:
        return redis.client().eval(source, len(keys), *values)


def _run_or_forget(name: str, domain: str, limits: Limits, arguments: list[str]) -> Any:
    """The script's answer; None where Redis is away."""
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
