"""Parses times of other systems. A time without a zone is in the time zone that is set for its sender."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A time outside this range is a mistake, or the placeholder of a system for "not set"."""

AHEAD = timedelta(minutes=5)
"""A time counts as being in the future only if it is further ahead of our clock than this, because clocks differ."""

_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
_EXTENDED = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})(?:T|\s+)(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})"
    + _FRACTION
    + ")?"
    + _ZONE,
    re.ASCII | re.IGNORECASE,
)
_COMPACT = re.compile(
    r"(?P<date>\d{8})T?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})" + _FRACTION + _ZONE,
    re.ASCII | re.IGNORECASE,
)
_MAIL = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} .*(?:GMT|UTC|[+-]\d{4})", re.ASCII)
_EPOCH = re.compile(r"\d{10}(?:\.\d{1,9})?|\d{13}", re.ASCII)


class Unclear(ValueError):
    """The value is no time, or an ambiguous one. The message says why."""


def parse(value: Any, *, zone: tzinfo = UTC, now: datetime | None = None) -> datetime:
    """Parse a time of another system, and return it in UTC. A time that is written without a zone is local time in
    `zone`.

    It accepts ISO 8601 (with T or a space, with or without seconds and fraction, with Z or an offset with or without a
    colon), the same without separators, the date format of e-mails, and seconds or milliseconds since 1970. It refuses
    what is ambiguous: day and month in figures, a date without a time of day, names of zones other than UTC. When
    clocks are put back, a local time occurs twice: it is taken as the later one, unless that is in the future. When
    clocks are put forward, a local time that does not exist is read with the offset before the change. Raises Unclear.
    """
    found = _read(value)
    if found.tzinfo is None:
        found = _local(found, zone, now=now or datetime.now(UTC))
    if not EARLIEST <= found < LATEST:
        raise Unclear(f"lies before {EARLIEST.year} or after {LATEST.year}")
    return found.astimezone(UTC)  # in a zone with summer time, Python would calculate with local times


def zone_of(name: str) -> tzinfo:
    """Return the time zone with an IANA name. Raises Unclear."""
    if not is_zone(name):
        raise Unclear("no time zone of this name")
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Whether this is the IANA name of a time zone, such as Europe/Berlin or UTC."""
    return name in _zones()


def zone_names() -> list[str]:
    """All names of time zones, UTC first, then in alphabetical order."""
    return ["UTC", *sorted(_zones() - {"UTC"})]


def validate_zone(name: str) -> None:
    """Validate the name of a time zone, for forms. Raises ValidationError."""
    if not is_zone(name):
        raise ValidationError("Use a name of the time zone database, such as Europe/Berlin or UTC.")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _read(value: Any) -> datetime:
    """Read a value in one of the accepted forms. The result has no zone if the text has none. Raises Unclear."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(value)
    if not isinstance(value, str):
        raise Unclear("is no time")
    text = value.strip()
    if _EPOCH.fullmatch(text):
        return _since_1970(float(text))
    iso = _EXTENDED.fullmatch(text) or _COMPACT.fullmatch(text)
    try:
        if iso:
            return _iso(iso)
        if _MAIL.fullmatch(text):
            return parsedate_to_datetime(text)
    except (ValueError, OverflowError) as error:
        raise Unclear("names a day or a time of day that does not exist") from error
    raise Unclear("is no time of a form that is clear, such as 2026-11-26T16:50:00+01:00")


def _iso(found: re.Match[str]) -> datetime:
    """The time that an ISO 8601 match names. Raises ValueError if the day or the time of day does not exist."""
    date, fraction = found["date"].replace("-", ""), (found["fraction"] or "")[:6].ljust(6, "0")
    return datetime(
        int(date[:4]),
        int(date[4:6]),
        int(date[6:]),
        int(found["hour"]),
        int(found["minute"]),
        int(found["second"] or 0),
        int(fraction),
        tzinfo=_offset(found["zone"]),
    )


def _offset(text: str | None) -> tzinfo | None:
    """The zone that an ISO 8601 text ends with; None if it names none."""
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if text[0] == "-" else ahead)


def _since_1970(number: float) -> datetime:
    """Read a number of ten digits as seconds, and one of thirteen as milliseconds. This is unambiguous until 2286."""
    if 10**9 <= number < 10**10:
        return datetime.fromtimestamp(number, UTC)
    if 10**12 <= number < 10**13:
        return datetime.fromtimestamp(number / 1000, UTC)
    raise Unclear("is a number that is neither seconds nor milliseconds since 1970")


def _local(naive: datetime, zone: tzinfo, *, now: datetime) -> datetime:
    """Decide which moment a local time is. If it occurs twice, it is the later one, unless that is in the future."""
    later = naive.replace(tzinfo=zone, fold=1)
    earlier = naive.replace(tzinfo=zone, fold=0)
    twice = later.utcoffset() != earlier.utcoffset()
    if not twice:
        return earlier
    # For a local time that does not exist, fold 0 means the offset before the change, whichever of the two is later.
    exists = later.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
    return later if exists and later.astimezone(UTC) <= now + AHEAD else earlier
