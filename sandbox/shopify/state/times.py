"""The times that Shopify shows. They have whole seconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """Returns the current time in whole seconds, so that two changes within one second carry the same updatedAt."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime | None) -> str | None:
    """Returns a time as Shopify writes it: 2026-10-01T12:00:00Z."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
