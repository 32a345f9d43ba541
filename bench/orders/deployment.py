"""One revision of the product, deployed on this machine beside the simulators and ready for orders."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench.orders.revision import Revision
from tests.end_to_end.installation import world
from tests.world import Sandbox
from wmsbridge.embedded.places import free_port
from wmsbridge.embedded.processes import end_with_parent

PLENTY = 10_000_000
"""Units on every shelf, so that no order waits for stock."""
STOP_SECONDS = 20.0
READY_SECONDS = 120.0


@dataclass
class Deployment:
    """The running programs of one revision, and where to reach them."""

    revision: Revision
    sandbox: Sandbox
    environment: Mapping[str, str]
    logs: Path
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def web(self) -> str:
        """The address of the web server."""
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> None:
        """Runs a command of the product. Raises RuntimeError with what it printed if it fails."""
        done = subprocess.run(
            [self.revision.program("python"), "manage.py", *arguments],
            cwd=self.revision.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"manage.py {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def start(self) -> None:
        """Starts the web server, beat and every worker, each in a process group of its own."""
        for name, command in self.revision.commands().items():
            with (self.logs / f"{name}.log").open("wb") as log:
                self.running[name] = subprocess.Popen(
                    self._command(name, command),
                    cwd=self.revision.folder,
                    env={**self._environment(), "PROGRAM": name},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=end_with_parent(signal.SIGTERM),
                )

    def stop(self) -> None:
        """Ends every program, by force if it does not end in time."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def wait_until_ready(self) -> None:
        """Waits until /readyz answers 200. Raises RuntimeError with the ends of the logs if it does not in time."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.revision.name} did not get ready:\n{self._log_ends()}")
            time.sleep(0.5)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.web}/readyz", timeout=5).ok
        except requests.RequestException:
            return False

    def _command(self, name: str, command: list[str]) -> list[str]:
        """The deployed command with this tree's program, a free port, and a name for the worker that no other has."""
        told = [self.revision.program(command[0]), *command[1:]]
        if name == "web":
            told[told.index("--host") + 1] = "127.0.0.1"
            told[told.index("--port") + 1] = str(self.port)
        return [word.replace("worker@%h", f"{name}@bench") for word in told]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.environment,
            **world.secrets(),
            "DJANGO_SETTINGS_MODULE": "wmsbridge.settings",
            "SHOPIFY_ADMIN_URL": self.sandbox.shopify.root + "/{domain}",
            "PUBLIC_URL": self.web,
            "EMAIL_URL": "dummymail://",
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
            "TMPDIR": str(self.logs),
        }

    def _log_ends(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text()[-1500:]}" for log in sorted(self.logs.glob("*.log"))
        )


@contextmanager
def deployed(
    revision: Revision,
    sandbox: Sandbox,
    environment: Mapping[str, str],
    folder: Path,
    bucket: Mapping[str, int],
) -> Iterator[Deployment]:
    """Deploys a revision on an empty database and sets it up as staff do.

    `environment` names the servers; `bucket` holds the points of each shop, see sandbox/README.md.
    """
    logs = folder / "logs"
    logs.mkdir(parents=True)
    deployment = Deployment(revision, sandbox, environment, logs)
    _open_accounts(sandbox, deployment.web, bucket)
    deployment.manage("migrate", "--no-input")
    _load(deployment, folder)
    deployment.start()
    try:
        deployment.wait_until_ready()
        deployment.manage("register_webhooks")
        deployment.manage("reconcile", "--full")
        yield deployment
    finally:
        deployment.stop()


def _open_accounts(sandbox: Sandbox, web: str, bucket: Mapping[str, int]) -> None:
    sandbox.reset()
    for shop in world.SHOPS:
        sandbox.shopify.post("/shops", {**world.shop_json(shop), "bucket": dict(bucket)})
    for slug in world.BASIS:
        connection = world.connection_json(slug, web)
        for warehouse in connection["warehouses"]:
            warehouse["stock"] = dict.fromkeys(world.ITEMS, PLENTY)
        sandbox.wms.post("/connections", connection)


def _load(deployment: Deployment, folder: Path) -> None:
    config = folder / "wmsbridge.toml"
    config.write_text(world.config_toml(deployment.sandbox.wms.root))
    deployment.manage("load_config", str(config))
    for shop in world.SHOPS:
        skus = folder / "skus.csv"
        skus.write_text(world.skus_csv(shop.products))
        for house in shop.houses:
            deployment.manage("import_skus", str(skus), "--shop", shop.domain, "--warehouse", house.code)
