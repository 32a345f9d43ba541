"""Encrypts all stored secrets again, after a new key was put in front of FIELD_ENCRYPTION_KEYS."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import transaction
from django.db.models import Model

from ops.secrets import EncryptedTextField

BATCH = 500


def encrypted_fields() -> Iterator[tuple[type[Model], list[str]]]:
    """Every model with encrypted fields, and the names of these fields."""
    for model in apps.get_models():
        names = [field.name for field in model._meta.fields if isinstance(field, EncryptedTextField)]
        if names:
            yield model, names


def rotate(model: type[Model], names: list[str]) -> int:
    """Encrypt the fields of every row again, with the first key and bound to the row, in batches. Returns how many
    rows.

    Raises ops.secrets.SecretUnreadable if none of the keys can decrypt a value.
    """
    rotated, last = 0, 0
    while True:
        with transaction.atomic():
            rows = list(model._default_manager.select_for_update().filter(pk__gt=last).order_by("pk")[:BATCH])
            if not rows:
                return rotated
            for row in rows:
                for name in names:
                    setattr(
                        row, name, getattr(row, name)
                    )  # decrypted here, and encrypted again when the row is saved
                row.save(update_fields=names)
        rotated, last = rotated + len(rows), rows[-1].pk
