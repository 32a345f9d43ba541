"""The command that starts the web server, for the image, the demo, the tests and the measurements."""

from __future__ import annotations

HEAD_MILLISECONDS = 10_000
CONNECTIONS = 4096
"""A worker accepts this many connections, including idle ones. Each costs a file and some kilobytes. The number is
large, so that slow senders cannot use them up."""


def arguments(*, host: str, port: int, workers: int) -> list[str]:
    """The arguments of `granian`."""
    return [
        *("--interface", "asginl", "--host", host, "--port", str(port), "--workers", str(workers)),
        *("--backlog", "2048", "--backpressure", str(CONNECTIONS)),
        *("--http", "1", "--no-ws", "--http1-header-read-timeout", str(HEAD_MILLISECONDS)),
        *("--http1-buffer-size", "65536", "--respawn-failed-workers", "--workers-kill-timeout", "30"),
        "wmsbridge.asgi:application",
    ]
