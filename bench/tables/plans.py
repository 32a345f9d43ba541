"""What Postgres does for each statement that a function makes: explained and measured where it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

BIG = 200_000
"""Rows from which on a table may not be scanned from end to end: below, the planner is right to do so."""

_EXPLAINED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ShopifyVariant:
    """One statement as it ran: milliseconds with planning and triggers, rows it gave, pages it touched, its ways."""

    sql: str
    ms: float
    rows: int
    pages: int
    ways: tuple[str, ...]
    scanned: tuple[str, ...]


@dataclass
class Recorder:
    """Explains each statement in a savepoint that is taken back, then lets it run. `big`: tables not to be scanned."""

    big: frozenset[str]
    seen: list[ShopifyVariant] = field(default_factory=list)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """A wrapper as `connection.execute_wrapper` takes it."""
        if _EXPLAINED.match(sql) and not many:
            self.seen.append(self._explain(sql, params))
        return execute(sql, params, many, context)

    def _explain(self, sql: str, params: Any) -> ShopifyVariant:
        with connection.connection.cursor() as cursor:
            cursor.execute("SAVEPOINT explained")
            # Foreign keys are checked at the commit, which does not come: they belong to the price.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            (answer,) = cursor.fetchone()
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
            cursor.execute("RELEASE SAVEPOINT explained")
        plan = answer[0]
        nodes = list(_nodes(plan["Plan"]))
        return ShopifyVariant(
            sql=" ".join(sql.split()),
            ms=plan["Planning Time"] + plan["Execution Time"],
            rows=int(plan["Plan"]["Actual Rows"]),
            pages=plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
            ways=tuple(dict.fromkeys(way for node in nodes if (way := _way(node)))),
            scanned=tuple(
                node["Relation Name"]
                for node in nodes
                if node["Node Type"] == "Seq Scan"
                and node["Actual Loops"]
                and node["Relation Name"] in self.big
            ),
        )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _way(node: Mapping[str, Any]) -> str:
    """How a table was read: by which index, or from end to end."""
    if node["Node Type"] == "Seq Scan" and node["Actual Loops"]:
        return f"{node['Relation Name']} (all)"
    return str(node["Index Name"]) if "Index Name" in node and node["Actual Loops"] else ""


def big_tables(*, among: Collection[str]) -> frozenset[str]:
    """Which of these tables have so many rows (by the statistics) that scanning one is a mistake."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s AND relname = ANY(%s)",
            [BIG, list(among)],
        )
        return frozenset(name for (name,) in cursor.fetchall())


@contextmanager
def taken_back() -> Iterator[None]:
    """A transaction of which nothing stays."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def explain(call: Callable[[], object], *, big: frozenset[str]) -> list[ShopifyVariant]:
    """Every statement that `call` makes, explained; what it did is taken back."""
    recorder = Recorder(big)
    with taken_back(), connection.execute_wrapper(recorder):
        call()
    return recorder.seen
