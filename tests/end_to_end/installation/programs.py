"""The application as it runs in production: web server, workers and beat as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wmsbridge.embedded.processes import end_with_parent
from wmsbridge.web.command import arguments

ROOT = Path(__file__).resolve().parents[3]
STOP_SECONDS = 15.0
WORKERS = {
    "orders": ("submission,callbacks,cancellation,dispatch", 2),
    "chores": ("inventory,maintenance,dispatch", 1),
}


@dataclass
class Programs:
    """Starts, kills and stops processes; each appends to a log of its name."""

    logs: Path
    environment: Mapping[str, str]
    commands: Mapping[str, Sequence[str]]
    """Name -> command, in the order of the start."""
    folder: Path = ROOT
    skewed: set[str] = field(default_factory=set)
    """Workers whose clock is wrong, see tests.chaos.faults.skewed_worker."""
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_all(self) -> None:
        """Start every one of them."""
        for name in self.commands:
            self.start(name)

    def start(self, name: str) -> None:
        """Start one of them, in a process group of its own."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._command(name),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )

    def kill(self, name: str) -> None:
        """SIGKILL to the process and its children, as when the machine dies: nobody gets to tidy up."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> bool:
        """SIGTERM, and wait; False when it had to be killed."""
        self._running[name].terminate()
        try:
            self._running[name].wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill(name)
            return False
        del self._running[name]
        return True

    def pid(self, name: str) -> int:
        """Of the process that has the children."""
        return self._running[name].pid

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop the clock for the process and its children; then they go on as if nothing had been."""
        group = self._running[name].pid
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def stop_all(self) -> list[str]:
        """End everything in good order; returns what had to be killed."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        return [name for name in list(self._running) if not self.stop(name)]

    def gone(self) -> list[str]:
        """Those that ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def revive(self, but: Collection[str] = ()) -> list[str]:
        """Start again what ended by itself, as a supervisor does; returns which."""
        found = [name for name in self.gone() if name not in but]
        for name in found:
            self.start(name)
        return found

    def tails(self, lines: int = 20, width: int = 220) -> str:
        """The end of every log."""
        return "\n".join(
            "\n".join([f"--- {log}", *(line[:width] for line in self._lines(log)[-lines:])])
            for log in sorted(self.logs.glob("*.log"))
        )

    def bugs(self) -> list[str]:
        """Log lines that no run should leave: a handler raised something that is not one of the four errors."""
        return [
            f"{log.name}: {line}"
            for log in sorted(self.logs.glob("*.log"))
            for line in self._lines(log)
            if "job_bug" in line or "Internal Server Error" in line
        ]

    def _lines(self, log: Path) -> list[str]:
        return log.read_text(errors="replace").splitlines()

    def _command(self, name: str) -> list[str]:
        command = list(self.commands[name])
        if name in self.skewed:
            command[command.index("celery")] = "tests.chaos.faults.skewed_worker"
        return command


def commands(port: int, workers: Mapping[str, tuple[str, int]] = WORKERS) -> dict[str, Sequence[str]]:
    """Web server, every worker, beat. `workers`: name -> its queues, its threads."""
    granian = str(Path(sys.executable).with_name("granian"))
    celery = [sys.executable, "-m", "celery", "--app", "wmsbridge"]
    return {
        "web": [granian, *arguments(host="127.0.0.1", port=port, workers=1)],
        **{
            name: [
                *(*celery, "worker", "--hostname", f"{name}@e2e"),
                *("--queues", queues, "--concurrency", str(threads)),
            ]
            for name, (queues, threads) in workers.items()
        },
        "beat": [*celery, "beat"],
    }
