"""The channel on which alerts reach staff, so that a run knows which alerts people really got."""

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
class ReceivedAlert:
    """One alert as it reached staff."""

    title: str
    text: str

    @property
    def subject(self) -> str:
        """What the alert is about, as its last line says."""
        found = SUBJECT.search(self.text)
        return found[1].strip() if found else ""


@dataclass
class AlertReceiver:
    """Keeps all received alerts, oldest first. `url` is the value of ALERT_URLS (apprise's json:// channel)."""

    url: str
    alerts: list[ReceivedAlert] = field(default_factory=list)

    def has_received(self, subject: str) -> bool:
        """Whether staff ever got an alert about the subject."""
        return any(each.subject == subject for each in self.alerts)


@contextmanager
def open_alert_receiver() -> Iterator[AlertReceiver]:
    """Listens until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver := AlertReceiver(url="")))
    receiver.url = f"json://127.0.0.1:{server.server_address[1]}/"
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), name="receiver", daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _handler(receiver: AlertReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            # Several alerts that are due at once come in one message.
            receiver.alerts += [ReceivedAlert(said["title"], text) for text in said["message"].split(BETWEEN)]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the base class from writing to stderr."""

    return Handler
