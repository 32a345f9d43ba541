"""The CPU seconds of a run by program, including programs that died on the way."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

LOOK_EVERY = 2.0
TICKS = os.sysconf("SC_CLK_TCK")
NAMES = ("web", "sandbox", "beat", "valkey", "postgres")


class CpuMeter(threading.Thread):
    """Reads /proc at intervals. What a process uses after it was read for the last time is not counted."""

    def __init__(self) -> None:
        super().__init__(name="meter", daemon=True)
        self.used: dict[tuple[int, str], tuple[str, float]] = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Reads /proc until `stop` is called."""
        while not self.over.wait(LOOK_EVERY):
            self.look()

    def stop(self) -> Counter[str]:
        """Reads /proc once more, and returns the CPU seconds of each program."""
        self.over.set()
        self.look()
        total = Counter[str]()
        for program, seconds in self.used.values():
            total[program] += seconds  # type: ignore[assignment]
        return total

    def look(self) -> None:
        """Notes the CPU seconds of every process below this one."""
        found = all_stats()
        names: dict[int, str | None] = {os.getpid(): "harness"}
        for pid, stat in found.items():
            if name := _program(pid, found, names):
                self.used[pid, stat[19]] = name, (int(stat[11]) + int(stat[12])) / TICKS


def all_stats() -> dict[int, list[str]]:
    """Returns the fields of /proc/<pid>/stat of every process, from `state` on, which proc(5) counts from 3."""
    pids = (int(each.name) for each in Path("/proc").glob("[0-9]*"))
    return {pid: fields for pid in pids if (fields := _stat(pid))}


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def command_line(pid: int) -> list[str]:
    """Returns the words of a process's command; none if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _program(pid: int, found: dict[int, list[str]], names: dict[int, str | None]) -> str | None:
    """Returns the name of our child that a process descends from; None when it is no process of this run."""
    if pid not in names:
        parent = int(found[pid][1]) if pid in found else 0
        own = _name(pid) if parent == os.getpid() else None
        names[pid] = own or (_program(parent, found, names) if parent > 1 else None)
    return names[pid]


def _name(pid: int) -> str:
    """Returns the name of a program, taken from its command line."""
    words = command_line(pid)
    if not words:
        return "gone"
    if "--hostname" in words:
        return words[words.index("--hostname") + 1].partition("@")[0]
    line = " ".join(words)
    known = {"web": "granian", "valkey": "valkey-server", "postgres": "/postgres"}
    return next((name for name in NAMES if known.get(name, name) in line), "others")
