"""Runs the installation that is measured: the whole product with the workers of docker-compose.yml, on throw-away
servers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import django
from django.core.management import call_command

from bench.orders.revision import this_tree
from tests.chaos.faults.servers import throw_away_servers
from tests.end_to_end.installation import world
from tests.end_to_end.installation.stack import Stack, running_stack
from tests.end_to_end.installation.world import ITEMS
from tests.world import Sandbox, sandbox_process

PLENTY = 10_000_000
"""There are this many units on every shelf, so that no order waits for stock."""

LARGE_SHOP = {"max": 20_000, "restore": 1_000}
"""The points of a Shopify Plus bucket. With them our queues are measured, and not the budget of the shop."""

BUCKETS = {"large": LARGE_SHOP, "standard": {"max": 2_000, "restore": 100}}
"""Most shops have the bucket of the standard plan. With it the budget is a part of what is measured."""

Fleet = Mapping[str, tuple[str, int]]
"""The queues and the number of threads of each worker."""


def deployed_fleet() -> Fleet:
    """The workers as docker-compose.yml deploys them."""
    return {
        name: (_option(command, "--queues"), int(_option(command, "--concurrency")))
        for name, command in this_tree().commands().items()
        if "--queues" in command
    }


def _option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@contextmanager
def running_installation(
    fleet: Fleet,
    *,
    latency: float,
    bucket: str = "large",
    start_sandbox: Callable[[], AbstractContextManager[Sandbox]] = sandbox_process,
) -> Iterator[Stack]:
    """Start everything and set it up.

    `latency` is the number of seconds that each answer of Shopify and of the WMSs takes. `bucket` is one of BUCKETS,
    and every shop has it. Call this once in a process, because it sets Django up.
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
    """The load of this machine in the last minute, so that a reader sees what else it did."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def say(text: str) -> None:
    """Print one line of the report."""
    print(f"bench: {text}", flush=True)
