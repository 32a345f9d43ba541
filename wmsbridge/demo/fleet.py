"""The demo's processes: sandbox, web server, workers, beat; each logs to a file, and all end with the demo."""

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
class Stage:
    """Where everything listens."""

    web: str
    sandbox: Sandbox
    logs: Path


def prepare(home: Path) -> Stage:
    """Choose addresses and tell them to this process and its children by the environment."""
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    web = f"http://{HOST}:{_port(8000)}"
    sandbox = Sandbox(shopify=f"http://{HOST}:{_port(9001)}", wms=f"http://{HOST}:{_port(9002)}")
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
    return Stage(web=web, sandbox=sandbox, logs=logs)


def _port(wished: int) -> int:
    """The wished port, or any free one when it is taken."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


@contextmanager
def sandbox_running(stage: Stage) -> Iterator[None]:
    """Both simulated systems, with the demo's shops and accounts in them."""
    ports = [address.rpartition(":")[2] for address in (stage.sandbox.shopify, stage.sandbox.wms)]
    simulated = [sys.executable, "-m", "sandbox", "--shopify-port", ports[0], "--wms-port", ports[1]]
    with _child(stage, "sandbox", simulated, stage.sandbox.answers):
        for store in world.STORES:
            stage.sandbox.create_shop(world.sandbox_shop(store))
        for slug in world.CONNECTIONS:
            stage.sandbox.create_connection(world.sandbox_connection(slug, stage.web))
        yield


@contextmanager
def application_running(stage: Stage) -> Iterator[None]:
    """Web server, workers and beat, all there."""
    with ExitStack() as stack:
        stack.enter_context(_child(stage, "web", _granian(stage), lambda: True))
        for name, (queues, concurrency) in WORKERS.items():
            worker = [*_celery(), "worker", "--hostname", f"{name}@demo", "--queues", ",".join(queues)]
            worker += ["--concurrency", str(concurrency), "--loglevel", "INFO"]
            stack.enter_context(_child(stage, f"worker-{name}", worker, lambda: True))
        beat = [*_celery(), "beat", "--loglevel", "INFO"]
        stack.enter_context(_child(stage, "beat", beat, lambda: _all_there(stage)))
        yield


def _child(
    stage: Stage, name: str, command: Sequence[str], ready: Callable[[], bool]
) -> AbstractContextManager[None]:
    return running(command, log=stage.logs / f"{name}.log", ready=ready, stop=signal.SIGTERM)


def _granian(stage: Stage) -> list[str]:
    port = stage.web.rpartition(":")[2]
    granian = [str(Path(sys.executable).with_name("granian")), "--working-dir", str(settings.BASE_DIR)]
    return [*granian, *command.arguments(host=HOST, port=int(port), workers=1)]


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "--workdir", str(settings.BASE_DIR), "--app", "wmsbridge"]


def _all_there(stage: Stage) -> bool:
    """Whether the web server answers and every queue has a worker. Raises OSError, which means: not yet."""
    requests.get(f"{stage.web}/healthz", timeout=2).raise_for_status()
    try:
        served = {queue for queues in workers.seen().values() for queue in queues}
    except redis.RedisError as error:
        raise OSError(str(error)) from error
    if not served.issuperset(Queue):
        raise OSError("workers are still starting")
    return True
