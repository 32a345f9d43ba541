"""Times of other systems: every form that is clear is read, what could be two things is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from ops.text import moments

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 26, 16, 50, tzinfo=UTC)

WITH_ZONE: list[Any] = [
    "2026-11-26T16:50:00Z",
    "2026-11-26t16:50:00z",
    " 2026-11-26T16:50Z ",
    "2026-11-26 16:50:00 UTC",
    "2026-11-26T16:50:00.000000000Z",
    "2026-11-26T16:50:00,0Z",
    "2026-11-26T17:50:00+01:00",
    "2026-11-26T17:50:00+0100",
    "2026-11-26T17:50:00 +01",
    "2026-11-26T11:20:00-05:30",
    "20261126T165000Z",
    "20261126175000+0100",
    "Thu, 26 Nov 2026 16:50:00 GMT",
    "26 Nov 2026 17:50:00 +0100",
    1795711800,
    "1795711800",
    1795711800.0,
    1795711800000,
    "1795711800000",
    AT,
    AT.astimezone(timezone(timedelta(hours=9))),
]
WITHOUT_ZONE: list[Any] = [
    "2026-11-26T17:50:00",
    "2026-11-26 17:50",
    "2026-11-26T17:50:00.0",
    "20261126T175000",
    "20261126175000",
    datetime(2026, 11, 26, 17, 50),  # noqa: DTZ001
]
UNCLEAR: list[Any] = [
    "",
    "now",
    "26/11/2026 16:50",
    "11/26/2026 16:50:00",
    "26.11.2026 16:50",
    "2026-11-26",
    "16:50:00",
    "2026-11-26T16:50:00 CET",
    "2026-11-26T16:50:00 Europe/Berlin",
    "Thu, 26 Nov 2026 16:50:00 EST",
    "2026-02-30T10:00:00Z",
    "2026-11-26T25:00:00Z",
    "2026-11-26T16:50:00+99:00",
    "٢٠٢٦-11-26T16:50:00Z",
    "1999-12-31T23:59:59Z",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59",
    0,
    -1795711800,
    179571180,
    float("nan"),
    float("inf"),
    10**400,
    True,
    None,
    [],
    {},
    b"2026-11-26T16:50:00Z",
]


@pytest.mark.parametrize("told", WITH_ZONE, ids=repr)
def test_a_time_with_a_zone_is_that_time_whatever_its_senders_zone(told: Any) -> None:
    assert moments.parse(told) == moments.parse(told, zone=BERLIN) == AT


@pytest.mark.parametrize("told", WITHOUT_ZONE, ids=repr)
def test_a_time_without_a_zone_is_local_time_of_its_sender(told: Any) -> None:
    assert moments.parse(told, zone=BERLIN) == AT
    assert moments.parse(told) == AT + timedelta(hours=1)


@pytest.mark.parametrize("told", UNCLEAR, ids=repr)
def test_what_is_no_time_or_could_be_two_is_refused(told: Any) -> None:
    with pytest.raises(moments.Unclear):
        moments.parse(told, zone=BERLIN)


@pytest.mark.parametrize(
    ("told", "now", "meant"),
    [
        # On 25 October 2026 at 01:00 UTC Berlin's clocks go from 03:00 back to 02:00: 02:30 is there twice.
        ("2026-10-25T02:30:00", "2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T01:26:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T02:30:00", "2026-10-26T00:00:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T01:59:59", "2026-10-26T00:00:00Z", "2026-10-24T23:59:59Z"),
        ("2026-10-25T03:00:00", "2026-10-26T00:00:00Z", "2026-10-25T02:00:00Z"),
        # On 28 March 2027 at 01:00 UTC they go from 02:00 to 03:00: 02:30 is not there.
        ("2027-03-28T02:30:00", "2027-03-28T01:31:00Z", "2027-03-28T01:30:00Z"),
        ("2027-03-28T02:30:00", "2027-03-29T00:00:00Z", "2027-03-28T01:30:00Z"),
        ("2027-03-28T03:00:00", "2027-03-29T00:00:00Z", "2027-03-28T01:00:00Z"),
    ],
)
def test_when_clocks_change_an_hour_that_is_there_twice_or_never_is_one_moment(
    told: str, now: str, meant: str
) -> None:
    assert moments.parse(told, zone=BERLIN, now=moments.parse(now)) == moments.parse(meant)


@given(st.text() | st.integers() | st.floats() | st.binary() | st.datetimes())
def test_whatever_is_told_is_a_time_with_a_zone_or_refused(told: Any) -> None:
    with suppress(moments.Unclear):
        assert moments.EARLIEST <= moments.parse(told, zone=BERLIN) < moments.LATEST


@pytest.mark.parametrize("name", ["", "europe/berlin", "Europe/Atlantis", "CEST", "../../etc/passwd", "\x00"])
def test_a_zone_is_called_by_its_name_in_the_database(name: str) -> None:
    with pytest.raises(ValidationError):
        moments.validate_zone(name)
    with pytest.raises(moments.Unclear):
        moments.zone_of(name)


def test_the_names_to_choose_from_begin_with_utc() -> None:
    names = moments.zone_names()
    assert (names[0], "Europe/Berlin" in names, len(names) == len(set(names))) == ("UTC", True, True)
    assert all(map(moments.is_zone, names))
