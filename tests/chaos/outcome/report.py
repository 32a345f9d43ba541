"""The report of a run, and the table of several runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.chaos.outcome.verdict import Verdict

SHOWN = 20


@dataclass
class Report:
    """One run.

    `faults` says how often each kind of fault happened, and `lags` the seconds from the payment to the warehouse.
    """

    seed: int
    orders: int
    rate: float
    extra: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    required: Collection[str] = ()
    verdict: Verdict = field(default_factory=Verdict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    lags: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    cpu: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """The kinds of fault that did not happen."""
        return sorted(set(self.required) - {kind for kind, count in self.faults.items() if count})

    @property
    def passed(self) -> bool:
        """Whether every kind of fault happened and none did harm."""
        return self.verdict.clean and not (self.missing or self.unfinished or self.errors)

    @property
    def replay(self) -> str:
        """The command that repeats the run with the same orders and faults."""
        of_this = f"--orders {self.orders} --rate {self.rate:g} --seeds {self.seed}"
        return f".venv/bin/python -m tests.chaos {of_this} --keep FOLDER"

    def lines(self) -> Iterable[str]:
        """Returns the report in words. What is wrong comes last."""
        yield f"{self.orders} orders at {self.rate:g}/s, and {self.extra} more"
        yield f"{sum(self.faults.values())} faults: " + _counted(self.faults)
        yield f"from payment to the warehouse: {_seconds(self.lags)}"
        yield f"time: {_seconds(self.seconds)}; CPU: {_seconds(self.cpu)}"
        yield from self.notes
        for title, found in (
            ("LOST", self.verdict.lost),
            ("DOUBLED", self.verdict.doubled),
            ("WRONG", self.verdict.wrong),
            ("UNFINISHED", [f"{count} × {what}" for what, count in self.unfinished.items()]),
            ("MISSING", self.missing),
            ("ERROR", self.errors),
        ):
            yield from (f"{title} {each}" for each in found[:SHOWN])
            if len(found) > SHOWN:
                yield f"{title} … and {len(found) - SHOWN} more"
        yield f"seed {self.seed}: {self.verdict}: {'passed' if self.passed else 'FAILED; again: ' + self.replay}"

    def save(self, file: Path) -> None:
        """Writes the report as JSON."""
        found = {**asdict(self), "required": sorted(self.required), "passed": self.passed}
        file.write_text(json.dumps({**found, "missing": self.missing}, indent=1))


def table(reports: Iterable[Mapping]) -> Iterable[str]:
    """Returns a table of saved reports, with one line per run."""
    yield "  seed  orders  faults  lost  doubled  wrong      p50      p99     took"
    for each in reports:
        verdict, lags = each["verdict"], each["lags"]
        yield (
            f"{each['seed']:>6} {each['orders'] + each['extra']:>7} {sum(each['faults'].values()):>7}"
            f" {len(verdict['lost']):>5} {len(verdict['doubled']):>8} {len(verdict['wrong']):>6}"
            f" {lags.get('p50', 0):>6.1f} s {lags.get('p99', 0):>6.1f} s {sum(each['seconds'].values()):>6.0f} s"
            f"  {'passed' if each['passed'] else 'FAILED'}"
        )


def _counted(what: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(what.items()))


def _seconds(what: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in what.items()) or "none"
