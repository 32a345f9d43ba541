"""The processes of the demo: sandbox, web server, workers and beat. Each logs to a file, and all end with the demo."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from django.conf import settings

from ops import redis
from ops.queue.queues import Queue
from wmsbridge.demo import world
from wmsbridge.demo.sandbox_api import Sandbox
from wmsbridge.embedded.processes import running
from wmsbridge.monitoring import workers
from wmsbridge.web import command

HOST = "127.0.0.1"
WORKERS = {
    "orders": (("submission", "callbacks", "cancellation"), 4),
    "chores": (("inventory", "maintenance", "dispatch"), 3),
}


@dataclass(frozen=True)
class DemoSetup:
    """The addresses of the demo's servers, and the folder of their logs."""

    web: str
    sandbox: Sandbox
    logs: Path


def prepare(home: Path) -> DemoSetup:
    """Choose the addresses, and set them in the environment of this process and its children."""
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    web = f"http://{HOST}:{_free_port(8000)}"
    sandbox = Sandbox(shopify=f"http://{HOST}:{_free_port(9001)}", wms=f"http://{HOST}:{_free_port(9002)}")
    os.environ.update(world.secrets())
    os.environ.update(
        {
            "PYTHONPATH": str(settings.BASE_DIR),
            "PUBLIC_URL": web,
            "SHOPIFY_ADMIN_URL": sandbox.shopify + "/{domain}",
            "EMAIL_URL": f"filemail:///{home.resolve() / 'mail'}",  # django-environ takes one slash away
            "ALERT_EMAILS": "staff@example.com",
        }
    )
    settings.PUBLIC_URL = web
    settings.SHOPIFY_ADMIN_URL = os.environ["SHOPIFY_ADMIN_URL"]
    return DemoSetup(web=web, sandbox=sandbox, logs=logs)


def _free_port(preferred: int) -> int:
    """Return the preferred port if it is free, else any free port. Raises OSError if there is none."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


@contextmanager
def sandbox_running(setup: DemoSetup) -> Iterator[None]:
    """Run both simulated systems, and create the demo's shops and accounts in them."""
    ports = [address.rpartition(":")[2] for address in (setup.sandbox.shopify, setup.sandbox.wms)]
    simulated = [sys.executable, "-m", "sandbox", "--shopify-port", ports[0], "--wms-port", ports[1]]
    with _child(setup, "sandbox", simulated, setup.sandbox.answers):
        for store in world.STORES:
            setup.sandbox.create_shop(world.sandbox_shop(store))
        for slug in world.CONNECTIONS:
            setup.sandbox.create_connection(world.sandbox_connection(slug, setup.web))
        yield


@contextmanager
def application_running(setup: DemoSetup) -> Iterator[None]:
    """Run the web server, the workers and beat. The block begins when all of them are ready."""
    with ExitStack() as stack:
        stack.enter_context(_child(setup, "web", _granian(setup), lambda: True))
        for name, (queues, concurrency) in WORKERS.items():
            worker = [*_celery(), "worker", "--hostname", f"{name}@demo", "--queues", ",".join(queues)]
            worker += ["--concurrency", str(concurrency)]
            stack.enter_context(_child(setup, f"worker-{name}", worker, lambda: True))
        beat = [*_celery(), "beat"]
        stack.enter_context(_child(setup, "beat", beat, lambda: _all_ready(setup)))
        yield


def _child(
    setup: DemoSetup, name: str, command: Sequence[str], ready: Callable[[], bool]
) -> AbstractContextManager[None]:
    return running(command, log=setup.logs / f"{name}.log", ready=ready, stop=signal.SIGTERM)


def _granian(setup: DemoSetup) -> list[str]:
    port = setup.web.rpartition(":")[2]
    granian = [str(Path(sys.executable).with_name("granian")), "--working-dir", str(settings.BASE_DIR)]
    return [*granian, *command.arguments(host=HOST, port=int(port), workers=1)]


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "--workdir", str(settings.BASE_DIR), "--app", "wmsbridge"]


def _all_ready(setup: DemoSetup) -> bool:
    """Return True when the web server answers and every queue has a worker. Raises OSError while this is not so yet."""
    requests.get(f"{setup.web}/healthz", timeout=2).raise_for_status()
    try:
        served = {queue for queues in workers.seen().values() for queue in queues}
    except redis.RedisError as error:
        raise OSError(str(error)) from error
    if not served.issuperset(Queue):
        raise OSError("workers are still starting")
    return True
