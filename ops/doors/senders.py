"""The senders at a door. A process keeps the row of each with its secrets, so that a delivery costs one statement.

A kept row may be out of date, for example if a secret was replaced. So it can only accept: the statement that stores a
delivery does nothing if the row has changed, and before anything is refused, the row is read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection, models

from ops.doors.signed_webhooks import Refusal
from ops.queue.jobs import RowChanged, Unchanged

M = TypeVar("M", bound=models.Model)
R = TypeVar("R")

READINGS = 3
"""A row that changes between its reading and the storing is read this often."""


@dataclass(frozen=True)
class Sender(Generic[M]):
    """A sender as it was read: those fields of its row that a door needs, and the secrets it may sign with.

    A delivery of it may be stored only if the row is `unchanged`.
    """

    row: M
    secrets: Sequence[str]
    unchanged: Unchanged


_KEPT: dict[tuple[type[models.Model], str], Sender[Any]] = {}


class Senders(Generic[M]):
    """The senders at one door: rows of a model, each with its name in the column `by`.

    `fields` are what a door needs of a row; none of them may be null. `secrets` returns the secrets of a row, or raises
    Refusal.
    """

    def __init__(
        self, model: type[M], *, by: str, fields: Collection[str], secrets: Callable[[M], Sequence[str]]
    ) -> None:
        columns = [each for each in model._meta.concrete_fields if each.name in fields]
        names, table = [str(each.column) for each in columns], model._meta.db_table
        self._model, self._columns, self._secrets = model, columns, secrets
        self._select = f"SELECT {', '.join(names)} FROM {table} WHERE {by} = %s"  # noqa: S608
        self._condition = f" FROM {table} WHERE {' AND '.join(f'{name} = %s' for name in names)}"

    def serve(self, name: str, receive: Callable[[Sender[M] | None], R]) -> R:
        """Have a delivery received from the sender with this name; None if there is none.

        `receive` is called once more if it refused the delivery, or could not store it, because the row had changed.
        Raises the Refusal of the last call.
        """
        kept, refusal = _KEPT.get((self._model, name)), None
        if kept is not None:
            try:
                return receive(kept)
            except RowChanged:
                pass
            except Refusal as error:
                refusal = error
        for _ in range(READINGS):
            sender = self._read(name)
            if refusal is not None and sender is kept:
                raise refusal
            try:
                return receive(sender)
            except RowChanged:
                continue
        raise Refusal(503, "the sender is being changed", None)

    def _read(self, name: str) -> Sender[M] | None:
        """The sender as it is now, which is the kept one if nothing has changed. Its other fields are read when they
        are used."""
        with connection.cursor() as cursor:
            cursor.execute(self._select, [name])
            values = cursor.fetchone()
        kept = _KEPT.pop((self._model, name), None)
        if values is None:
            return None
        if kept is None or kept.unchanged.values != values:
            row = self._row(values)
            kept = Sender(row, self._secrets(row), Unchanged(self._condition, values))
        _KEPT[self._model, name] = kept
        return kept

    def _row(self, values: Sequence[object]) -> M:
        stored = [
            value if (convert := getattr(each, "from_db_value", None)) is None else convert(value)
            for each, value in zip(self._columns, values, strict=True)
        ]
        return self._model.from_db(connection.alias, [each.attname for each in self._columns], stored)
