"""Postgres and Valkey from Python wheels, for the demo, the tests and the lint step; never for production.

The servers listen on 127.0.0.1 with generated passwords and end with the process that started them. Postgres
refuses to run as root, so it runs as `nobody` if root starts it. The wheels are in requirements-dev.txt.

    python -m wmsbridge.embedded python manage.py check              one command on throw-away servers
    python -m wmsbridge.embedded --data .data python manage.py demo  the same on servers that keep their data
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from wmsbridge.embedded.places import EmbeddedError, free_port, home_for, known_secrets
from wmsbridge.embedded.postgres import serving_postgres
from wmsbridge.embedded.processes import sigterm_as_exit
from wmsbridge.embedded.valkey import serving_valkey

__all__ = ["EmbeddedError", "Servers", "servers"]

THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Servers:
    """Two running servers, and the secrets that belong to their data."""

    database_url: str
    redis_url: str
    secret_key: str
    field_encryption_key: str

    def environment(self) -> dict[str, str]:
        """The environment of a process that uses these servers, with plain HTTP on this machine."""
        return {
            "ALLOW_PRIVATE_TARGETS": "127.0.0.0/8",  # the sandbox
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": self.secret_key,
            "FIELD_ENCRYPTION_KEYS": self.field_encryption_key,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "HTTPS": "0",
            "STATIC_FROM_SOURCE": "1",
        }


@contextmanager
def servers(data_dir: Path | None, *, postgres_port: int = 0, redis_port: int = 0) -> Iterator[Servers]:
    """Start both servers and stop them at the end, also on Ctrl-C and SIGTERM.

    `data_dir` keeps the database and the secrets between runs; None makes throw-away servers without fsync.
    Port 0 means any free port. Call this from the main thread: on Linux the servers die with the thread that
    started them. Raises EmbeddedError.
    """
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_exit())
        home = home_for(data_dir, stack)
        known = known_secrets(home)
        postgres_port, redis_port = postgres_port or free_port(), redis_port or free_port()
        stack.enter_context(serving_valkey(home, redis_port, known["redis_password"]))
        settings = {"port": str(postgres_port), **(THROW_AWAY if data_dir is None else {})}
        database_url = stack.enter_context(serving_postgres(home, known["postgres_password"], settings))
        yield Servers(
            database_url=database_url,
            redis_url=f"redis://:{known['redis_password']}@127.0.0.1:{redis_port}/0",
            secret_key=known["secret_key"],
            field_encryption_key=known["field_encryption_key"],
        )
