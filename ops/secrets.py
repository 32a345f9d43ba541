"""Encrypts secrets for the database. The first key of FIELD_ENCRYPTION_KEYS encrypts, and each of them can decrypt.

The encrypted text begins with its binding: the table, the field and the row that it belongs to. A ciphertext that was
copied elsewhere, or whose row was given to another owner, cannot be read. Older ciphertexts have no binding, and can be
read anywhere.
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
"""This character is before and after the binding. No secret of ours begins with it."""


class SecretUnreadable(Exception):
    """None of FIELD_ENCRYPTION_KEYS can decrypt a stored secret, or it has another binding."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str, *, binding: str = "") -> str:
    """Encrypt a text with the first key. The Fernet token can be read only with this binding ("" = anywhere)."""
    inside = f"{_MARK}{binding}{_MARK}{plain}" if binding else plain
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(inside.encode()).decode()


def decrypt(token: str, *, bindings: tuple[str, ...] = ()) -> str:
    """Decrypt a token that was made with any configured key, and with one of these bindings or none.

    Raises SecretUnreadable if no key fits, or if it has another binding.
    """
    try:
        inside = _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable("a stored secret fits none of FIELD_ENCRYPTION_KEYS") from error
    if not inside.startswith(_MARK):
        return inside
    _, binding, plain = inside.split(_MARK, 2)
    if binding not in bindings:
        raise SecretUnreadable("a stored secret belongs to another field or row")
    return plain


def mask(plain: str) -> str:
    """What staff may see of a secret: that it is set, and the last four characters of a long one."""
    if not plain:
        return ""
    return "••••" + (plain[-4:] if len(plain) >= 12 else "")


@dataclass(frozen=True)
class Sealed:
    """A ciphertext as it is in the database. It is written back unchanged, unless another value is set."""

    token: str


class _Secret(DeferredAttribute):
    """The attribute of an encrypted field. It is decrypted when it is used, and not when its row is read."""

    field: EncryptedTextField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed) and instance is not None:
            return decrypt(value.token, bindings=(self.field.binding(instance), self.field.binding(None)))
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField[str, str]):
    """A text that is encrypted in the database and plain in Python. "" stays "". It cannot be searched.

    `bound_to` names attributes that identify the owner, and are known before the row is saved. A ciphertext can be read
    only while they have the values that they had when it was written. Otherwise using the attribute raises
    SecretUnreadable; but the row can still be loaded, listed and saved. QuerySet.update() knows no row, so give it
    `sealed(…)`.
    """

    descriptor_class = _Secret

    def __init__(self, *args: Any, bound_to: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bound_to = bound_to

    def binding(self, instance: models.Model | None) -> str:
        """The binding of the value in a row; without a row, the binding of the field."""
        field = f"{self.model._meta.db_table}.{self.name}"
        if instance is None or not self.bound_to:
            return field
        return f"{field}:{'|'.join(str(getattr(instance, name)) for name in self.bound_to)}"

    def from_db_value(self, value: str | None, *_: object) -> Sealed | str | None:
        return Sealed(value) if value else value

    def value_from_object(self, obj: models.Model) -> str:
        """For forms. A secret that cannot be read must not break the page on which it is entered again."""
        return readable(obj, self.name) or ""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = model_instance.__dict__.get(self.attname)
        return sealed(model_instance, self.name, value) if value and isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sealed):
            return value.token
        prepared = super().get_prep_value(value)
        return encrypt(prepared, binding=self.binding(None)) if prepared else prepared


def sealed(instance: models.Model, name: str, plain: str) -> Sealed | str:
    """The encrypted value of a field of this row, for update()."""
    field = instance._meta.get_field(name)
    assert isinstance(field, EncryptedTextField)  # noqa: S101 - a mistake of ours, not of data
    return Sealed(encrypt(plain, binding=field.binding(instance))) if plain else ""


def names(model: type[models.Model] | models.Model) -> tuple[str, ...]:
    """The names of the encrypted fields of a model."""
    return tuple(field.name for field in model._meta.fields if isinstance(field, EncryptedTextField))


def readable(instance: models.Model, name: str) -> str | None:
    """The plain text of a field; None if it cannot be read."""
    try:
        return str(getattr(instance, name))
    except SecretUnreadable:
        return None


def all_readable(instance: models.Model) -> bool:
    """Whether all secrets of this row can be read."""
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
    """Whether a secret is set, without decrypting it."""
    return bool(instance.__dict__.get(name))


def shown(instance: models.Model, name: str) -> str:
    """What staff may see of a secret: it masked, or that it must be entered again; "" if none is set."""
    plain = readable(instance, name)
    return mask(plain) if plain is not None else "unreadable: enter it anew"
