"""Folders, secrets and ports for the embedded servers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cryptography.fernet import Fernet

UNPRIVILEGED = "nobody"


class EmbeddedError(Exception):
    """A server could not be found or started. The message says what to do."""


def server_user() -> str | None:
    """The user that runs Postgres; None means the present user."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def home_for(data_dir: Path | None, stack: ExitStack) -> Path:
    """The folder for data, logs and secrets. For root it is one that an unprivileged server can enter. Raises
    EmbeddedError if it belongs to another user."""
    if data_dir is None:
        home = Path(tempfile.mkdtemp(prefix="wmsbridge-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
    else:
        home = data_dir.resolve()
        if os.geteuid() == 0 and not reachable(home.parent):
            name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
            home = Path("/var/tmp") / f"wmsbridge-{name}"  # noqa: S108 — its owner is checked below
            print(f"{data_dir} cannot be reached by {UNPRIVILEGED}; data is kept in {home}", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{home} belongs to another user; remove it or run as its owner")
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return home


def reachable(path: Path) -> bool:
    """Whether every user may enter `path` and all folders above it."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents) if folder.exists())


def known_secrets(home: Path) -> dict[str, str]:
    """The secrets in `home`. They are generated at the first start, and kept beside the data that they protect."""
    file = home / "secrets.json"
    if not file.exists():
        file.touch(mode=0o600)
        made = {
            "secret_key": secrets.token_urlsafe(48),
            "field_encryption_key": Fernet.generate_key().decode(),
            "postgres_password": secrets.token_urlsafe(24),
            "redis_password": secrets.token_urlsafe(24),
        }
        file.write_text(json.dumps(made))
    known: dict[str, str] = json.loads(file.read_text())
    return known


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wheel_folder(package: str) -> Path:
    """The folder of an installed wheel, without importing it. Raises EmbeddedError if it is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        raise EmbeddedError(f"the wheel {name} is missing: run `make .venv` (it is in requirements-dev.txt)")
    return Path(spec.submodule_search_locations[0])
