"""`make demo`: orders go from two simulated shops to two simulated WMSs, and their shipments come back."""

from __future__ import annotations

import logging
import os
import random
import secrets
import signal
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from inventory.models import StockLevel
from ops.queue.jobs import is_busy
from wmsbridge import health
from wmsbridge.demo import fleet, world
from wmsbridge.demo.actors import Actors
from wmsbridge.demo.board import Board
from wmsbridge.demo.order_snapshot import OrderSnapshot, take_snapshots
from wmsbridge.demo.scenarios import all_scenarios
from wmsbridge.demo.verdict import Summary, judge
from wmsbridge.embedded import EmbeddedError
from wmsbridge.embedded.processes import sigterm_as_exit

LOCAL = ("127.0.0.1", "localhost")
LAST_ORDERS = 20.0
"""In the last seconds of a demo with a limit, this many of them, nobody orders any more."""

GRACE_SECONDS = 60.0
STOCK_SECONDS = 60.0
STEP, REDRAW, REMEASURE = 0.1, 0.5, 3.0
MOST_SHOWN = 60


def _log_to(file: Path) -> None:
    """Send the log lines of this process to a file. On the terminal they would break the table."""
    stream = file.open("w", buffering=1)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


class Command(BaseCommand):
    """Runs the demo. The exit code is 0 only if every order ended as it should; Ctrl-C ends the demo without a
    verdict."""

    help = "Show the whole product at work against simulated shops and warehouses. Start it with `make demo`."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--seconds", type=float, help="end the demo after this many seconds (default: at Ctrl-C)"
        )
        parser.add_argument(
            "--data", type=Path, default=settings.BASE_DIR / ".data", help="folder for logs and mail"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if the demo cannot start, or if an order did not end as it should."""
        if settings.DATABASES["default"]["HOST"] not in LOCAL:
            raise CommandError(
                "the demo empties its database, so start it with `make demo`, which runs servers for it alone"
            )
        self.console = Console()
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # a background job of a shell ignores it otherwise
        try:
            with sigterm_as_exit():
                summary = self._play(options["data"], options["seconds"])
        except KeyboardInterrupt:
            self.console.print("\nThe demo has ended; everything is stopped.")
            return
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        self._report(summary)
        if summary.faults:
            raise CommandError(f"{len(summary.faults)} things are not as they should be")

    def _play(self, data: Path, seconds: float | None) -> Summary:
        """Set everything up, let the actors play, and return the verdict."""
        began = time.monotonic()
        setup = fleet.prepare(data)
        _log_to(setup.logs / "demo.log")
        login = self._database_ready(setup)
        with ExitStack() as stack:
            self._say("Simulated shops and warehouses")
            stack.enter_context(fleet.sandbox_running(setup))
            self._configured(setup, data)
            self._say("Web server, workers, beat")
            stack.enter_context(fleet.application_running(setup))
            self._say("Webhook subscriptions, stock")
            call_command("register_webhooks", stdout=self.stdout)
            call_command("reconcile", full=True, stdout=self.stdout)
            self._stock_known()
            self._say(f"Ready after {time.monotonic() - began:.0f} s; logs are in {setup.logs}")
            actors = Actors(setup.sandbox, all_scenarios(random.Random(7)), random.Random(11))  # noqa: S311
            snapshots = self._act(actors, Board(self.console, login), seconds)
            return judge(snapshots, setup.sandbox)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    # --- Setting up ---

    def _database_ready(self, setup: fleet.DemoSetup) -> str:
        """Migrate and empty the database, because the simulated systems begin empty as well. Returns the line about the
        login."""
        self._say("Database")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("flush", verbosity=0, interactive=False)
        password = os.environ.get("DEMO_PASSWORD") or secrets.token_urlsafe(9)
        User.objects.create_superuser("admin", password=password)
        login = f"Admin: {setup.web}/admin/   user admin, password {password}"
        self._say(login)
        return login

    def _configured(self, setup: fleet.DemoSetup, data: Path) -> None:
        """Load the configuration and the SKUs with the commands that staff use."""
        config = data / "demo.toml"
        config.write_text(world.config_toml(setup.sandbox.wms))
        call_command("load_config", str(config), stdout=self.stdout)
        for store in world.STORES:
            file = data / f"skus-{store.name.lower()}.csv"
            file.write_text(world.skus_csv(store))
            for warehouse in store.warehouses:
                where = {"shop": store.domain, "warehouse": warehouse.code}
                call_command("import_skus", str(file), **where, stdout=self.stdout)

    def _stock_known(self) -> None:
        """Wait until the stock of the WMSs has come in, because no order can be routed without it. Raises CommandError
        if it does not come."""
        expected = sum(len(world.items(store)) * len(store.warehouses) for store in world.STORES)
        deadline = time.monotonic() + STOCK_SECONDS
        while (known := StockLevel.objects.count()) < expected:
            if time.monotonic() > deadline:
                raise CommandError(f"only {known} of {expected} stock levels came in; see the logs")
            time.sleep(0.2)

    # --- Playing ---

    def _act(self, actors: Actors, board: Board, seconds: float | None) -> list[OrderSnapshot]:
        """Let the actors act until the time is over and no work is left. Returns the last snapshots."""
        began = time.monotonic()
        actors.open()
        redraw, measured, measurements = 0.0, 0.0, health.measure()
        with board.shown():
            while not self._is_over(actors, began, seconds):
                actors.step()
                now = time.monotonic()
                if now - measured > REMEASURE:
                    measured, measurements = now, health.measure()
                if now - redraw > REDRAW:
                    redraw = now
                    board.show(take_snapshots(list(actors.placed.values())[-MOST_SHOWN:]), measurements)
                time.sleep(STEP)
            snapshots = take_snapshots(list(actors.placed.values()))
            board.show(snapshots, health.measure())
        for failure in actors.failures:
            self._say(f"failed: {failure}")
        return snapshots

    def _is_over(self, actors: Actors, began: float, seconds: float | None) -> bool:
        """Whether the demo ends now. Shortly before its time is over, this lets no further customer come.

        The demo ends when no work is left, or a minute after its time at the latest. Without a limit it never ends.
        """
        if seconds is None:
            return False
        passed = time.monotonic() - began
        if passed <= max(seconds - LAST_ORDERS, seconds / 2):
            return False
        actors.close()
        return passed > seconds + GRACE_SECONDS or (actors.idle and self._is_idle(actors))

    def _is_idle(self, actors: Actors) -> bool:
        """Whether each scenario has ended and no job is under way."""
        return not is_busy() and all(each.finished for each in take_snapshots(list(actors.placed.values())))

    # --- The end ---

    def _report(self, summary: Summary) -> None:
        say = self._say
        say(f"\n{summary.scenarios.total()} orders")
        for state, count in summary.states.most_common():
            say(f"  {count:4}  {state}")
        say(f"scenarios: {', '.join(f'{count} {title}' for title, count in summary.scenarios.most_common())}")
        say(f"webhook and callback answers: {summary.answers}")
        say(f"order lag, first webhook to WMS confirmation: {summary.lag}")
        say(f"stock pushes to Shopify: {summary.pushes}")
        for fault in summary.faults:
            say(f"NOT RIGHT: {fault}")
        if not summary.faults:
            say("Every order is where it should be: once at the WMS, one fulfilment for each parcel.")
