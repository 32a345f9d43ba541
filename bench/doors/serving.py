"""The web servers that are compared: the product's of any revision, and the bare view's. Both on the same Postgres."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from bench.doors.bare import TABLE
from bench.orders.revision import Revision, this_tree
from tests.chaos.faults.servers import Servers
from tests.end_to_end.installation import world
from tests.end_to_end.installation.programs import Programs
from tests.end_to_end.installation.waiting import until
from wmsbridge.embedded.places import free_port

START_SECONDS = 60.0


@dataclass(frozen=True)
class Site:
    """A web server that runs: its name in the report, and its program."""

    name: str
    port: int
    programs: Programs

    @property
    def pid(self) -> int:
        """The first of its processes."""
        return self.programs.pid("web")


def product(revision: Revision, servers: Servers, folder: Path) -> Site:
    """Starts the product's web server on a database of its own, with shops."""
    port, folder = free_port(), folder / f"product-{revision.name}"
    folder.mkdir()
    environment = {
        **os.environ,
        **servers.urls.environment(),
        **world.secrets(),
        "DATABASE_URL": _new_database(servers, f"product_{revision.name}"),
        "DJANGO_SETTINGS_MODULE": "wmsbridge.settings",
        "BEHIND_PROXY": "1",
        "HTTPS": "1",
        "ALLOWED_HOSTS": "127.0.0.1",
        "EMAIL_URL": "dummymail://",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
    }
    config = folder / "wmsbridge.toml"
    config.write_text(world.config_toml("http://127.0.0.1:9"))
    for command in (["migrate", "--no-input"], ["load_config", str(config)]):
        program = [revision.program("python"), "manage.py", *command]
        subprocess.run(program, cwd=revision.folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    command = _granian(revision, port)
    return _started(
        Site(revision.name, port, Programs(folder, environment, {"web": command}, revision.folder))
    )


def bare(servers: Servers, folder: Path) -> Site:
    """Starts the bare view, on a database of its own."""
    port, folder = free_port(), folder / "bare"
    folder.mkdir()
    url = _new_database(servers, "bare")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    environment = {
        **os.environ,
        **servers.urls.environment(),
        "DATABASE_URL": url,
        "BARE_SECRET": world.BERLIN.secret,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = _granian(this_tree(), port)
    command[-1] = "bench.doors.bare:application"
    command[command.index("--interface") + 1] = "wsgi"
    command[-1:-1] = ["--blocking-threads", "8"]  # as many as the product's doors have
    return _started(Site("bare view", port, Programs(folder, environment, {"web": command})))


def _granian(revision: Revision, port: int) -> list[str]:
    program, *words = revision.commands()["web"]
    words[words.index("--host") + 1] = "127.0.0.1"
    words[words.index("--port") + 1] = str(port)
    return [revision.program(program), *words]


def _new_database(servers: Servers, name: str) -> str:
    url = servers.urls.database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _started(site: Site) -> Site:
    site.programs.start_all()
    try:
        until(lambda: _listens(site.port), what=site.name, seconds=START_SECONDS)
    except AssertionError as error:
        site.programs.stop_all()
        raise RuntimeError(f"{site.name} does not start: {site.programs.tails()}") from error
    return site


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
