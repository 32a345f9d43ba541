"""Reads the body of a request without trust in its sender: within limits of bytes, time, and memory of all bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

FREE_BYTES = 64 * 1024
"""Every body may use this much memory. It is so little that all connections together can use it."""

UNPACED = float("inf")
"""No time is added for what was sent."""


class Refused(Exception):
    """The request is answered with a status, and the application does not get it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Gone(Exception):
    """The sender closed the connection."""


@dataclass(frozen=True)
class Bounds:
    """The limits of a body: its bytes, and the seconds to send it. It gets one more second for each
    `bytes_per_second`."""

    most_bytes: int
    seconds: float
    bytes_per_second: float = UNPACED


class Memory:
    """The memory that all bodies of this process together may use beyond FREE_BYTES each."""

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes

    def take(self, count: int) -> None:
        """Reserve memory. Raises Refused (503) if not enough is left."""
        if count > self.left:
            raise Refused(503, "too many large bodies at once")
        self.left -= count


class Body:
    """One body, from its first byte until the answer. `release` gives its memory back."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._reserved = 0
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Add a piece of the body. Raises Refused (503) if there is no memory left for it."""
        more = max(0, self.size + len(chunk) - max(self.size, FREE_BYTES))
        self._memory.take(more)
        self._reserved += more
        self.size += len(chunk)
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        """Return the whole body in one piece."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def release(self) -> None:
        """Give the memory back."""
        self._memory.left += self._reserved
        self._reserved = 0
        self._chunks.clear()


async def read(receive: Receive, headers: Mapping[bytes, bytes], *, bounds: Bounds, into: Body) -> bytes:
    """Read the whole body, which may be sent with a length or in chunks.

    Raises Gone, or Refused: 400 for an unreadable length, 408 if it is too slow, 413 if it is too large, 503 without
    memory.
    """
    if not _has_body(headers, bounds):
        return b""
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + bounds.seconds) as limit:
            while await _more(receive, bounds, into):
                if bounds.bytes_per_second != UNPACED:
                    limit.reschedule(began + bounds.seconds + into.size / bounds.bytes_per_second)
    except TimeoutError as error:
        raise Refused(408, "the body was sent too slowly") from error
    return into.whole()


def _has_body(headers: Mapping[bytes, bytes], bounds: Bounds) -> bool:
    """Whether the request has a body. A body that says that it is too large is refused without reading it."""
    length = headers.get(b"content-length")
    if length is None:
        return b"transfer-encoding" in headers
    if not length.isdigit():
        raise Refused(400, "Content-Length is not a number")
    if len(length) > 18 or int(length) > bounds.most_bytes:
        raise Refused(413, "body too large")
    return int(length) > 0


async def _more(receive: Receive, bounds: Bounds, body: Body) -> bool:
    """Read the next piece. Returns whether another follows."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    chunk = message.get("body", b"")
    if body.size + len(chunk) > bounds.most_bytes:
        raise Refused(413, "body too large")
    body.add(chunk)
    return bool(message.get("more_body", False))
