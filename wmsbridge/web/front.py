"""The ASGI application that the web server calls.

It reads requests on the event loop, where a slow sender delays nobody. It hands complete requests to the WSGI
application in threads. Doors, pages and the probe have their own threads.
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
"""A request that waited longer for a thread is answered 503. Its sender has given up by then, and sends it again."""


@dataclass(frozen=True)
class RequestPool:
    """The threads for one kind of request, the limits of its bodies, and the memory for all of them.

    `application` serves them, if another than that of the front does. `on_refusal` is called in a thread, with the
    scope and the status of a request that was refused before the application got it.
    """

    prefix: str
    threads: int
    bounds: Bounds
    memory: Memory
    on_refusal: Callable[[Mapping[str, Any], int], None] | None = None
    application: Application | None = None
    executor: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "executor", ThreadPoolExecutor(self.threads, f"web{self.prefix}"))


class Front:
    """Serves ASGI requests with a WSGI application. The first pool whose prefix fits the path serves a request."""

    def __init__(self, application: Application, *, pools: tuple[RequestPool, ...]) -> None:
        self._application = application
        self._pools = pools

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        request_pool = next(each for each in self._pools if scope["path"].startswith(each.prefix))
        body, status = Body(request_pool.memory), 0
        try:
            raw = await read(receive, dict(scope["headers"]), bounds=request_pool.bounds, into=body)
            answer = await self._answer(request_pool, scope, raw)
        except Gone:
            return
        except Refused as refused:
            logger.warning("request_refused", status=refused.status, reason=str(refused), path=scope["path"])
            answer, status = refusal(refused.status, str(refused)), refused.status
        finally:
            body.release()
        await _send(send, answer)
        if status and request_pool.on_refusal:
            await asyncio.get_running_loop().run_in_executor(
                request_pool.executor, request_pool.on_refusal, scope, status
            )

    async def _answer(self, request_pool: RequestPool, scope: Mapping[str, Any], body: bytes) -> Answer:
        latest = time.monotonic() + LONGEST_QUEUE_SECONDS
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            request_pool.executor, self._work, request_pool, scope, body, latest
        )

    def _work(
        self, request_pool: RequestPool, scope: Mapping[str, Any], body: bytes, latest: float
    ) -> Answer:
        """Answer a request, in a thread of the pool. Raises Refused if the request waited for too long."""
        if time.monotonic() > latest:
            raise Refused(503, "too many requests at once")
        return answer(request_pool.application or self._application, environ_of(scope, body))


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _decline(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer what is no HTTP request: nothing has to be done when the server starts or ends, and WebSockets are
    refused."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})
        return
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
