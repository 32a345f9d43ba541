"""The command of the web server, said once: the image, the demo, the tests and the measurements start the same."""

from __future__ import annotations

HEAD_MILLISECONDS = 10_000
CONNECTIONS = 4096
"""A worker's, idle ones included. Each is a file and some kilobytes: slow senders must not use them up."""


def arguments(*, host: str, port: int, workers: int) -> list[str]:
    """What follows `granian`."""
    return [
        *("--interface", "asginl", "--host", host, "--port", str(port), "--workers", str(workers)),
        *("--backlog", "2048", "--backpressure", str(CONNECTIONS)),
        *("--http", "1", "--no-ws", "--http1-header-read-timeout", str(HEAD_MILLISECONDS)),
        *("--http1-buffer-size", "65536", "--respawn-failed-workers", "--workers-kill-timeout", "30"),
        "wmsbridge.asgi:application",
    ]
