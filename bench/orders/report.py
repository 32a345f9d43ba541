"""The report: figures of one or several revisions side by side, per order, with the ratio of the last to the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.orders.measuring import OURS, Figures

Row = tuple[str, Sequence[float], str]
"""What is measured, its value for each revision, and how a value is written."""

PER_ORDER = (
    *("SQL statements", "transactions", "jobs", "job runs", "Celery messages", "Valkey commands"),
    *("webhooks", "callbacks", "Shopify calls", "Shopify points", "WMS calls"),
)


def table(measured: Sequence[Figures]) -> Iterator[str]:
    """Returns the lines of a Markdown table. A ratio above 1 says that the last revision has more of it."""
    yield from _header([f"{each.revision} ({each.orders} orders)" for each in measured])
    for name, values, written in _rows(measured):
        yield _line(name, values, written)


def statements(measured: Sequence[Figures]) -> Iterator[str]:
    """Returns the lines of a Markdown table: the SQL statements per order that each kind of job makes, most first."""
    yield from _header([each.revision for each in measured])
    kinds = {kind for each in measured for kind in each.statements}
    for kind in sorted(kinds, key=lambda kind: -max(each.statements.get(kind, 0) for each in measured)):
        values = [each.statements.get(kind, 0) / each.orders for each in measured]
        if max(values) >= 0.05:
            yield _line(kind, values, ".1f")


def _rows(measured: Sequence[Figures]) -> Iterator[Row]:
    yield "CPU of ours, ms an order", [sum(map(each.cpu_per_order, OURS)) for each in measured], ".0f"
    for group in (*OURS, "simulators"):
        yield f"- {group}", [each.cpu_per_order(group) for each in measured], ".0f"
    for name in PER_ORDER:
        yield f"{name} an order", [each.counts[name] / each.orders for each in measured], ".1f"
    yield "orders/s to the warehouses", [each.orders / each.arrivals.seconds for each in measured], ".2f"
    yield "orders/s full circle", [each.orders / each.seconds for each in measured], ".2f"
    for percent in (50, 99):
        yield f"lag p{percent}, s", [each.arrivals.lags.percentile(percent) for each in measured], ".1f"
    yield (
        "idle CPU of ours, ms/s",
        [1000 * sum(each.idle_cpu[group] for group in OURS) for each in measured],
        ".0f",
    )
    for group in OURS:
        yield f"memory of {group}, MB", [each.memory[group] / 1e6 for each in measured], ".0f"


def _header(names: Sequence[str]) -> Iterator[str]:
    yield f"| | {' | '.join(names)} |{' ratio |' * (len(names) > 1)}"
    yield "|---" + "|---:" * (len(names) + (len(names) > 1)) + "|"


def _line(name: str, values: Sequence[float], written: str) -> str:
    cells = [format(value, written) for value in values]
    if len(values) > 1:
        cells.append(f"{values[-1] / values[0]:.2f}" if values[0] else "")
    return f"| {name} | {' | '.join(cells)} |"
