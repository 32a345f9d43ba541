"""Calls a WSGI application (PEP 3333) with a complete request, and returns its complete answer."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from wmsbridge.web.headers import of_machines

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[bytes, bytes]]

_PLAIN = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


@dataclass(frozen=True)
class Answer:
    """An answer that is ready to be sent."""

    status: int
    headers: Headers
    body: bytes


def environ_of(scope: Mapping[str, Any], body: bytes) -> Environ:
    """The environ of a request, for WSGI.

    The length is that of the body that was read, even if it came in chunks. Headers with an underscore are left out: in
    WSGI they look like those with a hyphen, which a proxy may have removed or set.
    """
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("localhost", 80)
    raw_path = scope.get("raw_path") or scope["path"].encode()
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path.partition(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name == b"transfer-encoding":
            continue
        key = _PLAIN.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text, before = value.decode("latin-1"), environ.get(key)
        environ[key] = text if before is None else before + ("; " if key == "HTTP_COOKIE" else ",") + text
    environ["CONTENT_LENGTH"] = str(len(body)) if body else environ.get("CONTENT_LENGTH", "")
    return environ


def answer(application: Application, environ: Environ) -> Answer:
    """Return the whole answer of the application, so that a slow reader keeps no thread busy."""
    head: list[tuple[str, list[tuple[str, str]]]] = []
    pieces: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _error: Any = None
    ) -> Callable[[bytes], None]:
        head[:] = [(status, headers)]
        return pieces.append

    parts = application(environ, start_response)
    try:
        pieces.extend(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    status, headers = head[0]
    return Answer(
        status=int(status.split(" ", 1)[0]),
        headers=[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        body=b"".join(pieces),
    )


def refusal(status: int, reason: str) -> Answer:
    """The answer to a request that the application does not get. It closes the connection."""
    body = f'{{"error": "{reason}"}}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *((name.lower().encode(), value.encode()) for name, value in of_machines().items()),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"5"))
    return Answer(status, headers, body)
