"""What the processes of the product use, as the kernel counts it (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.outcome.cpu_meter import TICKS, all_stats, command_line

Groups = Mapping[str, Sequence[int]]
"""The name of a group of programs -> the pids of their first processes."""


def cpu_seconds(groups: Groups) -> dict[str, float]:
    """Returns the CPU seconds that each group has used so far.

    The descendants of its processes count, and so do those that have ended, because the kernel adds the time of a
    child to its parent when the child is waited for.
    """
    stats = all_stats()
    return {
        name: sum(_cpu(stats[pid]) for root in roots for pid in family(root, stats))
        for name, roots in groups.items()
    }


def resident_bytes(groups: Groups) -> dict[str, int]:
    """Returns the memory of each group: the proportional set size, so that a shared page counts once in all."""
    stats = all_stats()
    return {
        name: sum(_pss(pid) for root in roots for pid in family(root, stats))
        for name, roots in groups.items()
    }


def children_named(words: Mapping[str, str]) -> dict[str, list[int]]:
    """Returns our own child processes whose command line holds a word. `words`: name -> word."""
    ours = [pid for pid, fields in all_stats().items() if _parent(fields) == os.getpid()]
    lines = {pid: " ".join(command_line(pid)) for pid in ours}
    return {name: [pid for pid, line in lines.items() if word in line] for name, word in words.items()}


def family(root: int, stats: Mapping[int, list[str]]) -> list[int]:
    """Returns a process and all its descendants, of those that are in `stats`."""
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(_parent(fields), []).append(pid)
    found = [root] if root in stats else []
    for pid in found:
        found += children.get(pid, [])
    return found


def _parent(fields: list[str]) -> int:
    return int(fields[1])


def _cpu(fields: list[str]) -> float:
    """utime, stime, and those of the children that ended."""
    return sum(int(field) for field in fields[11:15]) / TICKS


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
