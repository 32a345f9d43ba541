"""Rows by the million with one statement a table, and how many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Field, Model

SHOPS, CONNECTIONS = 20, 5
JOBS_PER_ORDER = 4


@dataclass(frozen=True)
class Sizes:
    """How many rows: `jobs` of all states, `orders` with two lines each, and how many of them are unfinished."""

    jobs: int

    @property
    def orders(self) -> int:
        """Orders."""
        return self.jobs // JOBS_PER_ORDER

    @property
    def items(self) -> int:
        """Items of each warehouse's catalogue."""
        return min(5_000, self.jobs // 100)

    @property
    def open_orders(self) -> int:
        """The newest of them are not finished: a quarter each is at a warehouse, ready, held, waiting."""
        return max(120, min(20_000, self.orders // 50))

    @property
    def due(self) -> int:
        """Jobs that wait their turn, half of them in one lane."""
        return max(400, min(40_000, self.jobs // 100))

    @property
    def parked(self) -> int:
        """Jobs that wait for a cause to go."""
        return max(100, min(5_000, self.jobs // 1000))

    @property
    def dead(self) -> int:
        """Dead letters."""
        return max(100, min(3_000, self.jobs // 1000))


def insert(model: type[Model], source: str, *arguments: int, **values: str) -> None:
    """INSERT ... SELECT: `values` are SQL by column over `source`; columns not named get their default or NULL.

    `arguments` fill the placeholders of `source`.
    """
    columns: list[str] = []
    expressions: list[str] = []
    parameters: list[Any] = []
    for each in model._meta.concrete_fields:
        name = each.column
        if name in values:
            expression = values.pop(name)
        elif each.primary_key or each.has_db_default() or each.null:
            continue
        else:
            expression = "%s"
            parameters.append(_default(each))
        columns.append(f'"{name}"')
        expressions.append(expression)
    if values:
        raise LookupError(f"{model.__name__} has no column {', '.join(values)}")
    what = f"{model._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(expressions)}"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {what} FROM {source}", [*parameters, *arguments])


def _default(each: Field[Any, Any]) -> Any:
    if not each.has_default() and not each.blank:
        raise LookupError(f"{each} needs a value")
    return each.get_db_prep_save(each.get_default(), connection)
