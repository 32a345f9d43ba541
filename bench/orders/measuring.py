"""One measurement of one revision: idle first, then orders through their full circle."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.orders import traffic
from bench.orders.counts import POSTGRES_SETTINGS, Counters
from bench.orders.deployment import Deployment, deployed
from bench.orders.processes import Groups, children_named, cpu_seconds, resident_bytes
from bench.orders.revision import Revision
from tests.chaos.faults.servers import throw_away_servers
from tests.end_to_end.installation.waiting import until
from tests.world import sandbox_process

WARM_UP_ORDERS = 160
"""Every process has imported what it needs, and has its connections and plans, before anything is counted. A server
plans a statement at each of its first executions on a connection, and each thread has a connection."""
WARM_UP_RATE = 20
"""Orders a second: enough that every thread works."""
COUNTING = Path(__file__).parent / "statement_counter"
SECONDS_PER_ORDER = 6.0
"""Patience: ten times what an order costs today."""
OURS = ("workers", "web", "beat", "Postgres", "Valkey")
"""The groups of processes that are ours: all but the simulators."""


@dataclass(frozen=True)
class Plan:
    """What is measured. `bucket`: the points of each shop; `within`: the seconds in which the orders are placed.
    `cost_model`: what a connection costs, see sandbox/shopify/graphql/cost.py.
    """

    orders: int
    bucket: Mapping[str, int]
    idle_seconds: float
    within: float = 0.0
    cost_model: str = "recorded"


@dataclass(frozen=True)
class Figures:
    """What was measured. CPU is in seconds, memory in bytes; `idle_cpu` is per second. `seconds`: from the first
    payment to the last fulfilment at Shopify; `busy_seconds`: until nothing was left to do.
    """

    revision: str
    orders: int
    seconds: float
    busy_seconds: float
    arrivals: traffic.Arrivals
    cpu: Mapping[str, float]
    idle_cpu: Mapping[str, float]
    memory: Mapping[str, int]
    counts: Mapping[str, int]
    statements: Mapping[str, int]

    def cpu_per_order(self, group: str) -> float:
        """Returns the milliseconds of CPU that an order costs beyond what the group uses when it is idle."""
        return 1000 * (self.cpu[group] - self.idle_cpu[group] * self.busy_seconds) / self.orders


def measure(revision: Revision, plan: Plan, *, count_statements: bool = False) -> Figures:
    """Deploys a revision on servers of its own, and measures it.

    With `count_statements` each statement is attributed to its kind of job. That costs so much that the other figures
    are then worth nothing.
    """
    with (
        throw_away_servers(POSTGRES_SETTINGS) as servers,
        sandbox_process() as sandbox,
        tempfile.TemporaryDirectory(prefix="bench-orders-") as name,
    ):
        folder = Path(name)
        notes = folder / "statements"
        notes.mkdir()
        environment = {**servers.urls.environment(), **(_counting(notes) if count_statements else {})}
        shop = {"bucket": dict(plan.bucket), "cost_model": plan.cost_model}
        with deployed(revision, sandbox, environment, folder, shop) as deployment:
            counters = Counters(
                servers.urls.database_url, servers.urls.redis_url, sandbox, deployment.programs.logs
            )
            return _measured(deployment, counters, plan, notes)


def _measured(deployment: Deployment, counters: Counters, plan: Plan, notes: Path) -> Figures:
    counters.prepare()
    traffic.warehouses_ship(counters.sandbox)
    _full_circle(counters, WARM_UP_ORDERS, within=WARM_UP_ORDERS / WARM_UP_RATE)
    groups = _groups(deployment)
    idle_cpu = _idle_cpu(groups, plan.idle_seconds)
    cpu, counts, statements = cpu_seconds(groups), counters.read(), _noted(notes)
    began = time.monotonic()
    paid, seconds = _full_circle(counters, plan.orders, within=plan.within)
    return Figures(
        revision=deployment.revision.name,
        orders=plan.orders,
        seconds=seconds,
        busy_seconds=time.monotonic() - began,
        arrivals=traffic.arrivals(counters.sandbox, paid),
        cpu=_difference(cpu_seconds(groups), cpu),
        idle_cpu=idle_cpu,
        memory=resident_bytes(groups),
        counts=_difference(counters.read(), counts),
        statements=_difference(_noted(notes), statements),
    )


def _full_circle(
    counters: Counters, orders: int, *, within: float
) -> tuple[dict[traffic.Placed, float], float]:
    """Places orders and waits until everything about them is done. Returns when each was paid, and the seconds from
    the first payment to the last fulfilment.
    """
    sandbox, patience = counters.sandbox, 120 + orders * SECONDS_PER_ORDER
    wanted = traffic.fulfillments(sandbox) + orders
    began = time.monotonic()
    paid = traffic.place(sandbox, orders, within=within)
    until(lambda: traffic.fulfillments(sandbox) >= wanted, what=f"{orders} fulfilments", seconds=patience)
    seconds = time.monotonic() - began
    until(
        lambda: bool(sandbox.shopify.get("/idle?seconds=5")["idle"]) and counters.waiting_jobs() == 0,
        what="the last job",
        seconds=patience,
    )
    return paid, seconds


def _groups(deployment: Deployment) -> Groups:
    programs = {name: deployment.programs.pid(name) for name in deployment.programs.commands}
    return {
        "web": [programs["web"]],
        "workers": [pid for name, pid in programs.items() if name not in {"web", "beat"}],
        "beat": [pid for name, pid in programs.items() if name == "beat"],
        **children_named({"Postgres": "/postgres", "Valkey": "valkey-server", "simulators": "sandbox"}),
    }


def _idle_cpu(groups: Groups, seconds: float) -> dict[str, float]:
    before = cpu_seconds(groups)
    time.sleep(seconds)
    return {name: used / seconds for name, used in _difference(cpu_seconds(groups), before).items()}


def _counting(notes: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(COUNTING), "STATEMENT_NOTES": str(notes)}


def _noted(notes: Path) -> Counter[str]:
    return Counter(line for file in notes.iterdir() for line in file.read_text().splitlines())


Number = TypeVar("Number", int, float)


def _difference(after: Mapping[str, Number], before: Mapping[str, Number]) -> dict[str, Number]:
    return {name: after[name] - before.get(name, 0) for name in after}
