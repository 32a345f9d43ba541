"""Calls other systems, with kept connections, time-outs and size limits. Failures become errors of `ops.errors`.

Nothing here knows a vendor. The caller decides what a 4xx means.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection as database

from ops.errors import EndpointFailed, Permanent, Scope, Throttled, unanswered
from ops.net import deadlines, targets
from ops.text import untrusted
from ops.text.entered_text import has_control

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
LONGEST_CALL_SECONDS = 20.0
"""The limit from the first byte sent to the last byte read, however slowly they come."""
MAX_ANSWER_BYTES = 10 * 1024 * 1024
DEFAULT_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)

_local = threading.local()


@dataclass
class Calls:
    """The result of observing calls. `answered` says that an endpoint gave a proper answer to one of them."""

    before_each: Callable[[], None]
    answered: bool = False


_observed: ContextVar[Calls | None] = ContextVar("observed", default=None)


@contextmanager
def observed(before_each: Callable[[], None] = lambda: None) -> Iterator[Calls]:
    """Observe all calls that are made in the block, by any function. The yielded object has the result.

    `before_each` is called before each of them.
    """
    calls = Calls(before_each)
    token = _observed.set(calls)
    try:
        yield calls
    finally:
        _observed.reset(token)


def _note_answer() -> None:
    if calls := _observed.get():
        calls.answered = True


class CallInTransaction(AssertionError):
    """A call to another system was made while a database transaction was open. This is a bug."""


def _session(pool: str) -> requests.Session:
    """The session of this thread for a pool. It ignores proxies of the environment, and checks each address."""
    sessions: dict[str, requests.Session] = _local.__dict__.setdefault("sessions", {})
    if pool not in sessions:
        session = requests.Session()
        session.trust_env = False
        adapter = targets.CheckedAdapter(pool_connections=2, pool_maxsize=4, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        sessions[pool] = session
    return sessions[pool]


def _retry_after(response: requests.Response) -> timedelta:
    """The wait that a 429 asks for, within limits; a default if the header is missing or unreadable."""
    try:
        wait = timedelta(seconds=float(response.headers["Retry-After"]))
    except (KeyError, ValueError, OverflowError):
        return DEFAULT_WAIT
    return min(max(wait, timedelta(0)), LONGEST_WAIT)


def _read(response: requests.Response) -> bytes:
    """Read the whole body, with a size limit. The deadline of the call limits the time."""
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError("answer too large")
    return bytes(body)


def _refuse_in_transaction(what: str) -> None:
    """Raises CallInTransaction if a transaction is open: it would hold its locks while the other side answers."""
    blocks = database.atomic_blocks
    # As in Django's own `durable` check, the transaction around a test does not count.
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise CallInTransaction(what)


def _refuse_strange_headers(headers: Mapping[str, str], *, what: str) -> None:
    """Raises Permanent for a header that cannot be sent. Nothing was sent, so the outcome is known."""
    for name, value in headers.items():
        if not value.isascii() or has_control(value):
            raise Permanent(f"{what}: the header {name} would have a character that no header can have")


def send(
    method: str,
    url: str,
    *,
    changes: bool,
    what: str,
    pool: str,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: Any = None,
    params: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    longest: float | None = None,
) -> requests.Response:
    """Make one call, and return the answer if it is 2xx, 3xx or a 4xx other than 408 and 429.

    `what` names the call in errors and logs. It must not be a URL, which may have secrets in it. `pool` names the kept
    connections. Redirects are not followed. `changes` says whether the call changes the other system. `timeout` limits
    the connecting and each silence of the other side. `longest` limits the whole call, and is at most
    LONGEST_CALL_SECONDS.

    Raises EndpointFailed (the connection or a reading call failed), AnswerLost (a changing call failed after it may
    have been sent: time-out, reset, 408, 5xx, body cut off), Throttled (429, until Retry-After), Permanent (a header
    that cannot be sent).
    """
    _refuse_in_transaction(what)
    _refuse_strange_headers(headers or {}, what=what)
    if calls := _observed.get():
        calls.before_each()
    try:
        targets.check(url)
        with deadlines.within(min(longest or LONGEST_CALL_SECONDS, LONGEST_CALL_SECONDS)):
            response = _session(pool).request(
                method,
                url,
                headers=dict(headers or {}),
                json=json,
                data=data,
                params=params,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
            response._content = _read(response)
    except SoftTimeLimitExceeded as error:
        # The time of the run was over while it waited for the answer. What was sent may have been done.
        raise unanswered(f"{what}: not answered within the time of a run", changes=changes) from error
    except targets.TargetRefused as error:
        # This counts as an endpoint that does not answer: its work waits, the circuit opens, and staff read why.
        raise EndpointFailed(f"{what}: {error}") from error
    except requests.exceptions.ConnectTimeout as error:
        raise EndpointFailed(f"{what}: could not connect in time") from error
    except requests.exceptions.ConnectionError as error:
        raise _connection_error(error, changes=changes, what=what) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise unanswered(f"{what}: {type(error).__name__}", changes=changes) from error
    return _judge(response, changes=changes, what=what)


def _connection_error(
    error: requests.exceptions.ConnectionError, *, changes: bool, what: str
) -> EndpointFailed:
    """The error for a broken connection. A refused connection sent nothing, but one that broke later may have."""
    if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
        return EndpointFailed(f"{what}: could not connect")
    return unanswered(f"{what}: connection broke", changes=changes)


def _judge(response: requests.Response, *, changes: bool, what: str) -> requests.Response:
    """Return a proper answer, and note that the endpoint gave one. Raises Throttled for 429, and the error for an
    endpoint that failed for 408 and 5xx."""
    status = response.status_code
    if status == 429:
        _note_answer()
        raise Throttled(f"{what}: 429", wait=_retry_after(response), scope=Scope.ENDPOINT)
    if status == 408 or status >= 500:
        raise unanswered(f"{what}: HTTP {status}", changes=changes)
    _note_answer()
    return response


def parse_json(response: requests.Response, *, changes: bool, what: str) -> dict[str, Any]:
    """Return the JSON object of an answer, without characters that cannot be stored.

    Raises EndpointFailed, or AnswerLost for a changing call, if the body is no readable JSON object: cut off, the page
    of a proxy, nested too deeply.
    """
    try:
        return untrusted.parse_answer(response.content)
    except untrusted.Unreadable as error:
        raise unanswered(f"{what}: answer is {error}", changes=changes) from error


def object_in(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object in an answer that refuses a call, to quote it; {} if there is none."""
    try:
        return untrusted.parse_answer(response.content)
    except untrusted.Unreadable:
        return {}
