"""Limits the whole duration of a call to another system. Every read of its answer counts against one deadline.

The time-out of a socket begins again with every byte, so a system that sends one byte a second would block a worker for
ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_until: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A call in this block gets its whole answer within this many seconds, or raises TimeoutError.

    A block inside another one ends with it at the latest.
    """
    until, outer = time.monotonic() + seconds, _until.get()
    token = _until.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _until.reset(token)


def left(most: float) -> float:
    """The seconds until the deadline of the surrounding block, but at most `most`; 0 if it is over."""
    until = _until.get()
    return most if until is None else min(most, max(0.0, until - time.monotonic()))


class _Timed(io.RawIOBase):
    """Reads the bytes of an answer within the time that is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, until: float) -> None:
        self._raw = raw
        self._sock = sock
        self._until = until
        self._each = sock.gettimeout()  # the longest silence that the caller allows

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(left if self._each is None else min(left, self._each))
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class TimedResponse(http.client.HTTPResponse):
    """The response of a connection, with the deadline of the surrounding `within` block, if there is one."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        until = _until.get()
        if until is not None:
            self.fp: Any = io.BufferedReader(_Timed(self.fp.detach(), sock, until))
