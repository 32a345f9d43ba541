"""Sends the wake-ups of deliveries apart from the requests, many with one write.

A delivery is committed before its wake-up is handed over here, and the wake-up is sent after that. So each is followed
by a look of a worker, as if the request had sent it. One that is lost with this process is made up for by the sweep, as
any other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops.queue.lanes import Wakeups, kept_wakeups
from wmsbridge.web.gateway import Application, Environ

REST_SECONDS = 0.01
"""After each sending, the wake-ups of this time are sent together. The first after a pause is sent at once."""


class LaterWakeups:
    """The wake-ups that wait to be sent, and the thread that sends them."""

    def __init__(self) -> None:
        self._waiting = Wakeups()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "wakeups")

    def add(self, woken: Wakeups) -> None:
        """Have these sent soon. Wake-ups of the same lane become one."""
        with self._lock:
            nobody_sends = not self._waiting.lanes
            for lane, queues in woken.lanes.items():
                for queue in queues:
                    self._waiting.add(lane, queue)
        if nobody_sends and woken.lanes:
            self._thread.submit(self._send)

    def _send(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, Wakeups()
        waiting.send()
        time.sleep(REST_SECONDS)


def wakes_later(application: Application) -> Application:
    """A WSGI application whose wake-ups are sent apart from its requests."""
    later = LaterWakeups()

    def serve(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with kept_wakeups() as woken:
            try:
                return application(environ, start_response)
            finally:
                later.add(woken)

    return serve
