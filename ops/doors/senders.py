"""Reads the row of a sender, with what a door needs of it. This is the first statement of each delivery."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def read(model: type[M], name: str, *, by: str, fields: Collection[str]) -> M | None:
    """The row of a sender with this name, or None. Its other fields are read when they are used."""
    columns = [each for each in model._meta.concrete_fields if each.name in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(str(each.column) for each in columns)} FROM {model._meta.db_table} WHERE {by} = %s",  # noqa: S608
            [name],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    stored = [
        value if (convert := getattr(each, "from_db_value", None)) is None else convert(value)
        for each, value in zip(columns, row, strict=True)
    ]
    return model.from_db(connection.alias, [each.attname for each in columns], stored)
