"""`load_config FILE`: applies a configuration file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wmsbridge.configuration.config_apply import Outcome, apply_config
from wmsbridge.configuration.config_file import ConfigError, read_config


class Command(BaseCommand):
    """Applies a configuration file. On any error the exit code is 1, and nothing was changed."""

    help = (
        "Create or update shops, connections and warehouses from a TOML file. Running it twice changes "
        'nothing; what the file does not name stays as it is. Secrets may be "env:NAME".'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the file, and report what was done. Raises CommandError."""
        path: Path = Path(options["file"])
        try:
            outcome = apply_config(read_config(path.read_bytes()))
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        except ConfigError as error:
            lines = [f"{path}, {complaint}" for complaint in error.complaints]
            raise CommandError("\n".join([*lines, "Nothing was changed."])) from error
        self._report(outcome)

    def _report(self, outcome: Outcome) -> None:
        for title in outcome.created:
            self.stdout.write(f"created {title}")
        for title, names in outcome.updated:
            self.stdout.write(f"updated {title}: {', '.join(names)}")
        counts = (len(outcome.created), len(outcome.updated), len(outcome.unchanged))
        self.stdout.write("{} created, {} updated, {} unchanged.".format(*counts))
