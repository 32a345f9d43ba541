"""Explains and measures each SQL statement that a function makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

BIG = 200_000
"""A table with this many rows must not be scanned. The planner is right to scan a smaller one."""

_AUTO_EXPLAIN = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_format": "json",
    "client_min_messages": "log",
}

_EXPLAINED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ExplainedStatement:
    """One statement as it ran.

    `ms` includes planning and triggers. `rows` were returned, `pages` were read, and `access_paths` names the indexes
    that were used and the tables that were scanned.
    """

    sql: str
    ms: float
    rows: int
    pages: int
    access_paths: tuple[str, ...]
    scanned: tuple[str, ...]


@dataclass
class Recorder:
    """Explains each statement in a savepoint that is rolled back, and then lets it run.

    `big` names the tables that must not be scanned.
    """

    big: frozenset[str]
    statements: list[ExplainedStatement] = field(default_factory=list)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Wrap a statement, as `connection.execute_wrapper` requires."""
        if _EXPLAINED.match(sql) and not many:
            self.statements.append(self._explain(sql, params))
        return execute(sql, params, many, context)

    def _explain(self, sql: str, params: Any) -> ExplainedStatement:
        with connection.connection.cursor() as cursor, plans_inside_functions() as inside:
            cursor.execute("SAVEPOINT explained")
            # There is no commit, which would check the foreign keys. Their checks are a part of the cost.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            (answer,) = cursor.fetchone()
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
            cursor.execute("RELEASE SAVEPOINT explained")
        plan = answer[0]
        nodes = [node for each in (plan, *inside) for node in _nodes(each["Plan"])]
        return ExplainedStatement(
            sql=" ".join(sql.split()),
            ms=plan["Planning Time"] + plan["Execution Time"],
            rows=int(plan["Plan"]["Actual Rows"]),
            pages=plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
            access_paths=tuple(dict.fromkeys(path for node in nodes if (path := _access_path(node)))),
            scanned=tuple(
                node["Relation Name"]
                for node in nodes
                if node["Node Type"] == "Seq Scan"
                and node["Actual Loops"]
                and node["Relation Name"] in self.big
            ),
        )


@contextmanager
def plans_inside_functions() -> Iterator[list[Mapping[str, Any]]]:
    """The plans of the statements that functions run within the block; EXPLAIN shows only the call of a function."""
    plans: list[Mapping[str, Any]] = []

    def note(message: Any) -> None:
        _, found, plan = (message.message_primary or "").partition("plan:\n")
        if found:
            plans.append(json.loads(plan))

    raw = connection.connection
    raw.add_notice_handler(note)
    raw.execute("LOAD 'auto_explain'")
    for name, value in _AUTO_EXPLAIN.items():
        raw.execute(f"SET {name} = {value}")
    try:
        yield plans
    finally:
        raw.execute("SET auto_explain.log_min_duration = -1")
        raw.remove_notice_handler(note)


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _access_path(node: Mapping[str, Any]) -> str:
    """How a node of the plan read its table: the name of the index, or the table if it was scanned; "" if neither."""
    if node["Node Type"] == "Seq Scan" and node["Actual Loops"]:
        return f"{node['Relation Name']} (all)"
    return str(node["Index Name"]) if "Index Name" in node and node["Actual Loops"] else ""


def big_tables(*, among: Collection[str]) -> frozenset[str]:
    """Those of these tables that have at least BIG rows, according to the statistics."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s AND relname = ANY(%s)",
            [BIG, list(among)],
        )
        return frozenset(name for (name,) in cursor.fetchall())


@contextmanager
def rolled_back() -> Iterator[None]:
    """Run the block in a transaction, and roll it back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def explain(call: Callable[[], object], *, big: frozenset[str]) -> list[ExplainedStatement]:
    """Make the call and roll it back. Returns each of its statements, explained."""
    recorder = Recorder(big)
    with rolled_back(), connection.execute_wrapper(recorder):
        call()
    return recorder.statements
