from __future__ import annotations

from django.core.management.base import BaseCommand

from wmsbridge.configuration import key_rotation


class Command(BaseCommand):
    """Encrypts all secrets again. Afterwards only the first key of FIELD_ENCRYPTION_KEYS is needed.

    It can run while the application runs.
    """

    help = "Re-encrypt all stored secrets and addresses with the first key of FIELD_ENCRYPTION_KEYS."

    def handle(self, *args: object, **options: object) -> None:
        """Encrypt model by model, and print how many rows each has."""
        for model, names in key_rotation.encrypted_fields():
            count = key_rotation.rotate(model, names)
            self.stdout.write(f"{model._meta.label}: {count} rows ({', '.join(names)})")
