"""Times as a WMS writes them: one without a zone is of the zone that its connection is set to."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from ops.errors import Permanent
from ops.text import moments


def within(zone: tzinfo) -> dict[str, Any]:
    """The context for a validation of shapes that hold a Moment."""
    return {"zone": zone}


def zone_named(name: str) -> tzinfo:
    """The zone of a connection or of a stored callback. Raises Permanent: this machine knows no such."""
    try:
        return moments.zone_of(name)
    except moments.Unclear as error:
        raise Permanent(
            f"the time zone {name!r} is unknown here: is the package tzdata up to date?"
        ) from error


def _moment(value: Any, info: ValidationInfo) -> datetime:
    return moments.parse(value, zone=(info.context or {}).get("zone", UTC))


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time; without a zone it is of the zone in the validation's context."""
