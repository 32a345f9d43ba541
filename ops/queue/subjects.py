"""What a job is about, in words: the rooms above name their own subjects, which ops does not know."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """How staff call a subject, and the domain of the shop that it is about ("" for no one's)."""

    words: str
    shop: str = ""

    def __str__(self) -> str:
        return f"{self.words} of {self.shop}" if self.shop else self.words


Namer = Callable[[Collection[str]], dict[str, Named]]
"""Names those subjects of its kind that it knows, in a number of statements that does not grow with them."""

_NAMERS: dict[str, Namer] = {}


def named_by(namer: Namer, *, kind: str) -> None:
    """Have subjects that begin with `kind` and a colon named by this function."""
    _NAMERS[kind] = namer


def in_words(subjects: Collection[str]) -> dict[str, Named]:
    """The names of those subjects that somebody names."""
    found: dict[str, Named] = {}
    for kind, namer in _NAMERS.items():
        mine = {subject for subject in subjects if subject.startswith(f"{kind}:")}
        found |= namer(mine) if mine else {}
    return found
