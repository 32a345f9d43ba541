"""Runs one command on servers of its own: `python -m wmsbridge.embedded [--data DIR] COMMAND ...`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from wmsbridge.embedded import EmbeddedError, servers
from wmsbridge.embedded.processes import end_with_parent


def main(arguments: Sequence[str]) -> int:
    """Run a command on embedded servers. Returns its exit code (128 + signal if a signal ended it)."""
    parser = argparse.ArgumentParser(prog="python -m wmsbridge.embedded")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep database and secrets in this folder")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if not given.command:
        parser.error("which command?")
    try:
        with servers(given.data) as running:
            return _run_command(given.command, {**os.environ, **running.environment()})
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1


def _run_command(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Wait for the command, and pass Ctrl-C and SIGTERM on to it, so that it ends before its servers do."""
    process = subprocess.Popen(
        command,
        env=environment,
        process_group=0,  # else a terminal's Ctrl-C would reach it twice
        preexec_fn=end_with_parent(signal.SIGTERM),
    )
    handed_on = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in handed_on}
    for number in handed_on:
        signal.signal(number, lambda received, _: process.send_signal(received))
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
