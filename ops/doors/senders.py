"""Reads the row of a sender, with what a door needs of it. This is the first statement of each delivery."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection, models

M = TypeVar("M", bound=models.Model)


def read(model: type[M], name: str, *, by: str, fields: Collection[str]) -> M | None:
    """The row of a sender with this name, or None. Its other fields are read when they are used.

    A connection that died since its last use is replaced here, so it needs no look of its own before the first
    statement, as Django would take one.
    """
    columns = [each for each in model._meta.concrete_fields if each.name in fields]
    row = _first_row(
        f"SELECT {', '.join(str(each.column) for each in columns)} FROM {model._meta.db_table} WHERE {by} = %s",  # noqa: S608
        name,
    )
    if row is None:
        return None
    stored = [
        value if (convert := getattr(each, "from_db_value", None)) is None else convert(value)
        for each, value in zip(columns, row, strict=True)
    ]
    return model.from_db(connection.alias, [each.attname for each in columns], stored)


def _first_row(statement: str, name: str) -> Sequence[Any] | None:
    fresh = connection.connection is None
    connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs lack it
    try:
        return _row(statement, name)
    except (OperationalError, InterfaceError):
        if fresh or connection.in_atomic_block:
            raise
        connection.close()
        return _row(statement, name)


def _row(statement: str, name: str) -> Sequence[Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [name])
        row: Sequence[Any] | None = cursor.fetchone()
        return row
