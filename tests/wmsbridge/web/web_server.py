"""The web server as it ships, on the test's database, and requests on bare sockets."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.db import connection

from wmsbridge.embedded.places import free_port
from wmsbridge.embedded.processes import running
from wmsbridge.web import command

SHOP_SECRET, WMS_SECRET = "shop-secret", "wms-secret"


@contextmanager
def web_server(folder: Path, arguments: Sequence[str] = (), *, workers: int = 2) -> Iterator[int]:
    """Runs until the end of the block; the port. Without `arguments` those of the image."""
    port = free_port()
    given = list(arguments) or command.arguments(host="127.0.0.1", port=port, workers=workers)
    given = [str(port) if each == "PORT" else each for each in given]
    name = connection.settings_dict["NAME"]
    environment = {
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl(),
        "HTTPS": "0",
        "LOG_FORMAT": "json",
        "PYTHONPATH": str(settings.BASE_DIR),
    }

    def ready() -> bool:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200

    granian = [str(Path(sys.executable).with_name("granian")), "--working-dir", str(settings.BASE_DIR)]
    full = ["env", *(f"{key}={value}" for key, value in environment.items()), *granian, *given]
    with running(full, log=folder / "web.log", ready=ready, stop=signal.SIGTERM):
        yield port


def exchange(port: int, *pieces: bytes, seconds: float = 15.0) -> tuple[int, bytes]:
    """Send these bytes on a connection of their own; the status and all that came back."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as wire:
        for piece in pieces:
            wire.sendall(piece)
        answer = b""
        while b"\r\n\r\n" not in answer or not _whole(answer):
            received = wire.recv(65536)
            if not received:
                break
            answer += received
    return int(answer.split(b" ", 2)[1]), answer


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    ]
    return bool(lengths) and len(body) >= int(lengths[0])
