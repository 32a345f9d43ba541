"""`python -m bench.orders` measures what it says: a deployed revision, the CPU of processes, statements by kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.lag import Lags
from bench.orders.measuring import COUNTING, OURS, Figures
from bench.orders.processes import children_named, cpu_seconds, family, resident_bytes
from bench.orders.report import statements, table
from bench.orders.revision import checked_out, this_tree
from bench.orders.traffic import Arrivals
from tests.chaos.outcome.cpu_meter import all_stats

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
PARENT_OF_ONE_THAT_ENDED = f"""
import subprocess, sys, time
subprocess.run([sys.executable, "-c", {BURN!r}])
print("done", flush=True)
time.sleep(60)
"""


def figures(revision: str, *, cpu: Mapping[str, float], statements: Mapping[str, int]) -> Figures:
    groups = {**dict.fromkeys((*OURS, "simulators"), 0.0), **cpu}
    return Figures(
        revision=revision,
        orders=10,
        seconds=5.0,
        busy_seconds=10.0,
        arrivals=Arrivals(Lags([1.0, 2.0]), 4.0),
        cpu=groups,
        idle_cpu={**dict.fromkeys(groups, 0.0), "beat": 0.01},
        memory=dict.fromkeys(groups, 1_000_000),
        counts=dict.fromkeys(
            (
                *("SQL statements", "transactions", "jobs", "job runs", "Celery messages", "Valkey commands"),
                *("webhooks", "callbacks", "Shopify calls", "Shopify points", "WMS calls"),
            ),
            20,
        ),
        statements=statements,
    )


def test_every_program_of_the_deployment_is_started() -> None:
    commands = this_tree().commands()
    assert commands["web"][0] == "granian"
    words = [part for command in commands.values() for word in command for part in word.split(",")]
    served = [word for word in words if word in {"submission", "dispatch"}]
    assert sorted(served) == ["dispatch", "submission", "submission"]
    assert "beat" in commands


def test_the_small_deployment_has_a_web_server_and_one_worker() -> None:
    commands = this_tree(small=True).commands()
    assert list(commands) == ["web", "worker"]
    assert "--beat" in commands["worker"]
    assert commands["web"][commands["web"].index("--workers") + 1] == "1"


def test_an_unknown_revision_is_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError), checked_out("no-such-revision"):
        pass


def test_the_cpu_of_a_child_that_ended_counts_for_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT_OF_ONE_THAT_ENDED], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            assert cpu_seconds({"it": [process.pid]})["it"] >= 0.3
            assert resident_bytes({"it": [process.pid]})["it"] > 1_000_000
            assert process.pid in children_named({"it": "time.sleep(60)"})["it"]
        finally:
            process.kill()


def test_a_family_has_grandchildren_and_nobody_else() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & sleep 60 & echo; wait"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert len(family(process.pid, all_stats())) == 3
            assert process.pid in family(os.getpid(), all_stats())
        finally:
            for pid in family(process.pid, all_stats())[::-1]:
                os.kill(pid, 9)


def test_cpu_of_an_idle_product_does_not_count_for_orders() -> None:
    measured = figures("now", cpu={"workers": 2.0, "beat": 0.2}, statements={})
    assert measured.cpu_per_order("workers") == 200
    assert measured.cpu_per_order("beat") == pytest.approx(10)


def test_the_report_compares_the_last_revision_with_the_first() -> None:
    before = figures("63046ff", cpu={"workers": 4.0}, statements={"fulfillment.route": 300})
    now = figures("now", cpu={"workers": 1.0}, statements={"fulfillment.route": 150, "wms.shipment": 100})
    lines = list(table([before, now]))
    assert "| - workers | 400 | 100 | 0.25 |" in lines
    assert "| SQL statements an order | 2.0 | 2.0 | 1.00 |" in lines
    assert list(statements([before, now]))[2:] == [
        "| fulfillment.route | 30.0 | 15.0 | 0.50 |",
        "| wms.shipment | 0.0 | 10.0 |  |",
    ]


def test_each_statement_is_noted_with_the_kind_of_its_job(tmp_path: Path) -> None:
    script = """
import structlog
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
from django.db import connection
with structlog.contextvars.bound_contextvars(kind="fulfillment.route"):
    connection.cursor().execute("SELECT 1")
connection.cursor().execute("SELECT 2")
"""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        "PYTHONPATH": str(COUNTING),
        "STATEMENT_NOTES": str(tmp_path),
        "PROGRAM": "beat",
    }
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    [notes] = tmp_path.iterdir()
    assert notes.read_text().splitlines() == ["fulfillment.route", "beat, no job"]
