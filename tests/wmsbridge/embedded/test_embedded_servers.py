"""The embedded servers start anywhere, keep what they are told to keep, and leave no process behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis

from wmsbridge import embedded
from wmsbridge.embedded import places, postgres
from wmsbridge.embedded.__main__ import main

HOLD_SERVERS = """
import sys, time
from wmsbridge import embedded
with embedded.servers(None) as servers:
    print(servers.database_url, servers.redis_url, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="wmsbridge-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _start_holder(folder: Path) -> tuple[subprocess.Popen[str], str, str]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, "-c", HOLD_SERVERS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    database_url, redis_url = process.stdout.readline().split()
    return process, database_url, redis_url


def _assert_gone(database_url: str, redis_url: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database_url, connect_timeout=1)
    with pytest.raises(redis.exceptions.ConnectionError):
        redis.Redis.from_url(redis_url).ping()


def test_kept_data_and_secrets_survive_a_restart(open_folder: Path) -> None:
    with embedded.servers(open_folder / "data") as first, psycopg.connect(first.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with embedded.servers(open_folder / "data") as second, psycopg.connect(second.database_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    assert (second.secret_key, second.field_encryption_key) == (first.secret_key, first.field_encryption_key)


def test_both_servers_refuse_a_stranger_without_the_password() -> None:
    with embedded.servers(None) as servers:
        port = servers.redis_url.rsplit(":", 1)[1].removesuffix("/0")
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(port=int(port)).ping()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(servers.database_url, password="wrong")


def test_sigterm_stops_both_servers_cleanly(open_folder: Path) -> None:
    process, database_url, redis_url = _start_holder(open_folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 128 + signal.SIGTERM
    _assert_gone(database_url, redis_url)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs prctl(2)")
def test_servers_end_even_when_their_owner_is_killed(open_folder: Path) -> None:
    process, database_url, redis_url = _start_holder(open_folder)
    database = psycopg.connect(database_url)
    process.kill()
    process.wait()
    with pytest.raises(psycopg.OperationalError):  # the server's own word that it is going
        database.execute("SELECT pg_sleep(20)")
    time.sleep(0.5)
    _assert_gone(database_url, redis_url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets folders that `nobody` may not enter")
def test_root_may_keep_data_below_a_private_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with embedded.servers(tmp_path / "data") as servers, psycopg.connect(servers.database_url) as connection:
        row = connection.execute("SELECT current_database(), current_setting('data_directory')").fetchone()
    assert row is not None
    assert row[0] == "wmsbridge"
    shutil.rmtree(Path(row[1]).parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets folders that `nobody` may not enter")
def test_root_may_keep_the_project_below_a_private_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "reachable", lambda path: False)
    with embedded.servers(None) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


GOES_ON_UNTIL_INTERRUPTED = """
import os, time
import redis
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print(redis.Redis.from_url(os.environ["REDIS_URL"]).ping(), flush=True)
"""


def test_ctrl_c_ends_the_command_before_its_servers() -> None:
    command = [sys.executable, "-m", "wmsbridge.embedded", sys.executable, "-c", GOES_ON_UNTIL_INTERRUPTED]
    # Whoever runs the tests in a shell's background has them ignore it.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "True\n"
    assert process.wait(15) == 0


def test_the_exit_code_is_the_commands_own() -> None:
    assert main([sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_a_missing_wheel_is_named() -> None:
    with pytest.raises(embedded.EmbeddedError, match="no-such-wheel is missing"):
        places.wheel_folder("no_such_wheel")
