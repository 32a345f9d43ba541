"""What the doors refuse is counted by sender and reason, in a hash that no stranger can make grow."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
import redis as redis_library

from ops import redis
from ops.doors import refusals
from ops.doors.refusals import Door, Refused, Why

HASH = "wmsbridge:refused"
BEFORE_THE_SENDER = {Why.WRONG_ADDRESS, Why.BROKEN_OFF, Why.TOO_LARGE, Why.UNKNOWN_SENDER}


@pytest.fixture(autouse=True)
def senders() -> None:
    refusals.register_senders([(Door.WMS, "north"), (Door.SHOPIFY, "berlin.myshopify.com")])


def note_at(second: float, sender: str = "north", why: Why = Why.SIGNATURE, **changes: str) -> None:
    with mock.patch("time.time", return_value=second):
        refusals.note(Door.WMS, sender, why, **changes)


def counted() -> dict[tuple[str, str], int]:
    return {(each.sender, each.why): each.count for each in refusals.read()}


def at(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_each_sender_and_reason_is_counted_apart() -> None:
    for why in (Why.SIGNATURE, Why.SIGNATURE, Why.NOT_JSON):
        refusals.note(Door.WMS, "north", why)
    refusals.note(Door.SHOPIFY, "berlin.myshopify.com", Why.SIGNATURE)
    assert counted() == {
        ("north", "signature"): 2,
        ("north", "not_json"): 1,
        ("berlin.myshopify.com", "signature"): 1,
    }


def test_the_first_and_the_last_time_are_kept_with_what_was_wrong_last() -> None:
    for second, detail in ((100.5, "a"), (200.25, "b"), (300, "c")):
        note_at(second, detail=detail)
    (found,) = refusals.read()
    assert (found.door, found.first, found.last, found.detail) == (Door.WMS, at(100.5), at(300), "c")
    assert (found.stamp, found.reported) == ("300.000", 0)


def test_the_latest_comes_first() -> None:
    note_at(100, why=Why.CONTENT)
    note_at(300, why=Why.NOT_JSON)
    note_at(200, why=Why.HEADER)
    assert [found.why for found in refusals.read()] == [Why.NOT_JSON, Why.HEADER, Why.CONTENT]


@pytest.mark.parametrize("why", Why)
def test_a_sender_that_is_not_registered_is_believed_only_where_the_door_found_it(why: Why) -> None:
    refusals.note(Door.WMS, "stranger", why, detail="no such thing")
    (found,) = refusals.read()
    known = why not in BEFORE_THE_SENDER
    assert (found.sender, found.detail) == (("stranger", "no such thing") if known else ("", "stranger"))


@pytest.mark.parametrize("why", sorted(BEFORE_THE_SENDER))
def test_a_registered_sender_is_named_even_where_nothing_was_looked_up(why: Why) -> None:
    refusals.note(Door.WMS, "north", why, detail="x")
    (found,) = refusals.read()
    assert (found.sender, found.detail) == ("north", "x")


def test_a_sender_of_one_door_is_none_of_the_other() -> None:
    refusals.note(Door.SHOPIFY, "north", Why.UNKNOWN_SENDER)
    assert refusals.read()[0].sender == ""


def test_strangers_fill_one_field_whatever_they_call_themselves() -> None:
    for number in range(20):
        refusals.note(Door.WMS, f"stranger-{number}", Why.UNKNOWN_SENDER)
    (found,) = refusals.read()
    assert (found.count, found.detail) == (20, "stranger-19")


def test_the_name_of_a_stranger_is_cut_and_holds_no_strange_characters() -> None:
    refusals.note(Door.WMS, "a|b\n<x>é" + "y" * 100, Why.UNKNOWN_SENDER)
    assert refusals.read()[0].detail == "a?b??x??" + "y" * 52


def test_what_was_wrong_is_cut() -> None:
    refusals.note(Door.WMS, "north", Why.CONTENT, detail="x" * 500)
    assert len(refusals.read()[0].detail) == 300


def test_registering_the_senders_replaces_those_of_before() -> None:
    refusals.register_senders([(Door.WMS, "south")])
    for sender in ("north", "south"):
        refusals.note(Door.WMS, sender, Why.TOO_LARGE)
    assert {sender for sender, _ in counted()} == {"", "south"}
    refusals.register_senders([])
    refusals.note(Door.WMS, "south", Why.WRONG_ADDRESS)
    assert ("", "wrong_address") in counted()


def test_what_is_reported_is_remembered_and_what_comes_then_counts_on() -> None:
    refusals.note(Door.WMS, "north", Why.SIGNATURE)
    refusals.note(Door.WMS, "north", Why.CONTENT)
    refusals.mark_reported([found for found in refusals.read() if found.why == Why.SIGNATURE])
    refusals.note(Door.WMS, "north", Why.SIGNATURE)
    assert {found.why: (found.count, found.reported) for found in refusals.read()} == {
        Why.SIGNATURE: (2, 1),
        Why.CONTENT: (1, 0),
    }


def only() -> Refused:
    (found,) = refusals.read()
    return found


def test_what_is_forgotten_counts_from_nothing_again() -> None:
    note_at(100)
    note_at(150, why=Why.CONTENT)
    refusals.mark_reported(refusals.read())
    refusals.forget(next(found for found in refusals.read() if found.why == Why.SIGNATURE))
    assert counted() == {("north", "content"): 1}
    note_at(300)
    found = next(found for found in refusals.read() if found.why == Why.SIGNATURE)
    assert (found.count, found.first, found.reported) == (1, at(300), 0)


def test_nothing_is_forgotten_if_another_came_since_it_was_read() -> None:
    note_at(100)
    found = only()
    note_at(200)
    refusals.forget(found)
    assert only().count == 2


def test_what_another_version_counted_for_a_reason_of_its_own_is_left_out() -> None:
    refusals.note(Door.WMS, "north", Why.SIGNATURE)
    redis.client().hset(HASH, "wms|north|new_reason|count", "3")
    redis.client().hset(HASH, "wms|north|content|told", "3")
    assert counted() == {("north", "signature"): 1}


def test_the_hash_goes_after_three_days_without_a_refusal() -> None:
    refusals.note(Door.WMS, "north", Why.SIGNATURE)
    assert 3 * 86400 - 5 < int(redis.client().ttl(HASH)) <= 3 * 86400


def test_without_redis_nothing_is_counted_and_the_door_answers_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = mock.Mock()
    broken.eval.side_effect = redis_library.ConnectionError("gone")
    monkeypatch.setattr(redis, "client", lambda: broken)
    refusals.note(Door.WMS, "north", Why.SIGNATURE)
    refusals.note(Door.WMS, "north", Why.SIGNATURE)
    assert broken.eval.call_count == 1  # the next one does not wait for it again
