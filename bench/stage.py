"""What is measured: the whole product with the fleet of docker-compose.yml, on servers that are thrown away."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import django
import yaml
from django.core.management import call_command

from tests.chaos.faults.servers import throw_away_servers
from tests.end_to_end.installation import world
from tests.end_to_end.installation.stack import Stack, running_stack
from tests.end_to_end.installation.world import ITEMS
from tests.world import Sandbox, sandbox_process

COMPOSE = Path(__file__).resolve().parents[1] / "docker-compose.yml"
PLENTY = 10_000_000
"""Units on every shelf: no order waits for stock."""

LARGE_SHOP = {"max": 20_000, "restore": 1_000}
"""Points of a Shopify Plus bucket: what is measured is our queues, not the shop's budget."""

BUCKETS = {"large": LARGE_SHOP, "standard": {"max": 2_000, "restore": 100}}
"""The standard plan's is the one that most shops have: there the budget is part of what is measured."""

Fleet = Mapping[str, tuple[str, int]]
"""Worker -> (its queues, its processes)."""


def deployed_fleet(compose: Path = COMPOSE) -> Fleet:
    """The workers as they are deployed."""
    commands = {
        name: service.get("command", [])
        for name, service in yaml.safe_load(compose.read_text())["services"].items()
    }
    return {
        name: (_option(command, "--queues"), int(_option(command, "--concurrency")))
        for name, command in commands.items()
        if "--queues" in command
    }


def _option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@contextmanager
def stage(
    fleet: Fleet,
    *,
    latency: float,
    bucket: str = "large",
    start_sandbox: Callable[[], AbstractContextManager[Sandbox]] = sandbox_process,
) -> Iterator[Stack]:
    """Everything started and set up. `latency`: seconds that each answer of Shopify and of the WMSs takes;
    `bucket`: one of BUCKETS, for every shop.

    Call it once in a process: Django is set up here.
    """
    with throw_away_servers() as servers, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ.update(servers.urls.environment())
        os.environ.update(world.secrets())
        os.environ.update(DJANGO_SETTINGS_MODULE="wmsbridge.settings", DEBUG="0", LOG_LEVEL="WARNING")
        os.environ.update(EMAIL_URL="dummymail://", ALERT_EMAILS="", ALERT_URLS="")
        django.setup()
        call_command("migrate", verbosity=0)
        with running_stack(Path(folder), fleet, start_sandbox=start_sandbox, bucket=BUCKETS[bucket]) as stack:
            stack.stock_up(ITEMS, on_hand=PLENTY)
            stack.deliver(latency=latency)
            yield stack


def load_average() -> str:
    """Of the last minute: who else was at work on this machine."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def say(text: str) -> None:
    """One line of the report."""
    print(f"bench: {text}", flush=True)
