"""Inserts millions of rows with one statement per table, and says how many rows each table has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Field, Model

SHOPS, CONNECTIONS = 20, 5
JOBS_PER_ORDER = 4


@dataclass(frozen=True)
class Sizes:
    """How many rows the tables have. Everything follows from the number of jobs."""

    jobs: int

    @property
    def orders(self) -> int:
        """Orders, with two lines each."""
        return self.jobs // JOBS_PER_ORDER

    @property
    def items(self) -> int:
        """Items in the catalogue of each warehouse."""
        return min(5_000, self.jobs // 100)

    @property
    def open_orders(self) -> int:
        """The newest orders, which are not finished: a quarter each is at a warehouse, ready, held and waiting."""
        return max(120, min(20_000, self.orders // 50))

    @property
    def due(self) -> int:
        """Jobs that are due, half of them in one lane."""
        return max(400, min(40_000, self.jobs // 100))

    @property
    def parked(self) -> int:
        """Parked jobs."""
        return max(100, min(5_000, self.jobs // 1000))

    @property
    def dead(self) -> int:
        """Dead letters."""
        return max(100, min(3_000, self.jobs // 1000))


def insert(model: type[Model], source: str, *arguments: int, **values: str) -> None:
    """Insert a row of `model` for each row of `source`, an SQL table expression.

    `values` has an SQL expression for a column; other columns get their default or NULL. `arguments` fill the
    placeholders of `source`. Raises LookupError for an unknown column, or for one that needs a value.
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
    """Return the database value of a field's default. Raises LookupError if the field has none."""
    if not each.has_default() and not each.blank:
        raise LookupError(f"{each} needs a value")
    return each.get_db_prep_save(each.get_default(), connection)
