"""`make demo`: orders flow from two simulated shops to two simulated WMSs, and their shipments come back."""

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
from wmsbridge.demo.actors import People
from wmsbridge.demo.board import Board
from wmsbridge.demo.order_snapshot import Sighting, look
from wmsbridge.demo.scenarios import stories
from wmsbridge.demo.verdict import Summary, judge
from wmsbridge.embedded import EmbeddedError
from wmsbridge.embedded.processes import sigterm_as_exit

LOCAL = ("127.0.0.1", "localhost")
LAST_ORDERS = 20.0
"""Seconds before the end of a limited demo in which nobody orders any more."""

SETTLE_SECONDS = 60.0
STOCK_SECONDS = 60.0
STEP, REDRAW, REMEASURE = 0.1, 0.5, 3.0
KEPT_IN_SIGHT = 60


def _log_to(file: Path) -> None:
    """Send this process's log lines to a file: they would tear the table."""
    stream = file.open("w", buffering=1)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


class Command(BaseCommand):
    """Exit code 0 only when every order is where it should be (a demo that is ended by Ctrl-C is not judged)."""

    help = "Show the whole product at work against simulated shops and warehouses. Start it with `make demo`."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command line."""
        parser.add_argument("--seconds", type=float, help="end by itself after so long (default: Ctrl-C)")
        parser.add_argument("--data", type=Path, default=settings.BASE_DIR / ".data", help="logs and mail")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError when it cannot start, or when an order is not where it should be."""
        if settings.DATABASES["default"]["HOST"] not in LOCAL:
            raise CommandError(
                "the demo empties its database: start it with `make demo`, on servers of its own"
            )
        self.console = Console()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits «ignore»
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
        began = time.monotonic()
        set_up = fleet.prepare(data)
        _log_to(set_up.logs / "demo.log")
        login = self._database_ready(set_up)
        with ExitStack() as stack:
            self._say("Simulated shops and warehouses")
            stack.enter_context(fleet.sandbox_running(set_up))
            self._configured(set_up, data)
            self._say("Web server, workers, beat")
            stack.enter_context(fleet.application_running(set_up))
            self._say("Webhook subscriptions, stock")
            call_command("register_webhooks", stdout=self.stdout)
            call_command("reconcile", full=True, stdout=self.stdout)
            self._stock_known()
            self._say(f"Ready after {time.monotonic() - began:.0f} s; logs are in {set_up.logs}")
            people = People(set_up.sandbox, stories(random.Random(7)), random.Random(11))  # noqa: S311
            sightings = self._act(people, Board(self.console, login), seconds)
            return judge(sightings, set_up.sandbox)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    # --- Setting up ---

    def _database_ready(self, set_up: fleet.Stage) -> str:
        """Migrate, and begin with an empty database: the simulated world is new as well. Returns the login."""
        self._say("Database")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("flush", verbosity=0, interactive=False)
        password = os.environ.get("DEMO_PASSWORD") or secrets.token_urlsafe(9)
        User.objects.create_superuser("admin", password=password)
        login = f"Admin: {set_up.web}/admin/   user admin, password {password}"
        self._say(login)
        return login

    def _configured(self, set_up: fleet.Stage, data: Path) -> None:
        """The configuration and the SKUs, through the commands that staff use."""
        config = data / "demo.toml"
        config.write_text(world.config_toml(set_up.sandbox.wms))
        call_command("load_config", str(config), stdout=self.stdout)
        for store in world.STORES:
            file = data / f"skus-{store.name.lower()}.csv"
            file.write_text(world.skus_csv(store))
            for house in store.houses:
                where = {"shop": store.domain, "warehouse": house.code}
                call_command("import_skus", str(file), **where, stdout=self.stdout)

    def _stock_known(self) -> None:
        """Wait until the WMSs' stock has come in: without it no order can be routed."""
        expected = sum(len(world.items(store)) * len(store.houses) for store in world.STORES)
        deadline = time.monotonic() + STOCK_SECONDS
        while (known := StockLevel.objects.count()) < expected:
            if time.monotonic() > deadline:
                raise CommandError(f"only {known} of {expected} stock levels came in; see the logs")
            time.sleep(0.2)

    # --- Playing ---

    def _act(self, people: People, board: Board, seconds: float | None) -> list[Sighting]:
        """Let everybody act until the time is over and all has come to rest."""
        began = time.monotonic()
        people.open()
        redraw, measured, measurements = 0.0, 0.0, health.measure()
        with board.shown():
            while not self._over(people, began, seconds):
                people.step()
                now = time.monotonic()
                if now - measured > REMEASURE:
                    measured, measurements = now, health.measure()
                if now - redraw > REDRAW:
                    redraw = now
                    board.show(look(list(people.placed.values())[-KEPT_IN_SIGHT:]), measurements)
                time.sleep(STEP)
            sightings = look(list(people.placed.values()))
            board.show(sightings, health.measure())
        for mishap in people.mishaps:
            self._say(f"mishap: {mishap}")
        return sightings

    def _over(self, people: People, began: float, seconds: float | None) -> bool:
        if seconds is None:
            return False
        passed = time.monotonic() - began
        if passed > max(seconds - LAST_ORDERS, seconds / 2):
            people.close()
        else:
            return False
        return passed > seconds + SETTLE_SECONDS or (people.idle and self._at_rest(people))

    def _at_rest(self, people: People) -> bool:
        """Whether each story has ended and no job is under way."""
        return not is_busy() and all(each.settled for each in look(list(people.placed.values())))

    # --- The end ---

    def _report(self, summary: Summary) -> None:
        say = self._say
        say(f"\n{summary.stories.total()} orders")
        for state, count in summary.states.most_common():
            say(f"  {count:4}  {state}")
        say(f"stories: {', '.join(f'{count} {title}' for title, count in summary.stories.most_common())}")
        say(f"webhook and callback answers: {summary.answers}")
        say(f"order lag, first webhook to WMS confirmation: {summary.lag}")
        say(f"stock pushes to Shopify: {summary.pushes}")
        for fault in summary.faults:
            say(f"NOT RIGHT: {fault}")
        if not summary.faults:
            say("Every order is where it should be: once at the WMS, one fulfilment for each parcel.")
