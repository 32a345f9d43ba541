"""`python -m tests.chaos --orders 2000 --seeds 1 2 3`: the whole product under load while everything goes wrong.

Exit code 0 means that every kind of fault happened, and that the books show no lost order, no doubled order and
nothing else that is wrong. A seed makes the same orders and the same faults at the same times, but which calls they
meet depends on the machine. Several seeds run one after the other.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import django
from django.core.management import call_command
from django.db import connections

from tests.chaos.faults.servers import Servers, throw_away_servers
from tests.chaos.outcome.report import table
from tests.chaos.people.alert_receiver import AlertReceiver, open_alert_receiver
from tests.end_to_end.installation import world
from tests.end_to_end.installation.stack import running_stack

FEWEST = 50
"""Among so many orders every fate occurs."""
SETTLE_SECONDS = 60
"""Little more than the product demands, so that even a short run shows what is decided after this time."""
REPORT = "report.json"


def main() -> int:
    """Runs one seed, or each of several seeds in a process of its own. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--rate", type=float, default=6.0, help="orders per second")
    parser.add_argument(
        "--keep", type=Path, help="leave report, logs, books and tables in this folder, by seed"
    )
    parser.add_argument("--verbose", action="store_true", help="log each fault when it begins")
    given = parser.parse_args()
    if given.orders < FEWEST:
        parser.error(f"at least {FEWEST} orders are needed for every kind of order")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        keep = given.keep or Path(folder)
        if len(given.seeds) == 1:
            return _one(given, keep / f"seed-{given.seeds[0]}")
        return _each(given, keep)


def _each(given: argparse.Namespace, keep: Path) -> int:
    command = [sys.executable, "-m", "tests.chaos", "--orders", str(given.orders), "--rate", str(given.rate)]
    command += ["--keep", str(keep), *(["--verbose"] if given.verbose else [])]
    codes = [subprocess.run([*command, "--seeds", str(seed)], check=False).returncode for seed in given.seeds]
    reports = [keep / f"seed-{seed}" / REPORT for seed in given.seeds]
    for line in table(json.loads(report.read_text()) for report in reports if report.exists()):
        print(line, flush=True)
    return max(codes)


def _one(given: argparse.Namespace, keep: Path) -> int:
    seed, began = given.seeds[0], time.monotonic()
    keep.mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_until_the_end:
        folder = Path(open_until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        servers = open_until_the_end.enter_context(throw_away_servers())
        receiver = open_until_the_end.enter_context(open_alert_receiver())
        _set_up_django(servers, receiver, seed=seed, log_level="INFO" if given.verbose else "WARNING")
        run = importlib.import_module("tests.chaos.run")  # it imports models, so Django must be set up first
        open_until_the_end.callback(_keep_logs, folder, keep)
        stack = open_until_the_end.enter_context(running_stack(folder, run.WORKERS, bucket=run.BUCKET))
        open_until_the_end.callback(connections.close_all)  # the faults may have broken them
        made = run.Run(stack, servers, receiver, orders=given.orders, rate=given.rate, seed=seed, began=began)
        report = made.carry_out(given.keep and keep)
        report.save(keep / REPORT)
        for line in report.lines():
            print(f"chaos: {line}", flush=True)
        return 0 if report.passed else 1


def _set_up_django(servers: Servers, receiver: AlertReceiver, *, seed: int, log_level: str) -> None:
    """Sets up Django with these servers and an empty database."""
    os.environ.update(servers.urls.environment())
    os.environ.update(world.secrets())
    os.environ.update(DJANGO_SETTINGS_MODULE="wmsbridge.settings", DEBUG="0", LOG_LEVEL=log_level)
    os.environ["CHAOS_SKEW"] = str(random.Random(f"clock {seed}").choice((-300, -120, 120, 300)))
    os.environ["WMS_SETTLE_SECONDS"] = str(SETTLE_SECONDS)
    os.environ.update(EMAIL_URL="dummymail://", ALERT_EMAILS="", ALERT_URLS=receiver.url)
    django.setup()
    call_command("migrate", verbosity=0)


def _keep_logs(folder: Path, keep: Path) -> None:
    shutil.copytree(folder / "logs", keep / "logs", dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
