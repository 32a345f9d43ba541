"""`python -m tests.chaos --orders 2000 --seed 1`: the whole product under load while everything goes wrong.

Exit code 0: no order was lost, none doubled, nothing is wrong in the books at the end. 1: something is. A seed makes
the same orders and the same faults at the same times; what they meet depends on the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import django
import structlog
from django.core.management import call_command
from django.db import connections

from tests.chaos.autopsy import keep_evidence
from tests.chaos.customers import PLENTY, Customers, counts, wishes
from tests.chaos.quiet import Quiet
from tests.chaos.servers import Servers, throw_away_servers
from tests.chaos.storm import Storm
from tests.chaos.verdict import Verdict, judge, lags, percentiles
from tests.chaos.weather import forecast
from tests.end_to_end import world
from tests.end_to_end.checker import Checker
from tests.end_to_end.stack import Stack, running_stack
from tests.end_to_end.world import ITEMS, SHOPS

logger = structlog.get_logger(__name__)

ORDERS_QUEUES = "submission,callbacks,cancellation,dispatch"
WORKERS = {
    "orders-1": (ORDERS_QUEUES, 2),
    "orders-2": (ORDERS_QUEUES, 2),
    "chores": ("inventory,maintenance,dispatch", 1),
}
AUTO = {
    "north": {"pick_after": 0.2, "pack_after": 1.5, "ship_after": 1.0, "parts": 1},
    "south": {"pick_after": 0.0, "pack_after": 1.0, "ship_after": 0.7, "parts": 2},
}
"""Warehouses that work by themselves; the south picks before its answer to us is out."""
WITHOUT = 'capabilities = ["find_order", "update_order", "cancel_order", "stock_delta", "returns"]'
"""All but `idempotent_create`."""
BUCKET = {"max": 20_000, "restore": 1_000}
"""A large shop's (Shopify Plus): a smaller one's budget is used up by orders at this rate, and all is waiting."""
SHOWN = 20
AFTERMATH = 30.0
"""Seconds for which the storm goes on after the last order: parcels leave later than orders come."""
QUIET_SECONDS, QUIET_PER_ORDER, SETTLE_SECONDS = 240.0, 0.5, 30.0


def main() -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=4.0, help="orders per second")
    parser.add_argument("--keep", type=Path, help="leave logs, books and tables in this folder")
    parser.add_argument("--verbose", action="store_true", help="tell of each fault as it comes")
    given = parser.parse_args()
    with throw_away_servers() as servers, tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        _prepare(servers, seed=given.seed, log_level="INFO" if given.verbose else "WARNING")
        try:
            with running_stack(Path(folder), WORKERS, bucket=BUCKET) as stack:
                try:
                    return _run(stack, servers, given)
                finally:
                    connections.close_all()  # the storm may have broken them
        finally:
            if given.keep:
                shutil.copytree(Path(folder) / "logs", given.keep, dirs_exist_ok=True)


def _prepare(servers: Servers, *, seed: int, log_level: str) -> None:
    """Django on these servers, with an empty database."""
    os.environ.update(servers.urls.environment())
    os.environ.update(world.secrets())
    os.environ.update(DJANGO_SETTINGS_MODULE="wmsbridge.settings", DEBUG="0", LOG_LEVEL=log_level)
    os.environ["CHAOS_SKEW"] = str(random.Random(f"clock {seed}").choice((-300, -120, 120, 300)))
    os.environ.update(EMAIL_URL="dummymail://", ALERT_EMAILS="", ALERT_URLS="")
    django.setup()
    call_command("migrate", verbosity=0)


def _run(stack: Stack, servers: Servers, given: argparse.Namespace) -> int:
    began, started = time.monotonic(), datetime.now(UTC)
    seconds = given.orders / given.rate
    _prepare_the_warehouses(stack)
    customers = Customers(
        stack,
        wishes(given.orders, rate=given.rate, seed=given.seed),
        counts(seconds, orders=given.orders, seed=given.seed),
    )
    storm = Storm(stack, servers, forecast(seconds + AFTERMATH, seed=given.seed), seed=given.seed)
    stack.shopify.post(
        "/settings", {"duplicate": 0.3, "shuffle_seconds": 2.0, "loss": 0.05, "seed": given.seed}
    )
    stack.wms.post("/settings", {"duplicate": 0.3, "shuffle_seconds": 2.0, "seed": given.seed})
    customers.start()
    storm.rage()
    customers.join()
    stack.deliver(duplicate=0, shuffle_seconds=0, loss=0)
    _say(f"{given.orders} orders placed and the storm over after {time.monotonic() - began:.0f} s")
    quiet = Quiet(stack, servers.urls.database_url)
    patience = QUIET_SECONDS + given.orders * QUIET_PER_ORDER
    unfinished = quiet.wait(seconds=patience)
    verdict = _make_up_for_what_was_lost(stack, quiet, since=started, patience=patience)
    _tell(stack, storm, customers, verdict, given)
    for each in (
        *quiet.left_to_people(),
        *(f"{count} × unfinished {what}" for what, count in unfinished.items()),
    ):
        _say(f"  left: {each}")
    if given.keep:
        keep_evidence(stack, servers.urls.database_url, given.keep)
    _say(f"took {time.monotonic() - began:.0f} s")
    return 0 if verdict.clean and not unfinished and not customers.made.broken else 1


def _prepare_the_warehouses(stack: Stack) -> None:
    """No order waits for stock; they work by themselves; the south makes a second order of a repeated creation."""
    stack.wms.post("/connections/south", {"idempotency": False})
    config = stack.files / "south.toml"
    config.write_text(
        world.config_toml(stack.wms.root).replace('slug = "south"\n', f'slug = "south"\n{WITHOUT}\n')
    )
    assert "1 updated" in (said := stack.command("load_config", str(config))), said
    for shop in SHOPS:
        for house in shop.houses:
            for item in ITEMS:
                body = {"warehouse": house.code, "item": item, "on_hand": PLENTY}
                stack.wms.post(f"/connections/{house.slug}/stock", body)
    for slug, auto in AUTO.items():
        stack.wms.post(f"/connections/{slug}", {"auto": auto})
    stack.settles(Checker.stock, seconds=60)


def _make_up_for_what_was_lost(stack: Stack, quiet: Quiet, *, since: datetime, patience: float) -> Verdict:
    """What the schedule would do within minutes: read orders and stock once more; then the last look."""
    connections.close_all()
    for shop in SHOPS:
        stack.command("backfill_orders", shop=shop.domain, since=since.isoformat())
    quiet.wait(seconds=patience)
    stack.command("reconcile")
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        quiet.wait(seconds=SETTLE_SECONDS)
        if (verdict := judge(stack.checker())).clean or time.monotonic() > deadline:
            return verdict


def _tell(
    stack: Stack, storm: Storm, customers: Customers, verdict: Verdict, given: argparse.Namespace
) -> None:
    made, checker = customers.made, stack.checker()
    _say(
        f"seed {given.seed}: {given.orders} orders at {given.rate:g}/s ({len(made.cancelled)} cancelled, "
        f"{len(made.too_late)} cancelled too late, customers at most {made.late:.1f} s behind their plan)"
    )
    lost = sum(stack.shopify.get("/books")["webhooks"]["lost"].values())
    kinds = {**storm.kinds(), "webhooks lost": lost}
    _say(f"faults: {sum(kinds.values())}: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    _say(f"from payment to the warehouse: {percentiles(lags(checker, made.since))}")
    for title, found in (("LOST", verdict.lost), ("DOUBLED", verdict.doubled), ("WRONG", verdict.wrong)):
        for each in found[:SHOWN]:
            _say(f"  {title} {each}")
        if len(found) > SHOWN:
            _say(f"  {title} … and {len(found) - SHOWN} more")
    for each in made.broken:
        _say(f"  the customers stumbled: {each}")
    bugs = stack.programs.bugs()
    _say(f"log lines of unexpected errors: {len(bugs)}")
    for bug in bugs[:5]:
        _say(f"  {bug[:400]}")
    _say(f"seed {given.seed}: {verdict}")


def _say(text: str) -> None:
    print(f"chaos: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
