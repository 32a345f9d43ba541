"""How long a call to another system may take in all: every single read of its answer counts against one deadline.

A socket's own time-out begins anew with every byte, so that one byte a second would hold a worker for ever.
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
    """What is called in this block is answered, head and body, within so many seconds, or fails with TimeoutError."""
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def left(most: float) -> float:
    """Seconds until the deadline around this call, `most` at most; 0 when it is over."""
    until = _until.get()
    return most if until is None else min(most, max(0.0, until - time.monotonic()))


class _Timed(io.RawIOBase):
    """The bytes of an answer, read with the time that is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, until: float) -> None:
        self._raw = raw
        self._sock = sock
        self._until = until
        self._each = sock.gettimeout()  # the longest silence that the caller bears

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
    """The answer of a connection, bounded by `within` where there is such a block around the call."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        until = _until.get()
        if until is not None:
            self.fp: Any = io.BufferedReader(_Timed(self.fp.detach(), sock, until))
