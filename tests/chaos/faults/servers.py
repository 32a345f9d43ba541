"""The Postgres and Valkey of one run. Both can stop and start again on the same port, as in an incident."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from wmsbridge import embedded
from wmsbridge.embedded.places import free_port, home_for, known_secrets
from wmsbridge.embedded.postgres import serving_postgres
from wmsbridge.embedded.processes import sigterm_as_exit
from wmsbridge.embedded.valkey import serving_valkey

# A restart must not lose what was committed. No fsync is needed for that as long as the machine stays up.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass
class Servers:
    """Both servers. They die with the thread that starts them, so only the main thread may restart them."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of Postgres."""
    ports: dict[str, int] = field(default_factory=lambda: {"postgres": free_port(), "valkey": free_port()})
    _running: dict[str, ExitStack] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Starts one server and waits until it answers."""
        secrets, port, running = known_secrets(self.home), self.ports[name], ExitStack()
        if name == "valkey":
            running.enter_context(serving_valkey(self.home, port, secrets["redis_password"]))
        else:
            settings = {"port": str(port), **SETTINGS, **self.settings}
            running.enter_context(serving_postgres(self.home, secrets["postgres_password"], settings))
        self._running[name] = running

    def stop(self, name: str) -> None:
        """Stops one server in good order. All its connections break."""
        self._running.pop(name).close()

    def drop_connections(self) -> int:
        """Breaks every connection to the database, whatever it is doing. Returns how many there were."""
        with psycopg.connect(self.urls.database_url, autocommit=True) as connection:
            dropped = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'wmsbridge' AND pid <> pg_backend_pid()"
            )
            return dropped.rowcount

    def flush_valkey(self) -> None:
        """Makes Valkey forget everything: messages, claims, budgets and heartbeats."""
        with redis.Redis.from_url(self.urls.redis_url) as connection:
            connection.flushall()

    @property
    def urls(self) -> embedded.Servers:
        """The addresses of the servers, with the secrets of this run."""
        secrets = known_secrets(self.home)
        passwords = secrets["postgres_password"], secrets["redis_password"]
        return embedded.Servers(
            database_url=f"postgres://wmsbridge:{passwords[0]}@127.0.0.1:{self.ports['postgres']}/wmsbridge",
            redis_url=f"redis://:{passwords[1]}@127.0.0.1:{self.ports['valkey']}/0",
            secret_key=secrets["secret_key"],
            field_encryption_key=secrets["field_encryption_key"],
        )


@contextmanager
def throw_away_servers(settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Starts both servers in a folder that is removed at the end. `settings`: further ones of Postgres."""
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_exit())
        servers = Servers(home_for(None, stack), settings or {})
        for name in servers.ports:
            stack.callback(_stop_if_running, servers, name)
            servers.start(name)
        yield servers


def _stop_if_running(servers: Servers, name: str) -> None:
    if name in servers._running:
        servers.stop(name)
