"""Parses times of a WMS; one without a zone is in the zone of its connection."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from ops.errors import Permanent
from ops.text import moments


def within(zone: tzinfo) -> dict[str, Any]:
    """Return the validation context that gives a Moment its zone."""
    return {"zone": zone}


def zone_named(name: str) -> tzinfo:
    """Return the zone of a connection or of a stored callback. Raises Permanent if this machine does not know it."""
    try:
        return moments.zone_of(name)
    except moments.Unclear as error:
        raise Permanent(
            f"the time zone {name!r} is unknown here: is the package tzdata up to date?"
        ) from error


def _moment(value: Any, info: ValidationInfo) -> datetime:
    return moments.parse(value, zone=(info.context or {}).get("zone", UTC))


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time; without a zone it is in the zone of the validation context."""
