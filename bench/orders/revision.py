"""The source trees that are measured: this one, and another revision of it in a folder of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Revision:
    """A source tree with the virtual environment that its own locks describe. `name` is used in the report."""

    name: str
    folder: Path
    small: bool = False
    """Whether it is deployed with its docker-compose.small.yml too."""

    def program(self, name: str) -> str:
        """Returns the path of a program in the virtual environment of this tree."""
        return str(self.folder / ".venv" / "bin" / name)

    def commands(self) -> dict[str, list[str]]:
        """Returns the commands that keep running in production, by the name of their service: web, beat and workers.

        They are read from the tree's own Dockerfile and Compose files, so that each revision is measured as it
        is deployed.
        """
        services = self._services("docker-compose.yml")
        if self.small:
            for name, changes in self._services("docker-compose.small.yml").items():
                services[name] = {} if "profiles" in changes else services[name] | changes
        celery = {
            each: [str(word) for word in service["command"]]
            for name, service in services.items()
            if service.get("command", [""])[0] == "celery"
            for each in _replicas(name, service)
        }
        return {"web": services["web"].get("command") or _image_command(self.folder / "Dockerfile"), **celery}

    def _services(self, file: str) -> dict[str, dict[str, Any]]:
        services: dict[str, dict[str, Any]] = yaml.safe_load((self.folder / file).read_text())["services"]
        return services


def _replicas(name: str, service: Mapping[str, Any]) -> list[str]:
    count = int(service.get("deploy", {}).get("replicas", 1))
    return [name] if count == 1 else [f"{name}-{number + 1}" for number in range(count)]


def _image_command(dockerfile: Path) -> list[str]:
    joined = dockerfile.read_text().replace("\\\n", " ")
    [line] = [line for line in joined.splitlines() if line.startswith("CMD ")]
    command: list[str] = yaml.safe_load(line.removeprefix("CMD "))
    return command


def this_tree(*, small: bool = False) -> Revision:
    """Returns the tree that this module stands in, with whatever is not committed yet."""
    return Revision("now, small" if small else "now", ROOT, small)


@contextmanager
def checked_out(commit: str) -> Iterator[Revision]:
    """Checks another revision out into a folder of its own, builds its virtual environment, and removes both at the
    end. Raises CalledProcessError if the revision is unknown.
    """
    with tempfile.TemporaryDirectory(prefix="bench-before-") as folder:
        tree = Path(folder) / "tree"
        _run("git", "worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            _run("make", "-C", str(tree), ".venv")
            yield Revision(commit, tree)
        finally:
            _run("git", "worktree", "remove", "--force", str(tree))


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
