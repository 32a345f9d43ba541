"""One call to another system: what it may not do, how long and how large it may be, and what its answer means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from ops.errors import AnswerLost, EndpointFailed, Permanent, Scope, Throttled
from ops.net import deadlines, http

URL = "https://wms.test/orders"


@pytest.fixture
def wms() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def call(*, changes: bool = False, **more: Any) -> requests.Response:
    return http.send("POST", URL, changes=changes, what="call", pool="p", **more)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 400, 401, 404, 409, 422])
def test_an_answer_that_is_no_failure_is_the_callers_business(
    wms: responses.RequestsMock, status: int
) -> None:
    wms.post(URL, status=status, headers={"Location": "https://elsewhere.test/"})
    assert call(changes=True).status_code == status
    assert len(wms.calls) == 1  # a redirect is not followed


@pytest.mark.parametrize("status", [408, 500, 502, 503, 599])
def test_a_failure_is_an_unknown_outcome_only_if_the_call_changes_something(
    wms: responses.RequestsMock, status: int
) -> None:
    wms.post(URL, status=status)
    with pytest.raises(AnswerLost):
        call(changes=True)
    with pytest.raises(EndpointFailed) as failed:
        call()
    assert not isinstance(failed.value, AnswerLost)
    assert f"HTTP {status}" in str(failed.value)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("0", 0),
        ("-3", 0),
        ("601", 600),
        ("1e400", 2),
        ("soon", 2),
        ("nan", 2),
        (None, 2),
    ],
)
def test_who_asks_for_a_pause_has_it_within_reason(
    wms: responses.RequestsMock, retry_after: str | None, seconds: float
) -> None:
    wms.post(URL, status=429, headers={"Retry-After": retry_after} if retry_after else {})
    with pytest.raises(Throttled) as raised:
        call(changes=True)
    assert (raised.value.wait, raised.value.scope) == (timedelta(seconds=seconds), Scope.ENDPOINT)


@pytest.mark.parametrize(
    ("trouble", "lost"),
    [
        (requests.exceptions.ConnectTimeout(), False),
        (requests.exceptions.ConnectionError("NewConnectionError: refused"), False),
        (requests.exceptions.ConnectionError("NameResolutionError: no such host"), False),
        (requests.exceptions.ConnectionError("reset by peer"), True),
        (requests.exceptions.ReadTimeout(), True),
        (requests.exceptions.ChunkedEncodingError(), True),
        (TimeoutError(), True),
        (SoftTimeLimitExceeded(), True),
    ],
    ids=repr,
)
def test_a_call_that_was_never_sent_is_told_apart_from_one_whose_answer_is_lost(
    wms: responses.RequestsMock, trouble: Exception, lost: bool
) -> None:
    wms.post(URL, body=trouble)
    with pytest.raises(EndpointFailed) as raised:
        call(changes=True)
    assert isinstance(raised.value, AnswerLost) == lost
    with pytest.raises(EndpointFailed) as raised:
        call(changes=False)
    assert not isinstance(raised.value, AnswerLost)


@pytest.mark.parametrize(("size", "fits"), [(100_000, True), (100_001, False)])
def test_an_answer_is_read_up_to_a_size(
    wms: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, size: int, fits: bool
) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 100_000)
    body = bytes(range(256)) * 400
    wms.post(URL, body=body[:size])
    if fits:
        assert call().content == body[:size]
    else:
        with pytest.raises(EndpointFailed, match="ContentDecodingError"):
            call()


@pytest.mark.django_db(transaction=True)
def test_no_call_is_made_in_a_transaction(wms: responses.RequestsMock) -> None:
    wms.post(URL)
    with transaction.atomic(), pytest.raises(http.CallInTransaction):
        call()
    assert len(wms.calls) == 0
    assert call().ok


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "é", "\0"])
def test_what_no_header_can_hold_is_refused_before_anything_is_sent(
    wms: responses.RequestsMock, value: str
) -> None:
    with pytest.raises(Permanent, match="the header Authorization"):
        call(changes=True, headers={"Authorization": value})
    assert len(wms.calls) == 0


def test_an_address_that_is_refused_is_an_endpoint_that_does_not_answer() -> None:
    with pytest.raises(EndpointFailed) as raised:
        http.send("POST", "http://10.0.0.1/x", changes=True, what="call", pool="p")
    assert not isinstance(raised.value, AnswerLost)


@pytest.mark.parametrize(
    ("status", "answered"), [(200, True), (404, True), (429, True), (500, False), (408, False)]
)
def test_an_endpoint_that_answers_is_noticed_and_one_that_fails_is_not(
    wms: responses.RequestsMock, status: int, answered: bool
) -> None:
    wms.post(URL, status=status)
    with http.observed() as calls, suppress(Throttled, EndpointFailed):
        call()
    assert calls.answered == answered


def test_only_the_calls_inside_are_observed(wms: responses.RequestsMock) -> None:
    wms.post(URL)
    with http.observed() as outer:
        with http.observed() as inner:
            call()
        assert (inner.answered, outer.answered) == (True, False)
        call()
    assert outer.answered
    with http.observed() as later:
        pass
    call()
    assert not later.answered


def test_connections_are_kept_by_name_and_know_no_proxy_of_the_environment(
    wms: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http._local, "sessions", {}, raising=False)
    wms.post(URL)
    call()
    call()
    http.send("POST", URL, changes=False, what="call", pool="q")
    sessions = http._local.sessions
    assert set(sessions) == {"p", "q"}
    assert not any(session.trust_env for session in sessions.values())
    for session in sessions.values():
        assert all(type(adapter).__name__ == "CheckedAdapter" for adapter in session.adapters.values())


@pytest.mark.parametrize("body", [b"", b"[1]", b"<html>", b'{"a": ', b"null"])
def test_an_answer_that_is_no_object_is_a_failure_and_has_no_words(
    wms: responses.RequestsMock, body: bytes
) -> None:
    wms.post(URL, body=body)
    response = call()
    with pytest.raises(AnswerLost):
        http.parse_json(response, changes=True, what="call")
    with pytest.raises(EndpointFailed):
        http.parse_json(response, changes=False, what="call")
    assert http.object_in(response) == {}


def test_an_answer_that_is_an_object_is_read(wms: responses.RequestsMock) -> None:
    wms.post(URL, json={"id": 5})
    response = call()
    assert http.parse_json(response, changes=True, what="call") == http.object_in(response) == {"id": 5}


# The time that is left of a call


def test_without_a_deadline_the_most_is_left() -> None:
    assert deadlines.left(7.0) == 7.0


@pytest.mark.parametrize(("within", "most", "left"), [(5, 3, 3), (5, 9, 5), (-1, 9, 0)])
def test_what_is_left_ends_with_the_deadline_and_is_never_less_than_nothing(
    within: float, most: float, left: float
) -> None:
    with deadlines.within(within):
        assert deadlines.left(most) == pytest.approx(left, abs=0.5)
    assert deadlines.left(most) == most


def test_an_inner_deadline_gives_way_to_the_outer_one() -> None:
    with deadlines.within(50):
        with deadlines.within(5):
            assert deadlines.left(90) == pytest.approx(5, abs=0.5)
        assert deadlines.left(90) == pytest.approx(50, abs=0.5)


@pytest.mark.parametrize(("longest", "expected"), [(None, 20.0), (4.0, 4.0), (60.0, 20.0)])
def test_no_call_takes_longer_than_the_longest(
    wms: responses.RequestsMock, longest: float | None, expected: float
) -> None:
    left: list[float] = []

    def answer(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        left.append(deadlines.left(1000))
        return 200, {}, ""

    wms.add_callback("POST", URL, callback=answer)
    call(longest=longest)
    assert left == [pytest.approx(expected, abs=0.5)]
