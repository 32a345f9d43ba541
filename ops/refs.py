"""The texts that refer to a thing: what a job is about, what it waits for, in which lane it is.

Each app builds and parses its own references in its `refs` module. Here are the types, the references of ops itself,
and the ways to take a reference apart that all of them share.
"""

from __future__ import annotations

from typing import NewType

ParkKey = NewType("ParkKey", str)
"""What parked work waits for. Whoever removes the cause wakes the key."""

Subject = NewType("Subject", str)
"""What a job or an alert is about: the timeline of a thing is all that has its subject."""

NO_SUBJECT = Subject("")

LaneName = NewType("LaneName", str)
"""The primary key of a lane."""

INTERNAL = LaneName("internal")
"""The lane of work that belongs to no endpoint."""

LOCAL = "/in"
"""The end of the name of a lane whose work calls no endpoint. Such work never waits for a socket, so more of it at the
same time would not end sooner, and would take processor time from other lanes."""

MOST = 300
"""Characters that a reference has at most."""

LARGEST_ID = 2**63 - 1


def inbound(endpoint: LaneName) -> LaneName:
    """The lane of what an endpoint sent us: local work, so that an outage of the endpoint does not hold it up."""
    return LaneName(f"{endpoint}{LOCAL}")


def is_inbound(lane: str) -> bool:
    """Whether the work of a lane is local, and calls no endpoint."""
    return lane.endswith(LOCAL)


def endpoint_of(lane: str) -> LaneName:
    """The lane of calls to the endpoint whose lane, inbound or not, this is."""
    return LaneName(lane.removesuffix(LOCAL))


def channel_lane(name: str) -> LaneName:
    """The lane of messages to a channel of alerts."""
    return LaneName(f"alerts:{name}")


def alert_subject(alert_id: int) -> Subject:
    """What the notifications of an alert are filed under."""
    return Subject(f"alert:{alert_id}")


def lane_subject(lane: str) -> Subject:
    """What is about an endpoint, so that it stands with the jobs of its lane, is filed under."""
    return Subject(lane)


def user_subject(username: str) -> Subject:
    """What is about a member of staff, or about whoever tries to be one, is filed under."""
    return Subject(f"user:{username}")


def sender_subject(door: str, sender: str) -> Subject:
    """What is said about a sender at a door is filed under."""
    return Subject(f"{door}:{sender}")


def dead_letters_subject(kind: str, lane: str) -> Subject:
    """What the alert about dead letters of one kind in one lane is filed under."""
    return Subject(f"{kind} {lane}"[:MOST])


def parse_dead_letters(subject: str) -> tuple[str, str]:
    """The kind and the lane of the dead letters that an alert counts."""
    kind, _, lane = subject.partition(" ")
    return kind, lane


def parts_of(text: str, kind: str, count: int) -> list[str] | None:
    """The `count` parts behind "kind:", of which only the last may hold colons; None where the text has not so many."""
    name, *parts = text.split(":", count)
    return parts if name == kind and len(parts) == count and all(parts) else None


def numbered(text: str, kind: str) -> tuple[int, str] | None:
    """The number and the rest of "kind:<number>:<rest>", where the rest may hold colons; None for any other text."""
    parts = parts_of(text, kind, 2)
    number = number_in(parts[0]) if parts else None
    return None if parts is None or number is None else (number, parts[1])


def number_in(text: str) -> int | None:
    """The number that a part is, spelled as we spell it; None for any other text."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST_ID)):
        return None
    number = int(text)
    return number if str(number) == text and number <= LARGEST_ID else None
