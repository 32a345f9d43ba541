"""Secrets at rest: encrypted with the first key of FIELD_ENCRYPTION_KEYS, readable with any of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class SecretUnreadable(Exception):
    """A stored secret fits none of FIELD_ENCRYPTION_KEYS."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """The Fernet token of `plain` under the first key."""
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """The plain text of a token made with any configured key.

    Raises SecretUnreadable when no key fits.
    """
    try:
        return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable("stored secret fits none of FIELD_ENCRYPTION_KEYS") from error


def mask(plain: str) -> str:
    """What staff may see of a secret: that it is set, and its last four characters when it is long."""
    if not plain:
        return ""
    return "••••" + (plain[-4:] if len(plain) >= 12 else "")


class EncryptedTextField(models.TextField[str, str]):
    """Text that is encrypted in the database and plain in Python; "" stays "". It cannot be searched."""

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return decrypt(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return encrypt(prepared) if prepared else prepared
