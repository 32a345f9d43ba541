"""Measures everything: fills the tables, explains the frequent calls, deletes at full speed, and claims after churn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from bench.tables import churn, console, plans, statements
from bench.tables.calls import Call, Sample, sample
from bench.tables.plans import ExplainedStatement
from bench.tables.rows import filling
from bench.tables.rows.inserting import Sizes

TRIES = 3
"""Each call is made this many times. The fastest counts, because other work may disturb the machine."""


@dataclass(frozen=True)
class Finding:
    """What one call did."""

    call: Call
    statements: list[ExplainedStatement]

    @property
    def slowest(self) -> ExplainedStatement | None:
        """The slowest statement of the call."""
        return max(self.statements, key=lambda statement: statement.ms, default=None)

    @property
    def scanned(self) -> list[str]:
        """The big tables that the call scanned."""
        return sorted({table for statement in self.statements for table in statement.scanned})

    @property
    def verdict(self) -> str:
        """What is wrong with the call; "" if nothing is."""
        if self.scanned:
            return f"scans {', '.join(self.scanned)}"
        slow = self.slowest is not None and self.slowest.ms > self.call.limit
        return f"slower than {self.call.limit:.0f} ms" if slow else ""


def measure(rows: int, *, changes: int, report: Path | None = None) -> bool:
    """Measure everything and print it. Returns False if a call scanned a big table or was too slow."""
    sizes = Sizes(rows)
    with _timed("the schema"):
        call_command("migrate", verbosity=0)
    with (
        _timed(f"{rows:,} jobs, {sizes.orders:,} orders, what hangs on them, indexes"),
        filling.without_indexes(),
    ):
        filling.fill(sizes)
    with _timed("VACUUM ANALYZE"):
        vacuum()
    with _timed("every statement"):
        findings = explain_all(_all_calls, sizes)
    lines = [*_table_sizes(), "", *_report(findings)]
    print("\n".join(lines), flush=True)
    with _timed("pruning and churn"):
        rates = churn.measure(changes=changes)
    print("\n".join(rates), flush=True)
    if report:
        report.write_text("\n".join([*lines, "", *rates]) + "\n")
    return not any(finding.verdict for finding in findings)


def _all_calls(found: Sample) -> list[Call]:
    return [*statements.background_calls(found), *console.pages(found)]


def vacuum() -> None:
    """Do what autovacuum does in a running system: update the statistics and the visibility map."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def explain_all(calls: Callable[[Sample], list[Call]], sizes: Sizes, *, tries: int = TRIES) -> list[Finding]:
    """Make each call and explain every statement of it."""
    big = plans.big_tables(among=[model._meta.db_table for model in filling.TRAFFIC])
    with plans.rolled_back():
        return [_explain(call, big, tries) for call in calls(sample(sizes))]


def _explain(call: Call, big: frozenset[str], tries: int) -> Finding:
    runs = [plans.explain(call.call, big=big) for _ in range(tries)]
    return Finding(call, min(runs, key=lambda statements: sum(each.ms for each in statements)))


@contextmanager
def _timed(what: str) -> Iterator[None]:
    print(f"{what} ...", flush=True)
    began = time.monotonic()
    yield
    print(f"... {time.monotonic() - began:.0f} s", flush=True)


def _table_sizes() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint, pg_table_size(oid) / 1048576, pg_indexes_size(oid) / 1048576"
            " FROM pg_class WHERE relkind = 'r' AND reltuples >= 50000 ORDER BY reltuples DESC"
        )
        rows = [f"| `{name}` | {count:,} | {heap:,} | {indexes:,} |" for name, count, heap, indexes in cursor]
    return ["| table | rows | table, MB | indexes, MB |", "|---|---|---|---|", *rows]


def _report(findings: list[Finding]) -> list[str]:
    heads = ["| what | statements | slowest, ms | limit | by |", "|---|---|---|---|---|"]
    return heads + [_row(finding) for finding in findings]


def _row(finding: Finding) -> str:
    slowest, call = finding.slowest, finding.call
    ms = f"{slowest.ms:.2f}" if slowest else "none"
    by = ", ".join(f"`{way}`" for way in slowest.access_paths[:4]) if slowest else ""
    bad = f" **{finding.verdict}**" if finding.verdict else ""
    return f"| {call.name} | {len(finding.statements)} | {ms}{bad} | {call.limit:.0f} | {by} |"
