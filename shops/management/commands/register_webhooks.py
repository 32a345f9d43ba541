"""`register_webhooks` creates, corrects and removes the webhook subscriptions of shops, or only compares them."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ops.errors import JobError, Throttled
from shops.models import Shop
from shops.webhooks import subscriptions

LONGEST_WAIT = 120.0
"""The most seconds in all that the command waits for a shop's budget."""

Result = TypeVar("Result")


class Command(BaseCommand):
    """Registers subscriptions; exits with 1 if something differs (--check) or was refused."""

    help = "Register this installation's webhook subscriptions at the shops, or compare them with --check."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command line."""
        parser.add_argument("--shop", help="domain of one shop (default: every active shop)")
        parser.add_argument("--url", help="public base URL (default: PUBLIC_URL)")
        parser.add_argument("--check", action="store_true", help="only compare, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve shop by shop; an error of one shop does not stop the others. Raises CommandError."""
        base_url = options["url"] or settings.PUBLIC_URL
        if not base_url:
            raise CommandError("give --url, or set PUBLIC_URL")
        act = self._check if options["check"] else self._register
        shops = _shops(options["shop"])
        failed = [shop.domain for shop in shops if not self._serve(shop, base_url, act)]
        if failed:
            raise CommandError("not in order: " + ", ".join(failed), returncode=1)

    def _serve(self, shop: Shop, base_url: str, act: Callable[[Shop, str], bool]) -> bool:
        try:
            return act(shop, base_url)
        except JobError as error:
            self.stderr.write(f"{shop.domain}: {error}")
            return False

    def _check(self, shop: Shop, base_url: str) -> bool:
        plan = _patiently(lambda: subscriptions.compare(shop, base_url=base_url))
        for topic in plan.missing:
            self.stdout.write(f"{shop.domain}: missing {topic}")
        for wrong in plan.wrong:
            self.stdout.write(f"{shop.domain}: wrong {wrong.topic} -> {wrong.uri}")
        for outdated in plan.outdated:
            self.stdout.write(f"{shop.domain}: outdated {outdated.topic}, of version {outdated.version}")
        for stray in plan.strays:
            self.stdout.write(f"{shop.domain}: not needed {stray.topic} -> {stray.uri}")
        if not plan:
            self.stdout.write(f"{shop.domain}: in order")
        return not plan

    def _register(self, shop: Shop, base_url: str) -> bool:
        report = _patiently(lambda: subscriptions.register(shop, base_url=base_url))
        self.stdout.write(
            f"{shop.domain}: {len(report.created)} created, {len(report.corrected)} corrected, "
            f"{len(report.updated)} updated, {len(report.removed)} removed, {len(report.refused)} refused"
        )
        for topic, message in report.refused:
            self.stderr.write(f"{shop.domain}: {topic}: {message}")
        return not report.refused


def _shops(domain: str | None) -> list[Shop]:
    shops = Shop.objects.filter(is_active=True)
    found = list(shops.filter(domain=domain.strip().lower()) if domain else shops)
    if not found:
        raise CommandError(f"there is no active shop {domain or ''}".rstrip())
    return found


def _patiently(act: Callable[[], Result]) -> Result:
    """Repeat a call, which must be safe, while the budget is used up: a command may wait, a worker may not."""
    waited = 0.0
    while True:
        try:
            return act()
        except Throttled as error:
            seconds = error.wait.total_seconds()
            waited += seconds
            if waited > LONGEST_WAIT:
                raise
            time.sleep(seconds)
