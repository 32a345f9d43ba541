"""The names of what jobs are about. ops does not know orders or shops, so the apps above name their own subjects."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class SubjectName:
    """What staff call a subject, and the domain of the shop that it is about ("" if it is about none)."""

    words: str
    shop: str = ""

    def __str__(self) -> str:
        return f"{self.words} of {self.shop}" if self.shop else self.words


Namer = Callable[[Collection[str]], dict[str, SubjectName]]
"""Names the subjects that it knows. The number of its statements does not depend on the number of subjects."""

_NAMERS: dict[str, Namer] = {}


def register_namer(namer: Namer, *, kind: str) -> None:
    """Let this function name the subjects that begin with `kind` and a colon."""
    _NAMERS[kind] = namer


def names_of(subjects: Collection[str]) -> dict[str, SubjectName]:
    """The names of those subjects that have one."""
    found: dict[str, SubjectName] = {}
    for kind, namer in _NAMERS.items():
        mine = {subject for subject in subjects if subject.startswith(f"{kind}:")}
        found |= namer(mine) if mine else {}
    return found
