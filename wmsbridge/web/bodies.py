"""Reading a request's body without trusting its sender: bounded in bytes, in time, and in memory over all senders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

FREE_BYTES = 64 * 1024
"""What every body may hold without asking: so many of any number of connections are affordable."""


class Refused(Exception):
    """The request is answered with a status and not handed on."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Gone(Exception):
    """The sender hung up."""


@dataclass(frozen=True)
class Bounds:
    """How large a body may be, and how long it may take: `seconds`, and a second more for every so many bytes."""

    most_bytes: int
    seconds: float
    bytes_per_second: float = float("inf")


class Memory:
    """What bodies beyond FREE_BYTES may hold together, in this process."""

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes

    def take(self, count: int) -> None:
        """Raises Refused (503) when others hold all of it."""
        if count > self.left:
            raise Refused(503, "too many large bodies at once")
        self.left -= count


class Body:
    """One body while it is read and worked on; `release` gives back what it held."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Raises Refused (503) when there is no memory left for it."""
        more = max(0, self.size + len(chunk) - max(self.size, FREE_BYTES))
        self._memory.take(more)
        self._held += more
        self.size += len(chunk)
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        """All of it, in one piece."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def release(self) -> None:
        """What it held may be held by others."""
        self._memory.left += self._held
        self._held = 0
        self._chunks.clear()


async def read(receive: Receive, headers: Mapping[bytes, bytes], *, bounds: Bounds, into: Body) -> bytes:
    """The whole body, sent with a length or in chunks.

    Raises Refused (408 too slow, 411 and 413 by what is declared or sent, 503 no memory), Gone.
    """
    if not _has_body(headers, bounds):
        return b""
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + bounds.seconds) as limit:
            while await _more(receive, bounds, into):
                limit.reschedule(began + bounds.seconds + into.size / bounds.bytes_per_second)
    except TimeoutError as error:
        raise Refused(408, "the body was sent too slowly") from error
    return into.whole()


def _has_body(headers: Mapping[bytes, bytes], bounds: Bounds) -> bool:
    """Whether one was announced. What says that it is too large is not read at all."""
    length = headers.get(b"content-length")
    if length is None:
        return b"transfer-encoding" in headers
    if not length.isdigit():
        raise Refused(400, "Content-Length is not a number")
    if len(length) > 18 or int(length) > bounds.most_bytes:
        raise Refused(413, "body too large")
    return int(length) > 0


async def _more(receive: Receive, bounds: Bounds, body: Body) -> bool:
    """Take the next piece; whether another follows."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    chunk = message.get("body", b"")
    if body.size + len(chunk) > bounds.most_bytes:
        raise Refused(413, "body too large")
    body.add(chunk)
    return bool(message.get("more_body", False))
