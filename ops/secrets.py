"""Secrets at rest: encrypted with the first key of FIELD_ENCRYPTION_KEYS, with any of them readable, at its place only.

What is encrypted begins with the place it belongs to (table, field, row): a ciphertext that was copied elsewhere, or
whose row became another's, cannot be read. Ciphertexts from before this was so name no place: readable anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

_MARK = "\x00"
"""Begins and ends the place. No secret of ours begins with it."""


class SecretUnreadable(Exception):
    """A stored secret fits none of FIELD_ENCRYPTION_KEYS, or belongs to another place."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str, *, place: str = "") -> str:
    """The Fernet token of `plain` under the first key, readable at `place` only ("" = anywhere)."""
    inside = f"{_MARK}{place}{_MARK}{plain}" if place else plain
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(inside.encode()).decode()


def decrypt(token: str, *, places: tuple[str, ...] = ()) -> str:
    """The plain text of a token made with any configured key, for one of these places or for none.

    Raises SecretUnreadable when no key fits, or it was made for another place.
    """
    try:
        inside = _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable("a stored secret fits none of FIELD_ENCRYPTION_KEYS") from error
    if not inside.startswith(_MARK):
        return inside
    _, place, plain = inside.split(_MARK, 2)
    if place not in places:
        raise SecretUnreadable("a stored secret belongs to another place")
    return plain


def mask(plain: str) -> str:
    """What staff may see of a secret: that it is set, and its last four characters when it is long."""
    if not plain:
        return ""
    return "••••" + (plain[-4:] if len(plain) >= 12 else "")


@dataclass(frozen=True)
class Sealed:
    """A ciphertext as it lies in the database: written back as it is unless somebody sets another value."""

    token: str


class _Secret(DeferredAttribute):
    """The attribute of an encrypted field: it is decrypted when it is looked at, not when its row is read."""

    field: EncryptedTextField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed) and instance is not None:
            return decrypt(value.token, places=(self.field.place(instance), self.field.place(None)))
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField[str, str]):
    """Text that is encrypted in the database and plain in Python; "" stays "". It cannot be searched.

    `bound_to`: attributes that tell whose it is and are known before the row is. A ciphertext is readable only while
    they are what they were when it was written. Reading raises SecretUnreadable; rows with such a value can be loaded,
    listed and saved all the same. Queryset.update() knows no row: give it `sealed(…)`.
    """

    descriptor_class = _Secret

    def __init__(self, *args: Any, bound_to: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bound_to = bound_to

    def place(self, instance: models.Model | None) -> str:
        """The place of a row's value; without a row, that of the field."""
        field = f"{self.model._meta.db_table}.{self.name}"
        if instance is None or not self.bound_to:
            return field
        return f"{field}:{'|'.join(str(getattr(instance, name)) for name in self.bound_to)}"

    def from_db_value(self, value: str | None, *_: object) -> Sealed | str | None:
        return Sealed(value) if value else value

    def value_from_object(self, obj: models.Model) -> str:
        """For forms, which show none: one that cannot be read must not break the page where it is entered anew."""
        return readable(obj, self.name) or ""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = model_instance.__dict__.get(self.attname)
        return sealed(model_instance, self.name, value) if value and isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sealed):
            return value.token
        prepared = super().get_prep_value(value)
        return encrypt(prepared, place=self.place(None)) if prepared else prepared


def sealed(instance: models.Model, name: str, plain: str) -> Sealed | str:
    """The value of an encrypted field of this row, for update()."""
    field = instance._meta.get_field(name)
    assert isinstance(field, EncryptedTextField)  # noqa: S101 - a mistake of ours, not of data
    return Sealed(encrypt(plain, place=field.place(instance))) if plain else ""


def names(model: type[models.Model] | models.Model) -> tuple[str, ...]:
    """The encrypted fields of a model."""
    return tuple(field.name for field in model._meta.fields if isinstance(field, EncryptedTextField))


def readable(instance: models.Model, name: str) -> str | None:
    """The plain text; None when it cannot be read."""
    try:
        return str(getattr(instance, name))
    except SecretUnreadable:
        return None


def all_readable(instance: models.Model) -> bool:
    """Whether every secret of this row can be read."""
    return all(readable(instance, name) is not None for name in names(instance))


def unchanged(instance: models.Model, *fields: str) -> Callable[[], bool]:
    """Return a function that says whether these fields of the stored row are still what they are in `instance`."""
    model, before = type(instance), _fingerprint(instance, fields)
    return lambda: _fingerprint(model._base_manager.get(pk=instance.pk), fields) == before


def _fingerprint(instance: models.Model, fields: tuple[str, ...]) -> str:
    """Return a hash of these fields; it is never stored. A secret that cannot be read counts as empty."""
    values = "\x00".join(readable(instance, name) or "" for name in fields)
    return hashlib.sha256(values.encode()).hexdigest()


def is_set(instance: models.Model, name: str) -> bool:
    """Whether there is one, without reading it."""
    return bool(instance.__dict__.get(name))


def shown(instance: models.Model, name: str) -> str:
    """What staff may see of it: masked, or that it must be entered anew; "" when there is none."""
    plain = readable(instance, name)
    return mask(plain) if plain is not None else "unreadable: enter it anew"
