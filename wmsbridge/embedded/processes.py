"""Runs servers as child processes. They are ready when they answer, end cleanly, and are never left behind."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from wmsbridge.embedded.places import EmbeddedError

START_SECONDS = 90.0
STOP_SECONDS = 10.0
PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    stop: signal.Signals,
    user: str | None = None,
    stdin: str = "",
) -> Iterator[None]:
    """Run a server while the block runs, which begins with its first answer. `stop` is the signal for a clean end."""
    with tempfile.TemporaryFile() as given, log.open("wb") as output:
        given.write(stdin.encode())
        given.seek(0)
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=output,
            stderr=output,
            user=user,
            cwd="/",
            start_new_session=True,  # Ctrl-C must not reach the servers, which have to live longer than their users
            preexec_fn=end_with_parent(stop),
        )
    try:
        _wait_until(ready, process, log)
        yield
    finally:
        _end(process, stop)


def end_with_parent(stop: signal.Signals) -> Callable[[], None] | None:
    """Let the kernel send `stop` to the child if this process is killed and cannot do it. This works on Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    return lambda: prctl(PR_SET_PDEATHSIG, int(stop))


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers. Raises EmbeddedError, with the end of its log, if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if ready():
                return
        except (OSError, psycopg.OperationalError):
            time.sleep(0.03)
    raise EmbeddedError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    """Stop a server with its signal, and kill it if it does not end in time."""
    process.send_signal(stop)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack like Ctrl-C does, so that the servers are stopped."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
