"""Reads rows of joined tables with a statement of constant text, as the instances that Django would have loaded.

For statements that run for every order: to write its SQL anew costs Django more than Postgres needs to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model


class JoinedRows:
    """The columns of several tables, each under its alias, and the instances from their values."""

    def __init__(self, **models: type[Model]) -> None:
        self._models = models

    @property
    def columns(self) -> str:
        """What the statement selects, before other columns if there are any."""
        return ", ".join(
            f'{alias}."{field.column}"'
            for alias, model in self._models.items()
            for field in model._meta.concrete_fields
        )

    @cached_property
    def _conversions(self) -> list[tuple[int, Any, Any]]:
        """Of the columns whose values Django converts: the place, the field's column and the function."""
        fields = [field for model in self._models.values() for field in model._meta.concrete_fields]
        return [
            (place, field.cached_col, convert)
            for place, field in enumerate(fields)
            for convert in field.get_db_converters(connection)
        ]

    @cached_property
    def _names(self) -> list[tuple[type[Model], list[str]]]:
        return [
            (model, [field.attname for field in model._meta.concrete_fields])
            for model in self._models.values()
        ]

    def first(self, statement: str, values: Sequence[Any]) -> list[Any] | None:
        """The instances from the first row that a statement finds; None if it finds none."""
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            found = cursor.fetchone()
        return None if found is None else self.instances(found)

    def instances(self, values: Sequence[Any]) -> list[Any]:
        """One instance of each model, in order, not tied to each other yet. Values of other columns may follow."""
        row = list(values)
        for place, column, convert in self._conversions:
            row[place] = convert(row[place], column, connection)
        found, begin = [], 0
        for model, names in self._names:
            found.append(model.from_db(DEFAULT_DB_ALIAS, names, row[begin : begin + len(names)]))
            begin += len(names)
        return found
