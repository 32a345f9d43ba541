"""`backfill_orders --shop D --since T`: has the changes of a shop since a point in time read."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from fulfillment.orders import backfill
from shops.models import Shop


class Command(BaseCommand):
    """Enqueues the backfills; the workers read page by page, within the shop's budget. Safe to repeat."""

    help = "Set a shop's watermark back, and read the orders that changed since then."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command line."""
        parser.add_argument("--shop", required=True, help="domain, e.g. berlin.myshopify.com")
        parser.add_argument(
            "--since", required=True, help="ISO date or time, UTC unless it says otherwise: 2026-10-01T08:00"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError for an unknown or inactive shop, and for no time, or one in the future."""
        shop = Shop.objects.filter(domain=options["shop"].strip().lower()).first()
        if shop is None:
            raise CommandError(f"there is no shop {options['shop']}")
        if not shop.is_active:
            raise CommandError(f"{shop.domain} is not active: switch it on first")
        asked = parse_since(options["since"])
        since = min(asked, shop.orders_synced_until or asked)
        if since != asked:
            self.stdout.write(f"The watermark of {shop.domain} is further back already, so it stays.")
        backfill.start_from(shop, since)
        self.stdout.write(f"{shop.domain}: what changed since {since:%Y-%m-%d %H:%M:%S} UTC will be read.")


def parse_since(text: str) -> datetime:
    """A point in time; without a zone it is UTC. Raises CommandError."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise CommandError(f"{text} is no ISO date or time, e.g. 2026-10-01 or 2026-10-01T08:00") from error
    aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if aware > timezone.now():
        raise CommandError(f"{text} is in the future")
    return aware
