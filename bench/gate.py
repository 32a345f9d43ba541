"""A gate on the road to a system: lets calls pass, answers 503, or swallows them; and keeps book of every call."""

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
    """One call to an account (the path's first segment). Times are `time.time()`; `ended` when the caller was
    answered or hung up."""

    account: str
    what: str
    began: float
    passed: bool
    ended: float | None = None


@dataclass
class Gate:
    """Stands before `upstream`, a URL without a path; `root` is its own."""

    upstream: str
    calls: list[Call] = field(default_factory=list)
    root: str = ""
    _state: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take_down(self, account: str, how: str) -> float:
        """From now on calls to the account are answered 503 (REFUSES), or never (SWALLOWS); returns the time."""
        self._state[account] = how
        return time.time()

    def bring_back(self, account: str) -> float:
        """Calls pass again; what was swallowed stays so. Returns the time."""
        self._state[account] = PASSES
        return time.time()

    def enters(self, account: str, what: str) -> tuple[Call, str]:
        """A call arrives: its entry in the book, and what becomes of it."""
        how = self._state.get(account, PASSES)
        call = Call(account, what, time.time(), how == PASSES)
        with self._lock:
            self.calls.append(call)
        return call, how

    def of(self, account: str, *, since: float, until: float = float("inf")) -> list[Call]:
        """Calls to the account that began in this time, in order."""
        with self._lock:
            found = [call for call in self.calls if call.account == account]
        return sorted((call for call in found if since <= call.began < until), key=lambda call: call.began)


def most_at_once(calls: Sequence[Call]) -> int:
    """How many of these calls were under way at the same time, at most."""
    edges = sorted(
        [(call.began, 1) for call in calls] + [(call.ended, -1) for call in calls if call.ended is not None]
    )
    at_once = most = 0
    for _, step in edges:
        at_once += step
        most = max(most, at_once)
    return most


@contextmanager
def gate_before(upstream: str) -> Iterator[Gate]:
    """A gate that serves on a free port of this machine."""
    gate = Gate(upstream)

    class Serving(_Handler):
        book = gate

    server = _Server(("127.0.0.1", 0), Serving)
    gate.root = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, name="gate", daemon=True).start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is what a time-out looks like from here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    book: Gate

    def do_any(self) -> None:
        """One call, with its entry in the book."""
        account, _, rest = self.path.lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call, how = self.book.enters(account, f"{self.command} /{rest.partition('?')[0]}")
        try:
            if how == SWALLOWS:
                self._swallow()
            elif how == REFUSES:
                self._answer(503, {}, b"")
            else:
                self._pass_on(body)
        finally:
            call.ended = time.time()

    do_GET = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815 - the base class looks for these

    def _swallow(self) -> None:
        """Nothing comes back; over when the caller hangs up."""
        self.close_connection = True
        select.select([self.connection], [], [], LONGEST_SILENCE)

    def _pass_on(self, body: bytes) -> None:
        onward = http.client.HTTPConnection(urlsplit(self.book.upstream).netloc, timeout=LONGEST_SILENCE)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            onward.request(self.command, self.path, body=body or None, headers=headers)
            answer = onward.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            onward.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""
