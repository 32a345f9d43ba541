"""The ASGI application that the web server calls: it reads requests on the event loop, where a slow one costs nobody
anything, and hands whole ones to the WSGI application in threads. Doors, pages and the probe have threads of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog

from wmsbridge.web.bodies import Body, Bounds, Gone, Memory, Message, Receive, Refused, read
from wmsbridge.web.gateway import Answer, Application, answer, environ_of, refusal

logger = structlog.get_logger(__name__)

Send = Callable[[Message], Awaitable[None]]

LONGEST_QUEUE_SECONDS = 15.0
"""A request that waited longer for a thread is answered 503 unseen: its sender has given up, and sends again."""


@dataclass(frozen=True)
class Desk:
    """Threads for one kind of request, what its bodies may be, and what they may hold together.

    `on_refusal` is given the scope and the status of a request that was refused unread, in a thread.
    """

    prefix: str
    threads: int
    bounds: Bounds
    memory: Memory
    on_refusal: Callable[[Mapping[str, Any], int], None] | None = None
    pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", ThreadPoolExecutor(self.threads, f"web{self.prefix}"))


class Front:
    """ASGI outside, WSGI inside. `desks`: the first whose prefix fits the path serves the request."""

    def __init__(self, application: Application, *, desks: tuple[Desk, ...]) -> None:
        self._application = application
        self._desks = desks

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        desk = next(each for each in self._desks if scope["path"].startswith(each.prefix))
        body, status = Body(desk.memory), 0
        try:
            raw = await read(receive, dict(scope["headers"]), bounds=desk.bounds, into=body)
            answer = await self._answer(desk, scope, raw)
        except Gone:
            return
        except Refused as refused:
            logger.warning("request_refused", status=refused.status, reason=str(refused), path=scope["path"])
            answer, status = refusal(refused.status, str(refused)), refused.status
        finally:
            body.release()
        await _send(send, answer)
        if status and desk.on_refusal:
            await asyncio.get_running_loop().run_in_executor(desk.pool, desk.on_refusal, scope, status)

    async def _answer(self, desk: Desk, scope: Mapping[str, Any], body: bytes) -> Answer:
        latest = time.monotonic() + LONGEST_QUEUE_SECONDS
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(desk.pool, self._work, scope, body, latest)

    def _work(self, scope: Mapping[str, Any], body: bytes, latest: float) -> Answer:
        """In a thread of the desk."""
        if time.monotonic() > latest:
            raise Refused(503, "too many requests at once")
        return answer(self._application, environ_of(scope, body))


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _decline(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Nothing to do when the server starts or ends; WebSockets are not spoken here."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})
        return
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
