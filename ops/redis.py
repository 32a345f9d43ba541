"""The Redis client. Redis only makes things fast. Nothing depends on it, and every caller goes on without it."""

from __future__ import annotations

import time
from functools import lru_cache

import redis
from django.conf import settings
from redis.exceptions import RedisError

__all__ = ["RedisError", "available", "client", "failed"]

CONNECT_SECONDS = 0.3
ANSWER_SECONDS = 0.5
QUIET_SECONDS = 2.0
"""A process does not use Redis for this long after a failure, so that a dead Redis does not delay each request."""

_quiet_until = 0.0


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """The client of this process. Its time-outs are short, so that a web request can wait for them."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        decode_responses=True,
        health_check_interval=30,
    )


def available() -> bool:
    """Whether Redis may be used: not for QUIET_SECONDS after `failed()`. The caller goes on without Redis then."""
    return time.monotonic() >= _quiet_until


def failed() -> None:
    """Note that Redis did not answer."""
    global _quiet_until  # noqa: PLW0603
    _quiet_until = time.monotonic() + QUIET_SECONDS
