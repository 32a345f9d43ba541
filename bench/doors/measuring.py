"""Turns of a sender at a web server, what they cost, and the ratios of turns that follow each other."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.doors.serving import Site
from bench.orders.processes import Groups, children_named, cpu_seconds
from tests.end_to_end.installation import world


@dataclass(frozen=True)
class Load:
    """How many requests a turn has, and on how many connections they come."""

    requests: int
    connections: int


@dataclass(frozen=True)
class Turn:
    """What one turn showed: requests a second, seconds until the answers, milliseconds of CPU a request."""

    rate: float
    p50: float
    p99: float
    web: float
    postgres: float

    @property
    def cpu(self) -> float:
        """Milliseconds of CPU a request, of web server and Postgres."""
        return self.web + self.postgres


FIGURES: dict[str, tuple[str, Callable[[Turn], float]]] = {
    "requests a second": (".0f", lambda turn: turn.rate),
    "p50, ms": (".1f", lambda turn: 1000 * turn.p50),
    "p99, ms": (".1f", lambda turn: 1000 * turn.p99),
    "CPU of web, ms a request": (".2f", lambda turn: turn.web),
    "CPU of Postgres, ms a request": (".2f", lambda turn: turn.postgres),
    "CPU of both, ms a request": (".2f", lambda turn: turn.cpu),
}
"""How each figure is written, and how it is read from a turn."""


def turn(site: Site, load: Load) -> Turn:
    """Sends so many webhooks to a site, and measures."""
    groups: Groups = {"web": [site.pid], **children_named({"postgres": "/postgres"})}
    with _sender(site, load) as sender:
        if sender.stdin is None or sender.stdout is None or sender.stdout.readline() != "ready\n":
            raise RuntimeError("the sender ended")
        before = cpu_seconds(groups)
        sender.stdin.write("\n")
        sender.stdin.flush()
        said = sender.stdout.readline()
    if not said:
        raise RuntimeError(f"{site.name} refused a webhook; {site.programs.tails()}")
    used = {name: 1000 * (cpu - before[name]) / load.requests for name, cpu in cpu_seconds(groups).items()}
    found = json.loads(said)
    each = sorted(found["each"])
    return Turn(
        rate=load.requests / found["seconds"],
        p50=statistics.median(each),
        p99=each[math.ceil(len(each) * 0.99) - 1],
        web=used["web"],
        postgres=used["postgres"],
    )


def _sender(site: Site, load: Load) -> subprocess.Popen[str]:
    shop = world.BERLIN
    options = {
        "port": site.port,
        "count": load.requests,
        "connections": load.connections,
        "domain": shop.domain,
        "secret": shop.secret,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "bench.doors.sender", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def table(names: Sequence[str], rounds: Sequence[Sequence[Turn]]) -> Iterator[str]:
    """The lines of a Markdown table: the median of each figure, and of its ratios to the first site in the same
    round."""
    yield "| | " + " | ".join([*names, *(f"{name} / {names[0]}" for name in names[1:])]) + " |"
    yield "|---" + "|---:" * (2 * len(names) - 1) + "|"
    for figure, (written, read) in FIGURES.items():
        values = [[read(turn) for turn in turns] for turns in rounds]
        medians = [format(statistics.median(column), written) for column in zip(*values, strict=True)]
        ratios = [
            format(statistics.median(row[place] / row[0] for row in values), ".2f")
            for place in range(1, len(names))
        ]
        yield f"| {figure} | {' | '.join([*medians, *ratios])} |"
