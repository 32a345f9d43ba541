"""One revision of the product, deployed on this machine beside the simulators and ready for orders."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.orders.revision import Revision
from tests.end_to_end.installation import world
from tests.end_to_end.installation.programs import Programs
from tests.end_to_end.installation.waiting import until
from tests.world import Sandbox
from wmsbridge.embedded.places import free_port

PLENTY = 10_000_000
"""Units on every shelf, so that no order waits for stock."""
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Deployment:
    """The programs of one revision, and where to reach its web server."""

    revision: Revision
    programs: Programs
    web: str

    def manage(self, *arguments: str) -> None:
        """Runs a command of the product. Raises RuntimeError with what it printed if it fails."""
        done = subprocess.run(
            [self.revision.program("python"), "manage.py", *arguments],
            cwd=self.revision.folder,
            env=self.programs.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"manage.py {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def wait_until_ready(self) -> None:
        """Waits until /readyz answers 200. Raises RuntimeError with the ends of the logs if it does not in time."""
        try:
            until(self._is_ready, what="/readyz", seconds=READY_SECONDS)
        except AssertionError as error:
            raise RuntimeError(f"{self.revision.name}: {error}\n{self.programs.tails()}") from error

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.web}/readyz", timeout=5).ok
        except requests.RequestException:
            return False


def _commands(revision: Revision, port: int) -> dict[str, list[str]]:
    """The deployed commands with this tree's programs, a free port, and a name for each worker that no other has."""
    found = {}
    for name, (program, *arguments) in revision.commands().items():
        words = [word.replace("worker@%h", f"{name}@bench") for word in arguments]
        if name == "web":
            words[words.index("--host") + 1] = "127.0.0.1"
            words[words.index("--port") + 1] = str(port)
        # The name is for whoever counts statements, see statement_counter.
        found[name] = ["env", f"PROGRAM={name}", revision.program(program), *words]
    return found


def _environment(servers: Mapping[str, str], sandbox: Sandbox, web: str, logs: Path) -> dict[str, str]:
    return {
        **os.environ,
        **servers,
        **world.secrets(),
        "DJANGO_SETTINGS_MODULE": "wmsbridge.settings",
        "SHOPIFY_ADMIN_URL": sandbox.shopify.root + "/{domain}",
        "PUBLIC_URL": web,
        "EMAIL_URL": "dummymail://",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        "TMPDIR": str(logs),
    }


@contextmanager
def deployed(
    revision: Revision,
    sandbox: Sandbox,
    environment: Mapping[str, str],
    folder: Path,
    shop: Mapping[str, Any],
) -> Iterator[Deployment]:
    """Deploys a revision on an empty database and sets it up as staff do.

    `environment` names the servers; `shop` holds the points of each shop and what they buy, see sandbox/README.md.
    """
    logs = folder / "logs"
    logs.mkdir(parents=True)
    port = free_port()
    web = f"http://127.0.0.1:{port}"
    programs = Programs(
        logs, _environment(environment, sandbox, web, logs), _commands(revision, port), revision.folder
    )
    deployment = Deployment(revision, programs, web)
    _open_accounts(sandbox, web, shop)
    deployment.manage("migrate", "--no-input")
    _load(deployment, sandbox, folder)
    programs.start_all()
    try:
        deployment.wait_until_ready()
        deployment.manage("register_webhooks")
        deployment.manage("reconcile", "--full")
        yield deployment
    finally:
        programs.stop_all()


def _open_accounts(sandbox: Sandbox, web: str, limits: Mapping[str, Any]) -> None:
    sandbox.reset()
    for shop in world.SHOPS:
        sandbox.shopify.post("/shops", {**world.shop_json(shop), **limits})
    for slug in world.BASIS:
        connection = world.connection_json(slug, web)
        for warehouse in connection["warehouses"]:
            warehouse["stock"] = dict.fromkeys(world.ITEMS, PLENTY)
        sandbox.wms.post("/connections", connection)


def _load(deployment: Deployment, sandbox: Sandbox, folder: Path) -> None:
    config = folder / "wmsbridge.toml"
    config.write_text(world.config_toml(sandbox.wms.root))
    deployment.manage("load_config", str(config))
    for shop in world.SHOPS:
        skus = folder / "skus.csv"
        skus.write_text(world.skus_csv(shop.products))
        for house in shop.houses:
            deployment.manage("import_skus", str(skus), "--shop", shop.domain, "--warehouse", house.code)
