"""References: texts that say what a job is about, what it waits for, and in which lane it is.

Each app builds and parses its own references in its `refs` module. Here are the types, the references of ops itself,
and the functions with which all apps parse references.
"""

from __future__ import annotations

from typing import NewType

ParkKey = NewType("ParkKey", str)
"""The cause that parked work waits for. Code that removes the cause wakes the key."""

Subject = NewType("Subject", str)
"""What a job or an alert is about. The timeline of a thing shows all jobs and alerts with its subject."""

NO_SUBJECT = Subject("")

LaneName = NewType("LaneName", str)
"""The primary key of a lane."""

INTERNAL = LaneName("internal")
"""The lane of work that belongs to no endpoint."""

LOCAL = "/in"
"""The suffix of the name of a lane whose work calls no endpoint. Such work never waits for a network, so more
concurrency would not make it faster, and would take processor time from other lanes."""

MOST = 300
"""A reference has at most this many characters."""

LARGEST_ID = 2**63 - 1


def inbound(endpoint: LaneName) -> LaneName:
    """The lane for what an endpoint sent us. This work is local, so an outage of the endpoint does not delay it."""
    return LaneName(f"{endpoint}{LOCAL}")


def is_inbound(lane: str) -> bool:
    """Whether the work of a lane is local, and calls no endpoint."""
    return lane.endswith(LOCAL)


def endpoint_of(lane: str) -> LaneName:
    """The lane of calls to an endpoint, for either lane of that endpoint."""
    return LaneName(lane.removesuffix(LOCAL))


def channel_lane(name: str) -> LaneName:
    """The lane of messages to a channel of alerts."""
    return LaneName(f"alerts:{name}")


def alert_subject(alert_id: int) -> Subject:
    """The subject of the messages about an alert."""
    return Subject(f"alert:{alert_id}")


def lane_subject(lane: str) -> Subject:
    """The subject of what is about an endpoint. It is the name of the lane."""
    return Subject(lane)


def user_subject(username: str) -> Subject:
    """The subject of what is about a user of the console, or about log-ins with this name."""
    return Subject(f"user:{username}")


def sender_subject(door: str, sender: str) -> Subject:
    """The subject of what is about a sender at a door."""
    return Subject(f"{door}:{sender}")


def dead_letters_subject(kind: str, lane: str) -> Subject:
    """The subject of the alert about dead letters of one kind in one lane."""
    return Subject(f"{kind} {lane}"[:MOST])


def parse_dead_letters(subject: str) -> tuple[str, str]:
    """The kind and the lane of the dead letters that an alert counts."""
    kind, _, lane = subject.partition(" ")
    return kind, lane


def parts_of(text: str, kind: str, count: int) -> list[str] | None:
    """The `count` parts after "kind:"; only the last may have colons in it. None if the text has another form."""
    name, *parts = text.split(":", count)
    return parts if name == kind and len(parts) == count and all(parts) else None


def numbered(text: str, kind: str) -> tuple[int, str] | None:
    """The number and the rest of "kind:<number>:<rest>"; the rest may have colons in it. None for any other text."""
    parts = parts_of(text, kind, 2)
    number = number_in(parts[0]) if parts else None
    return None if parts is None or number is None else (number, parts[1])


def number_in(text: str) -> int | None:
    """The number in a text, if it is written as we write numbers. None for any other text."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST_ID)):
        return None
    number = int(text)
    return number if str(number) == text and number <= LARGEST_ID else None
