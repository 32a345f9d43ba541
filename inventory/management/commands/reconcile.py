"""`manage.py reconcile` reads stock from the WMSs now, page by page, and prints the results."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory.stock import reconcile
from ops.errors import JobError, Throttled, recorded_name
from wms.models import Connection

LONGEST_WAIT = 60.0
TRIES = 5


class Command(BaseCommand):
    """Reads what changed since the watermark; with --full everything."""

    help = "Read stock from the WMSs and apply it, page by page."

    def add_arguments(self, parser: CommandParser) -> None:
        """--connection S, --full"""
        parser.add_argument("--connection", metavar="SLUG", help="only this connection")
        parser.add_argument("--full", action="store_true", help="read everything, not only what changed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read all chosen connections; exit with code 1 if one of them could not be read to its end."""
        chosen = Connection.objects.filter(is_active=True).order_by("slug")
        if options["connection"]:
            chosen = chosen.filter(slug=options["connection"])
        if not chosen:
            raise CommandError(f"there is no active connection {options['connection'] or ''}".rstrip())
        failed = [c.slug for c in chosen if not self._read(c, full=options["full"])]
        if failed:
            raise CommandError(f"not read to the end: {', '.join(failed)}")

    def _read(self, connection: Connection, *, full: bool) -> bool:
        """Read all pages of one connection; return False if an error or too many waits ended it."""
        self.stdout.write(f"{connection.slug}:")
        number, tries = 0, 0
        while tries < TRIES:
            try:
                page = reconcile.reconcile(connection, full=full)
            except Throttled as error:
                tries += 1
                self.stdout.write(f"  waits: {error}")
                time.sleep(min(error.wait.total_seconds(), LONGEST_WAIT))
                continue
            except JobError as error:
                self.stderr.write(f"  {recorded_name(error)}: {error}")
                return False
            number, tries = number + 1, 0
            self.stdout.write(f"  page {number}: {_summary(page)}")
            if page.done:
                return True
        return False


def _summary(page: reconcile.Page) -> str:
    summary = (
        f"{page.read} read, {page.changed} changed, {page.unchanged} unchanged, {page.stale} older than known, "
        f"{page.drift} drifted"
    )
    if page.unusable:
        summary += f", {page.unusable} without the figure that counts"
    if page.unknown_warehouses:
        summary += f"; not configured: {', '.join(page.unknown_warehouses)}"
    return summary
