"""Counts what the doors refuse, in one hash of Redis. Nothing of a refused request is stored, and the database is not
used.

The hash stays small, whatever is sent: a field names a known sender, or none, and one of the reasons below. Without
Redis nothing is counted, and the door answers in the same way.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from ops import redis
from ops.refs import sender_subject

KEPT = timedelta(days=3)
LONGEST_DETAIL = 300
_HASH, _SENDERS = "wmsbridge:refused", "wmsbridge:senders"
_STRANGE = re.compile(r"[^\w.:-]", re.ASCII)


class Door(StrEnum):
    """The door to which something is sent."""

    SHOPIFY = "shopify"  # senders are shops, by domain
    WMS = "wms"  # senders are connections, by slug

    @property
    def sent(self) -> str:
        """The word for what comes to this door."""
        return "webhooks" if self == Door.SHOPIFY else "callbacks"


class Why(StrEnum):
    """Why a request was refused, in the order of the checks of a door."""

    WRONG_ADDRESS = "wrong_address"
    BROKEN_OFF = "broken_off"
    TOO_LARGE = "too_large"
    UNKNOWN_SENDER = "unknown_sender"
    NO_SECRET = "no_secret"
    NO_SIGNATURE = "no_signature"
    SIGNATURE = "signature"
    HEADER = "header"
    NOT_JSON = "not_json"
    CONTENT = "content"
    TIME_ZONE = "time_zone"


SIGNED = frozenset({Why.HEADER, Why.NOT_JSON, Why.CONTENT, Why.TIME_ZONE})
"""Reasons that are checked after the signature. Only requests of the sender itself can be refused for them."""

_WHYS = frozenset(map(str, Why))
_BEFORE_THE_SENDER = frozenset({Why.WRONG_ADDRESS, Why.BROKEN_OFF, Why.TOO_LARGE, Why.UNKNOWN_SENDER})


@dataclass(frozen=True)
class Refused:
    """What was refused of one sender, for one reason.

    `sender` is "" for all senders that are not known; then `detail` is the name that the last one gave.
    """

    door: Door
    sender: str
    why: Why
    count: int
    first: datetime
    last: datetime
    detail: str
    reported: int  # the part of the count that staff know of
    stamp: str  # the time of the last one, as it is stored

    @property
    def field(self) -> str:
        """The prefix of its fields in the hash."""
        return f"{self.door}|{self.sender}|{self.why}|"


def note(door: Door, sender: str, why: Why, *, detail: str = "") -> None:
    """Count one refusal. Never raises."""
    if not redis.available():
        return
    known = "" if why in _BEFORE_THE_SENDER else "known"
    named = _STRANGE.sub("?", sender[:60])
    values = [door, sender[:255], why, detail[:LONGEST_DETAIL], f"{time.time():.3f}", known, named]
    try:
        redis.client().eval(_script("refused"), 2, _HASH, _SENDERS, *values, str(int(KEPT.total_seconds())))
    except redis.RedisError:
        redis.failed()


def register_senders(senders: Iterable[tuple[Door, str]]) -> None:
    """Store the names of all senders. A refusal before the sender is read counts for a sender only if it is stored
    here.

    Raises RedisError.
    """
    names = [sender_subject(door, sender) for door, sender in senders]
    with redis.client().pipeline() as pipe:
        pipe.delete(_SENDERS)
        if names:
            pipe.sadd(_SENDERS, *names)
        pipe.execute()


def read() -> list[Refused]:
    """All counts, the latest first. Reasons that only another version knows are left out.

    Raises RedisError.
    """
    parts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, value in redis.client().hgetall(_HASH).items():
        field, _, what = str(name).rpartition("|")
        parts[field][what] = str(value)
    found = [
        _parse(field, stored)
        for field, stored in parts.items()
        if "count" in stored and field.split("|")[2] in _WHYS
    ]
    return sorted(found, key=lambda each: each.last, reverse=True)


def _parse(field: str, stored: dict[str, str]) -> Refused:
    """The count of one sender and reason, from the fields of the hash."""
    door, sender, why = field.split("|")
    return Refused(
        door=Door(door),
        sender=sender,
        why=Why(why),
        count=int(stored["count"]),
        first=datetime.fromtimestamp(float(stored["first"]), UTC),
        last=datetime.fromtimestamp(float(stored["last"]), UTC),
        detail=stored["detail"],
        reported=int(stored.get("told", 0)),
        stamp=stored["last"],
    )


def mark_reported(refused: Iterable[Refused]) -> None:
    """Note that staff know of these. Raises RedisError."""
    with redis.client().pipeline(transaction=False) as pipe:
        for each in refused:
            pipe.hset(_HASH, f"{each.field}told", str(each.count))
        pipe.execute()


def forget(refused: Refused) -> None:
    """Delete the count, unless another refusal came since it was read. Raises RedisError."""
    redis.client().eval(_script("forget_refused"), 1, _HASH, refused.field, refused.stamp)


@cache
def _script(name: str) -> str:
    return (Path(__file__).parent / "lua" / f"{name}.lua").read_text()
