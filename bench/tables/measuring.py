"""From an empty database to a verdict: fill, explain what runs all day, prune at full speed, claim after much churn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from bench.tables import churn, console, plans, statements
from bench.tables.plans import ShopifyVariant
from bench.tables.rows import filling
from bench.tables.rows.inserting import Sizes
from bench.tables.statements import Hot, Sample

TRIES = 3
"""Each call is made so often; the fastest counts, since others use the machine too."""


@dataclass(frozen=True)
class Finding:
    """What one call was found to do."""

    hot: Hot
    seen: list[ShopifyVariant]

    @property
    def slowest(self) -> ShopifyVariant | None:
        """Its slowest statement."""
        return max(self.seen, key=lambda seen: seen.ms, default=None)

    @property
    def scanned(self) -> list[str]:
        """Big tables that it read from end to end."""
        return sorted({table for seen in self.seen for table in seen.scanned})

    @property
    def verdict(self) -> str:
        """ "" = good."""
        if self.scanned:
            return f"scans {', '.join(self.scanned)}"
        slow = self.slowest is not None and self.slowest.ms > self.hot.limit
        return f"slower than {self.hot.limit:.0f} ms" if slow else ""


def measure(rows: int, *, changes: int, report: Path | None = None) -> bool:
    """Do everything and print it; False when a call is not as it should be."""
    sizes = Sizes(rows)
    with _told("the schema"):
        call_command("migrate", verbosity=0)
    with (
        _told(f"{rows:,} jobs, {sizes.orders:,} orders, what hangs on them, indexes"),
        filling.without_indexes(),
    ):
        filling.fill(sizes)
    with _told("VACUUM ANALYZE"):
        vacuum()
    with _told("every statement"):
        findings = explain_all(_everything, sizes)
    lines = [*_table_sizes(), "", *_table_of(findings)]
    print("\n".join(lines), flush=True)
    with _told("pruning and churn"):
        rates = churn.measure(changes=changes)
    print("\n".join(rates), flush=True)
    if report:
        report.write_text("\n".join([*lines, "", *rates]) + "\n")
    return not any(finding.verdict for finding in findings)


def _everything(found: Sample) -> list[Hot]:
    return [*statements.by_itself(found), *console.pages(found)]


def vacuum() -> None:
    """What autovacuum does in a running system: statistics, and pages that are known to be visible."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def explain_all(calls: Callable[[Sample], list[Hot]], sizes: Sizes, *, tries: int = TRIES) -> list[Finding]:
    """Each call, every statement of it explained."""
    big = plans.big_tables(among=[model._meta.db_table for model in filling.TRAFFIC])
    with plans.taken_back():
        return [_explain(hot, big, tries) for hot in calls(statements.sample(sizes))]


def _explain(hot: Hot, big: frozenset[str], tries: int) -> Finding:
    tried = [plans.explain(hot.call, big=big) for _ in range(tries)]
    return Finding(hot, min(tried, key=lambda seen: sum(each.ms for each in seen)))


@contextmanager
def _told(what: str) -> Iterator[None]:
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


def _table_of(findings: list[Finding]) -> list[str]:
    heads = ["| what | statements | slowest, ms | limit | by |", "|---|---|---|---|---|"]
    return heads + [_row(finding) for finding in findings]


def _row(finding: Finding) -> str:
    slowest, hot = finding.slowest, finding.hot
    ms = f"{slowest.ms:.2f}" if slowest else "none"
    by = ", ".join(f"`{way}`" for way in slowest.ways[:4]) if slowest else ""
    bad = f" **{finding.verdict}**" if finding.verdict else ""
    return f"| {hot.name} | {len(finding.seen)} | {ms}{bad} | {hot.limit:.0f} | {by} |"
