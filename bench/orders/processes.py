"""What the processes of the product use, as the kernel counts it (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


Groups = Mapping[str, Sequence[int]]
"""The name of a group of programs -> the pids of their first processes."""


def cpu_seconds(groups: Groups) -> dict[str, float]:
    """Returns the CPU seconds that each group has used so far.

    The descendants of its processes count, and so do those that have ended, because the kernel adds the time of a
    child to its parent when the child is waited for.
    """
    return {name: sum(map(_cpu, _members(roots))) for name, roots in groups.items()}


def resident_bytes(groups: Groups) -> dict[str, int]:
    """Returns the memory of each group: the proportional set size, so that a shared page counts once in all."""
    return {name: sum(map(_pss, _members(roots))) for name, roots in groups.items()}


def children_named(words: Mapping[str, str]) -> dict[str, list[int]]:
    """Returns our own child processes whose command line holds a word. `words`: name -> word."""
    lines = {pid: _command_line(pid) for pid, parent in _parents() if parent == os.getpid()}
    return {name: [pid for pid, line in lines.items() if word in line] for name, word in words.items()}


def _members(roots: Sequence[int]) -> list[int]:
    return [pid for root in roots for pid in family(root)]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def family(root: int) -> list[int]:
    """Returns a process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(entry.name)):
            yield int(entry.name), int(fields[1])


def _cpu(pid: int) -> float:
    """utime, stime, and those of the children that ended."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) / TICKS if fields else 0.0


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from `state` on, which proc(5) counts from 3; none if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
