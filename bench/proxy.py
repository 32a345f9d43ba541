"""A proxy in front of a simulated system. It passes calls on, answers 503, or never answers, and records every call."""

from __future__ import annotations

import http.client
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PASSES, REFUSES, SWALLOWS = "passes", "503", "black hole"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
LONGEST_SILENCE = 120.0


@dataclass
class Call:
    """One call to an account, which is the first segment of the path. Times are `time.time()`.

    `ended` is the time at which the caller was answered or hung up.
    """

    account: str
    what: str
    began: float
    passed: bool
    ended: float | None = None


@dataclass
class Proxy:
    """A proxy in front of `upstream`, a URL without a path. `root` is the URL of the proxy itself."""

    upstream: str
    calls: list[Call] = field(default_factory=list)
    root: str = ""
    _state: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take_down(self, account: str, mode: str) -> float:
        """From now on answer calls to the account with 503 (REFUSES), or never (SWALLOWS). Returns the time."""
        self._state[account] = mode
        return time.time()

    def bring_back(self, account: str) -> float:
        """Pass calls on again; those that were swallowed are never answered. Returns the time."""
        self._state[account] = PASSES
        return time.time()

    def record_call(self, account: str, what: str) -> tuple[Call, str]:
        """Record a call that arrives. Returns its record and the mode of its account."""
        mode = self._state.get(account, PASSES)
        call = Call(account, what, time.time(), mode == PASSES)
        with self._lock:
            self.calls.append(call)
        return call, mode

    def calls_to(self, account: str, *, since: float, until: float = float("inf")) -> list[Call]:
        """The calls to the account that began in this period, in order."""
        with self._lock:
            found = [call for call in self.calls if call.account == account]
        return sorted((call for call in found if since <= call.began < until), key=lambda call: call.began)


def most_at_once(calls: Sequence[Call]) -> int:
    """The largest number of these calls that were in progress at the same time."""
    changes = sorted(
        [(call.began, 1) for call in calls] + [(call.ended, -1) for call in calls if call.ended is not None]
    )
    at_once = most = 0
    for _, step in changes:
        at_once += step
        most = max(most, at_once)
    return most


@contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy on a free port of this machine."""
    running = Proxy(upstream)

    class Serving(_Handler):
        proxy = running

    server = _Server(("127.0.0.1", 0), Serving)
    running.root = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, name="proxy", daemon=True).start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: to a server, a time-out of the caller looks like a broken connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def do_any(self) -> None:
        """Deal with one call, and record it."""
        account, _, path = self.path.lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call, mode = self.proxy.record_call(account, f"{self.command} /{path.partition('?')[0]}")
        try:
            if mode == SWALLOWS:
                self._swallow()
            elif mode == REFUSES:
                self._answer(503, {}, b"")
            else:
                self._pass_on(body)
        finally:
            call.ended = time.time()

    do_GET = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815 - the base class calls these

    def _swallow(self) -> None:
        """Answer nothing, and return when the caller hangs up."""
        self.close_connection = True
        select.select([self.connection], [], [], LONGEST_SILENCE)

    def _pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=LONGEST_SILENCE)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing on stderr."""
