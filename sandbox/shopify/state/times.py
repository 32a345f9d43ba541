"""The times that Shopify shows."""

from datetime import UTC, datetime


def now() -> datetime:
    """Shopify shows whole seconds, so two changes within one second carry the same updatedAt."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime | None) -> str | None:
    """2026-10-01T12:00:00Z"""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
