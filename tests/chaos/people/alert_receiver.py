"""The channel on which staff are told: what the application really said to people, outside of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BETWEEN = "\n\n----\n\n"
SUBJECT = re.compile(r"Subject: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Told:
    """One alert as it reached people."""

    title: str
    text: str

    @property
    def subject(self) -> str:
        """What it is about, as the last line says."""
        found = SUBJECT.search(self.text)
        return found[1].strip() if found else ""


@dataclass
class Sink:
    """Everything that was told, oldest first. `url` is for ALERT_URLS (apprise's json:// channel)."""

    url: str
    told: list[Told] = field(default_factory=list)

    def knows(self, subject: str) -> bool:
        """Whether people were ever told of it."""
        return any(each.subject == subject for each in self.told)


@contextmanager
def open_sink() -> Iterator[Sink]:
    """Listens until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(heard := Sink(url="")))
    heard.url = f"json://127.0.0.1:{server.server_address[1]}/"
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), name="sink", daemon=True).start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            # Several alerts that are due at once come in one message.
            sink.told += [Told(said["title"], text) for text in said["message"].split(BETWEEN)]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr."""

    return Handler
